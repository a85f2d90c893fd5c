"""The base of all metrics: those that add a number a sample, and those that need all samples at once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from netspec.catalog.losses.loss import check_binding
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.data.fieldtype import FieldType
from netspec.declared import Declared
from netspec.tensortype import TensorType

if TYPE_CHECKING:
    import numpy.typing as npt

    Rows: TypeAlias = npt.NDArray[Any]

Found: TypeAlias = "float | list[list[int]]"
"""What a metric comes to: a number, or a table."""


@dataclass(frozen=True)
class Reading:
    """How outputs are to be read.

    ``cut`` is where a single output changes sides: 0 for scores, else as ``middle``; ``middle`` is midway between the
    two values that a single target takes. ``logits`` says that a loss takes these outputs for scores.
    """

    cut: float = 0.5
    middle: float = 0.5
    logits: bool = False


PLAIN = Reading()


class Metric(Declared, family="metric"):
    """What is told of a network beside the loss.

    A kind is `Compared`, outputs with targets, `Decoded`, sequences that are made, or `Inspected`, what is computed
    inside. From and target belong to every metric and are no fields of a kind.
    """

    better: ClassVar[Literal["higher", "lower"] | None]
    """None for a table, which nothing can be compared by."""


class Compared(Metric):
    """A metric of outputs and their targets.

    It is a `Summed`, which training tells while it goes on, or a `Collected`, which only an evaluation can tell.
    """

    def check(self, output: TensorType, target: FieldType) -> None:
        """Whether it can compare ``output``, batch first, with ``target``.

        Raises:
            ShapeError: if it cannot.
        """
        check_binding(self.kind, output, target)

    @abstractmethod
    def build(self, g: Scope, output: Value, target: Value, how: Reading = PLAIN) -> Value:
        """What each sample gives: ``float32[B]`` of a `Summed`, ``float32[B, K]`` of a `Collected`.

        Args:
            g: Where the graph is built.
            output: ``float32[B, ...]``, as the loss sees it.
            target: Real numbers in the shape of ``output``; or classes, of an integer dtype, without its last axis.
            how: How outputs are to be read.
        """


class Summed(Compared):
    """A metric that is a function of the sum of a number a sample."""

    @abstractmethod
    def finish(self, total: float, count: int) -> float:
        """The metric of ``count`` samples that added up to ``total``."""


class Collected(Compared):
    """A metric that needs what all samples give, exactly and in float64: a ranking, counts by class, a variance."""

    @abstractmethod
    def finish(self, rows: Rows, classes: Sequence[str] = ()) -> Found:
        """The metric of the samples ``float64[n, K]``; not a number where it is not defined.

        Rows are those of all samples, each with its steps in order; ``classes`` are the names of the target's.
        """


class Decoded(Metric):
    """A metric of the sequences that a network makes by the spec's `decode`, beside those of the target."""

    @abstractmethod
    def judge(self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> float:
        """The metric of some samples: the tokens that were made of each, and those that were wanted, no `<end>`."""


class Inspected(Metric):
    """A metric of what a step computes inside the network, the mean over samples; it compares with no target."""

    inside: ClassVar[Literal["values", "gradients", "weights"]]
    """What it is told: a layer's values; the loss's gradient by a layer's net inputs; the gradients by weights."""

    @abstractmethod
    def inspect(self, g: Scope, values: Sequence[Value]) -> Value:
        """A number for each sample, ``float32[B]``, or one for the batch, ``float32[]``.

        Args:
            g: Where the graph is built.
            values: What it is told: one value, or gradients by any number of weights.
        """

    def finish(self, total: float, count: int) -> float:
        """The mean of ``count`` samples that added up to ``total``."""
        return total / count
