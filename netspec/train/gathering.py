"""Where each batch of a chunk stands in its step, for steps that are made of several batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Gathering:
    """Of each batch: how many steps, and how many batches, come before it; its share of the step; whether it ends it.

    Shares go by rows, so that a step is the mean over all of them also where the last batch of an epoch is short; the
    last step of an epoch has what batches are left.
    """

    step: Array
    batch: Array
    share: Array
    last: Array


@dataclass(frozen=True)
class Steps:
    """How the rows of an epoch are shared out: ``batch`` at once, ``accumulate`` batches a step."""

    rows: int
    batch: int
    accumulate: int

    @property
    def batches(self) -> int:
        """Batches of an epoch."""
        return -(-self.rows // self.batch)

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return -(-self.batches // self.accumulate)

    def done(self, batches: int) -> tuple[int, int]:
        """Steps that the first ``batches`` of an epoch make, and batches that are gathered for the next."""
        return (self.steps, 0) if batches >= self.batches else divmod(batches, self.accumulate)

    def gathering(self, epoch: int, first: int, count: int) -> Gathering:
        """``count`` batches of an epoch from the ``first`` on, all counted from 0."""
        import numpy as np

        batch = np.arange(first, first + count)
        step = batch // self.accumulate
        begin, end = batch * self.batch, np.minimum((batch + 1) * self.batch, self.rows)
        whole = self.batch * self.accumulate
        rows_of_step = np.minimum((step + 1) * whole, self.rows) - step * whole
        last = (batch + 1) % self.accumulate == 0
        last |= batch + 1 == self.batches
        return Gathering(epoch * self.steps + step, epoch * self.batches + batch, (end - begin) / rows_of_step, last)
