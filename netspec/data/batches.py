"""The order in which an epoch visits the rows of a split."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netspec.data.permutation import permutation

if TYPE_CHECKING:
    from netspec.data.table import Array


def epoch_order(rows: Array, seed: int, epoch: int, *, shuffle: bool = True) -> Array:
    """The rows of one epoch, ``int64[n]``.

    Args:
        rows: the split's rows in the table, ``int64[n]``.
        seed: the run's.
        epoch: counted from 0; with the seed it alone decides the order, so that a resumed run goes on as it would have.
        shuffle: False keeps the order of the split.
    """
    import numpy as np

    rows = np.ascontiguousarray(rows, dtype=np.int64)
    return rows[permutation(len(rows), "epoch", seed, epoch)] if shuffle else rows
