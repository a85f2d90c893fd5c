"""The base of all optimizers: a description that the graph is made from, no code that runs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from netspec.compiler.formula import Formula, parse
from netspec.declared import Declared

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Real: TypeAlias = "float | npt.NDArray[np.floating[Any]]"
    Count: TypeAlias = "int | npt.NDArray[np.int64]"


class Optimizer(Declared, family="optimizer"):
    """How a step changes a parameter by its gradient.

    The update is a formula over ``p`` (the parameter), ``g`` (its gradient), the states, which start at 0, and scalars
    that the host computes for every step in float64. All settings enter as scalars, so that every setting of an
    optimizer shares its kernels; only what is off (no momentum, no decay) leaves the formula.
    """

    lr: float
    """The learning rate, before the schedule and the layer's own factor."""

    usual: ClassVar[tuple[float, float] | None] = None
    """The least and the largest rate that it is used with, if such are known."""

    @property
    @abstractmethod
    def states(self) -> tuple[str, ...]:
        """The names of what is kept for each parameter from step to step."""

    @property
    @abstractmethod
    def text(self) -> str:
        """The new ``p`` and the new states in order, over ``p``, ``g``, the states and the scalars."""

    @abstractmethod
    def scalars(self, lr: Real, t: Count) -> Mapping[str, Real]:
        """The scalars of a step, by their names in the formula, always the same ones in the same order.

        Args:
            lr: The learning rate of this step for this parameter: the schedule and the layer's factor are in it.
            t: The step, from 1. Both may be arrays, for many steps at once.
        """

    @property
    def scalar_names(self) -> tuple[str, ...]:
        return tuple(self.scalars(self.lr, 1))

    @property
    def by_rows(self) -> bool:
        """Whether the step of a table may be taken at those rows alone that a batch has read.

        Without states it is the same step. With them, the states of other rows stand still, and other rows do not move
        by what they hold.
        """
        return True

    def update(self) -> Formula:
        """The formula, its inputs in the order p, g, states, scalars."""
        return parse(self.text, ("p", "g", *self.states, *self.scalar_names))
