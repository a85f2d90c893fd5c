"""The base of all layers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.data.fieldtype import FieldType
from netspec.declared import Declared

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

Sight: TypeAlias = Literal["step", "past", "all"]
"""The step itself, it and those before it, or later ones too."""

Built: TypeAlias = "Value | Mapping[str, Value]"


class Layer(Declared, family="layer"):
    """A kind of layer: its fields, and the graph it builds.

    ``many`` layers (add, concat) take any number of inputs as their main field ``from``; with ``reads`` that is a map
    of these names, and where a layer ``reads_one``, a single value may stand for all of them. ``references`` are fields
    that name a further value each, which is read where the field is given.
    Name, from, repeat, share, freeze, lr_scale, init and regularize belong to every layer and are no fields of a kind.
    """

    many: ClassVar[bool] = False
    reads: ClassVar[tuple[str, ...]] = ()
    reads_one: ClassVar[bool] = False
    references: ClassVar[tuple[str, ...]] = ()
    resumes: ClassVar[bool] = False
    """Whether it can go on, step by step, from a state that it left (`Scope.resumed`), where it sees the past."""
    decides: ClassVar[bool] = False
    """Whether its value is a decision, 1 for the class that it chooses and else 0: there are no probabilities then."""

    def sight(self, *inputs: Value) -> Sight:
        """Which steps of a length its value at a step depends on; ``inputs`` as `build` is given them.

        A layer whose value has no such steps sees all of them, and need not say so.
        """
        return "step"

    @property
    def carries(self) -> bool:
        """Whether it goes on, in each row of the data, from the state that the row before it left."""
        return False

    @abstractmethod
    def build(self, g: Scope, *inputs: Value) -> Built:
        """The layer's value, or a map of its ports whose key ``""`` is the value itself.

        Inputs stand in the order of ``from``, or of ``reads``, or are the single one that stands for these; those of
        ``references`` that are given come last.

        Raises:
            ShapeError: if the inputs do not fit; the message speaks of this layer, the advice is a way out.
        """

    def constants(self, target: FieldType, counts: Sequence[int]) -> Mapping[str, Array]:
        """What `build` reads as constants (`Scope.constant`), by name.

        Args:
            target: The field that a loss holds the layer's value against.
            counts: How often it is each class in training.
        """
        return {}

    @property
    def needs_target(self) -> bool:
        """Whether there are `constants`, so that a loss has to say what the layer tells."""
        return False
