"""What a layer gives to a loss that its own weights are part of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from netspec.data.fieldtype import FieldType
from netspec.tensortype import Dim

if TYPE_CHECKING:
    from netspec.catalog.scope import Scope
    from netspec.compiler.graph import Value


class Head(ABC):
    """How likely a layer holds what it is to tell: what `negative_log_likelihood` reads instead of the layer's value.

    The layer sets it where it builds (`Scope.head`). Its value is what prediction and metrics see, and nothing of that
    is computed in training.
    """

    logits: ClassVar[bool] = False
    """Whether the layer's value is a score for each class, as metrics read those before a softmax."""

    @property
    @abstractmethod
    def rows(self) -> Dim:
        """What its loss is a mean over: places of the target, or whole sequences of them."""

    def check(self, target: FieldType) -> None:  # noqa: B027  most heads ask for nothing
        """Whether it can tell ``target``, whose classes the layer's value has.

        Raises:
            ShapeError: if it cannot; the message speaks of the layer, the advice is a way out.
        """

    @abstractmethod
    def loss(self, g: Scope, target: Value) -> Value:
        """The negative logarithm of the likelihood of ``target``, ``float32[rows]``.

        Args:
            g: Where the loss is built.
            target: Classes, of an integer dtype, one for each place.
        """

    def probabilities(self, g: Scope, value: Value) -> Value:
        """What prediction shows of the layer's ``value``: probabilities, where there are some."""
        return value
