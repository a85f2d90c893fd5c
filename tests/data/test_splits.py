"""Splits: sizes, seeds, strata, folds, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.data.splits import Split, split_rows

Fault = Callable[[Callable[[], object]], tuple[str, str]]
ROWS = {"train": range(100)}


def test_without_a_split_there_is_only_train() -> None:
    splits = split_rows(Split(), ROWS, 0)
    assert list(splits) == ["train"]
    assert splits["train"].tolist() == list(range(100))


def test_rows_and_shares() -> None:
    splits = split_rows(Split(validation=7, test=0.25), ROWS, 0)
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 68, "validation": 7, "test": 25}
    assert np.array_equal(np.sort(np.concatenate(list(splits.values()))), np.arange(100))
    assert all((np.diff(rows) > 0).all() and rows.dtype == np.int64 for rows in splits.values())


def test_seed_decides_and_test_does_not_hang_on_validation() -> None:
    one, other = split_rows(Split(test=20), ROWS, 1)["test"], split_rows(Split(test=20), ROWS, 2)["test"]
    assert not np.array_equal(one, other)
    assert np.array_equal(one, split_rows(Split(test=20, validation=0.3), ROWS, 1)["test"])


def test_own_test_split_stays() -> None:
    splits = split_rows(Split(validation=10), {"train": range(60), "test": range(60, 80)}, 0)
    assert splits["test"].tolist() == list(range(60, 80))
    assert len(splits["train"]) == 50
    assert splits["train"].max() < 60


@given(st.integers(2, 60), st.integers(0, 5), st.data())
def test_strata_keep_their_ratio(rows: int, seed: int, data: st.DataObject) -> None:
    groups = np.array(data.draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows)))
    wanted = data.draw(st.integers(1, rows - 1))
    test = split_rows(Split(test=wanted), {"train": range(rows)}, seed, groups=groups)["test"]
    assert len(test) == wanted
    for group in range(4):
        assert abs((groups[test] == group).sum() - (groups == group).sum() * wanted / rows) < 1


def test_folds_share_out_every_row_once() -> None:
    groups = np.arange(103) % 2
    folds = [split_rows(Split(folds=10, fold=k), {"train": range(103)}, 0, groups=groups)["test"] for k in range(1, 11)]
    assert np.array_equal(np.sort(np.concatenate(folds)), np.arange(103))
    assert {len(fold) for fold in folds} == {10, 11}
    assert all(abs(groups[fold].mean() - 0.5) <= 0.1 for fold in folds)


@pytest.mark.parametrize(
    ("split", "own", "code", "words"),
    [
        (Split(test=100), ROWS, "too-few-rows", "`split.test` asks for 100 rows, and `train` has 100"),
        (
            Split(test=60, validation=60),
            ROWS,
            "too-few-rows",
            "`split.validation` asks for 60 rows, and `train` has 40",
        ),
        (Split(test=0.001), ROWS, "empty-split", "`split.test: 0.001` of 100 rows is no row"),
        (Split(test=5), ROWS | {"test": range(3)}, "split-exists", "its own `test` split of 3 rows"),
        (Split(folds=5), ROWS | {"test": range(3)}, "split-exists", "`split.folds` asks for rows"),
        (Split(folds=101), ROWS, "too-few-rows", "101 parts"),
    ],
)
def test_what_cannot_be_split(split: Split, own: dict[str, range], code: str, words: str, fault: Fault) -> None:
    found, text = fault(lambda: split_rows(split, own, 0))
    assert found == code
    assert words in text


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"folds": 5, "test": 3}, "both make the test split"),
        ({"folds": 5, "fold": 6}, "there is no part 6 of 5"),
        ({"fold": 1}, "there is no part 1 of rows that `folds` does not cut"),
    ],
)
def test_a_test_split_is_one_part_or_one_share(said: dict[str, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Split.model_validate(said)


@pytest.mark.parametrize("bad", [0, 1.0, 1.5, -3, 0.0, True, "5"])
def test_shares_are_rows_or_fractions(bad: object) -> None:
    with pytest.raises(ValueError, match="validation"):
        Split.model_validate({"validation": bad})
