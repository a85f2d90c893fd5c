"""Columns whose rows differ in length: what a batch of them means, and that nothing of it is held twice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.data.ragged import Ragged, apart, even_rows, of_rows, same_length
from netspec.data.text.vocabulary import at_least, framed


@st.composite
def columns(draw: st.DrawFn, *, gaps: bool = True) -> tuple[Ragged, list[list[int]]]:
    """Rows anywhere in a text, overlapping or not, and the same as lists."""
    values = np.arange(draw(st.integers(1, 40)), dtype=np.uint16) * 3
    rows, starts, lengths, holes = [], [], [], []
    has_gaps = gaps and draw(st.booleans())
    for _ in range(draw(st.integers(1, 8))):
        start = draw(st.integers(0, len(values) - 1))
        span = draw(st.integers(1, len(values) - start))
        own = values[start : start + span].tolist()
        hole = draw(st.integers(0, span))
        if has_gaps:
            own = own[:hole] + own[hole + 1 :]
        rows.append(own)
        starts.append(start)
        lengths.append(len(own))
        holes.append(hole)
    found = Ragged(
        values,
        np.array(starts, dtype=np.int64),
        np.array(lengths, dtype=np.int32),
        np.array(holes, dtype=np.int32) if has_gaps else None,
    )
    return found, rows


@given(columns())
def test_rows_are_stretches_of_the_values(made: tuple[Ragged, list[list[int]]]) -> None:
    column, rows = made
    assert len(column) == len(rows)
    assert [column.row(i) for i in range(len(rows))] == rows
    padded = column.padded()
    assert padded.shape == (len(rows), max(map(len, rows)))
    for row, values in zip(rows, padded.tolist(), strict=True):
        assert values == row + [0] * (padded.shape[1] - len(row))
    chosen = np.array([len(rows) - 1, 0])
    assert column.chosen(chosen).row(0) == rows[-1]
    assert column.chosen(chosen).values is column.values


@given(columns())
def test_how_often_values_are_read(made: tuple[Ragged, list[list[int]]]) -> None:
    column, rows = made
    read = [value for row in rows for value in row]
    assert column.reads().tolist() == [read.count(value) for value in column.values.tolist()]


@given(columns(), st.integers(1, 50))
def test_rows_with_a_token_more_or_of_a_least_length(made: tuple[Ragged, list[list[int]]], least: int) -> None:
    column, rows = made
    for before, after, drop in ((1, None, False), (None, 2, False), (1, None, True), (1, 2, True)):
        found = framed(column, before=before, after=after, drop_last=drop)
        first, last = ([] if mark is None else [mark] for mark in (before, after))
        assert [found.row(i) for i in range(len(rows))] == [first + (row[:-1] if drop else row) + last for row in rows]
    filled = at_least(column, least, 7)
    assert [filled.row(i) for i in range(len(rows))] == [row + [7] * (least - len(row)) for row in rows]


def test_even_rows() -> None:
    column = Ragged(np.arange(20), np.array([0, 3, 10]), same_length(3, 4), np.array([2, 0, 4], np.int32))
    assert column.even(4).tolist() == [[0, 1, 3, 4], [4, 5, 6, 7], [10, 11, 12, 13]]
    series = even_rows(np.arange(24.0, dtype=np.float32).reshape(2, 3, 4))
    assert series.padded().tolist() == np.arange(24.0).reshape(2, 3, 4).tolist()


def test_spelled_words() -> None:
    letters = of_rows(np.array([1, 2, 3, 4, 5], np.uint16), [2, 3])
    words = Ragged(np.array([1, 0, 1]), np.array([0, 2]), np.array([2, 1], np.int32), spellings=letters)
    assert words.row(0) == [[3, 4, 5], [1, 2]]
    assert words.padded().tolist() == [[[3, 4, 5], [1, 2, 0]], [[3, 4, 5], [0, 0, 0]]]
    assert list(words.arrays("w")) == [
        "w", "w.starts", "w.lengths", "w.spellings", "w.spellings.starts", "w.spellings.lengths",
    ]  # fmt: skip


def test_windows_of_a_text_share_it() -> None:
    text = np.arange(1000, dtype=np.uint16)
    starts = np.arange(0, 990, 10)
    one = Ragged(text, starts, same_length(99, 10))
    two = Ragged(text.copy(), starts + 1, same_length(99, 10))
    dense, ragged = apart({"one": one, "two": two, "other": np.arange(3)})
    assert list(dense) == ["other"]
    assert ragged["one"].values is ragged["two"].values
    assert ragged["two"].row(0) == list(range(1, 11))
    assert ragged["one"].values.base.size >= 1016  # whole vectors can be read to its end
    assert one.nbytes == pytest.approx(2 * 1000 + 8 * 99 + 4)
