"""Random orders: permutations, fixed by their key alone, without pattern."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.data.batches import epoch_order
from netspec.data.permutation import permutation


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 15, 16, 17, 64, 1000, 65537])
def test_every_row_comes_once(rows: int) -> None:
    order = permutation(rows, "test", 0)
    assert order.dtype == np.int64
    assert np.array_equal(np.sort(order), np.arange(rows))


def test_order_is_the_same_everywhere() -> None:
    assert permutation(10, "epoch", 0, 0).tolist() == GOLDEN


GOLDEN = [5, 9, 6, 0, 7, 2, 3, 1, 8, 4]


def test_order_hangs_on_every_part_of_the_key() -> None:
    keys: list[tuple[int | str, ...]] = [
        ("a", 0, 0),
        ("b", 0, 0),
        ("a", 1, 0),
        ("a", 0, 1),
        ("a", -1, 0),
        ("a", 1 << 64, 0),
    ]
    orders = {tuple(permutation(50, *key)) for key in keys}
    assert len(orders) == len(keys)


def test_first_place_is_shared_evenly() -> None:
    first = np.bincount([permutation(10, "epoch", 0, epoch)[0] for epoch in range(2000)], minlength=10)
    assert first.min() > 150
    assert first.max() < 250


def test_epoch_order_visits_the_rows_of_the_split() -> None:
    rows = np.array([3, 5, 8, 13, 21], dtype=np.int64)
    order = epoch_order(rows, seed=7, epoch=2)
    assert sorted(order) == rows.tolist()
    assert np.array_equal(order, epoch_order(rows, seed=7, epoch=2))
    assert any(not np.array_equal(order, epoch_order(rows, seed=7, epoch=e)) for e in range(3, 8))
    assert np.array_equal(epoch_order(rows, 7, 2, shuffle=False), rows)
