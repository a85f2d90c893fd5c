"""The base of all losses."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.data.fieldtype import FieldType
from netspec.declared import Declared
from netspec.tensortype import ShapeError, Size, TensorType, sample_shape, show_shape

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]


class Loss(Declared, family="loss"):
    """What training makes small: one number for each sample, or each of its places, of which the caller takes the mean.

    From, target, weight and sample_weight belong to every loss and are no fields of a kind.
    """

    reads_head: ClassVar[bool] = False
    """Whether it reads what a layer has set as its head, and not the layer's value."""

    def check(self, output: TensorType, target: FieldType) -> None:
        """Whether this loss can compare ``output``, batch first, with ``target``.

        Raises:
            ShapeError: if it cannot; the message speaks of this loss, the advice is a way out.
        """
        check_binding(self.kind, output, target)

    @abstractmethod
    def build(self, g: Scope, output: Value, target: Value) -> Value:
        """The loss of each row, ``float32[B]``: of each sample, or each place of its lengths, or what a head says.

        Args:
            g: Where the graph is built.
            output: ``float32[B, ...]``.
            target: Real numbers in the shape of ``output``; or classes, of an integer dtype, without its last axis.
        """

    @property
    def takes_logits(self) -> bool:
        """Whether outputs are scores before a softmax or sigmoid: one of them is then cut at 0 to choose a class."""
        return False

    @property
    def samples_scores(self) -> bool:
        """Whether training computes less than the output, so that metrics on it wait for an evaluation."""
        return False

    def constants(self, counts: Sequence[int]) -> Mapping[str, Array]:
        """What `build` reads as constants, by name; ``counts`` are how often the target is each class in training."""
        return {}

    def probabilities(self, g: Scope, output: Value) -> Value:
        """What prediction shows of an output that this loss trains: probabilities where it takes logits."""
        return output

    def remark(self, g: Scope, output: Value) -> str | None:
        """What a careful reader would say of this loss on that output, if anything."""
        return None


def check_binding(kind: str, output: TensorType, target: FieldType) -> None:
    """Equal shapes; or a category against a score for each class, or of two classes against one score.

    Raises:
        ShapeError: if neither holds.
    """
    shape = sample_shape(output.shape)
    if target.kind == "text":
        raise ShapeError(f"`{kind}` needs numbers or a category as its target, got text")
    if target.shape is None:
        return
    if target.kind not in ("category", "index"):
        if target.shape != shape:
            advice = None
            if target.shape in ((), (1,)) and len(shape) == 1:
                advice = "if the target is classes, make a category of it: `data: {fields: {NAME: {category: COLUMN}}}`"
            raise ShapeError(
                f"`{kind}` compares equal shapes, "
                f"got an output of {show_shape(shape)} and a target of {show_shape(target.shape)}",
                advice,
            )
        return
    if shape == target.shape:
        scores: object = 1
    elif shape[:-1] == target.shape:
        scores = shape[-1]
    else:
        raise ShapeError(
            f"`{kind}` against a category needs a score for each class, got an output of {show_shape(shape)}"
        )
    fits = target.size in (None, scores) or (scores == 1 and target.size == 2) or isinstance(scores, Size)
    if not fits:
        raise ShapeError(
            f"`{kind}` needs a score for each of the {target.size} classes, got an output of {show_shape(shape)}",
            f"give the output {target.size} units" if target.size else None,
        )
