"""In which order rows train: windows that continue each other, and batches of rows of like length."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from netspec.data.batches import FeedInMemory, VisitInMemory, bucketed, in_turn
from netspec.data.dataset import Dataset, open_data
from netspec.data.field import Field
from netspec.data.fields.tokens import Tokens
from netspec.data.section import DataSection
from netspec.data.sources.lines import Lines
from netspec.data.sources.stream import Stream


@given(st.integers(1, 100), st.integers(1, 12))
def test_each_batch_goes_on_where_the_last_one_ended(count: int, batch: int) -> None:
    rows = np.arange(1000, 1000 + count)
    batches = [part for parts in VisitInMemory(rows, carried=True).batches(batch) for part in parts]
    assert sorted(np.concatenate(batches).tolist()) == rows.tolist()
    assert [len(part) for part in batches[:-1]] == [batch] * (len(batches) - 1)
    for before, after in pairwise(batches):
        assert (after == before[: len(after)] + 1).all()


def test_a_stream_is_read_in_stretches_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text(" ".join(f"w{i}" for i in range(23)))
    source = Stream(path="t.txt", steps=2, end=False, min_count=1)
    data = open_data(DataSection(source=source), tmp_path, 0)
    assert isinstance(data, Dataset)
    feed = data.feed(0, 3, shuffle=True, carried=True)
    whole = feed.take(0, 0, 100)
    first = [[data.ragged["tokens"].row(row)[0] for row in rows] for rows in whole.tolist()]
    names = data.fields["tokens"].classes or ()
    assert [[names[code] for code in step] for step in first] == [
        ["w0", "w8", "w16"], ["w2", "w10", "w18"], ["w4", "w12", "w20"],
    ]  # fmt: skip
    assert data.feed(0, 3, shuffle=True, carried=True).take(5, 1, 1).tolist() == whole[1:2].tolist()
    assert feed.take(0, 3, 100).tolist() == [[3, 7]]  # the rest continues the first of them


@given(st.integers(1, 400), st.integers(1, 9), st.booleans())
def test_rows_of_like_length_fill_batches(count: int, batch: int, shuffle: bool) -> None:
    lengths = np.random.Generator(np.random.PCG64(count)).integers(1, 50, count)
    order = bucketed([lengths], batch, 0, 1, shuffle=shuffle)
    assert sorted(order.tolist()) == list(range(count))
    whole = lengths[order[: count // batch * batch]].reshape(-1, batch)
    if count <= 64 * batch:  # one pool: no two batches overlap in their lengths
        spans = sorted((row.min(), row.max()) for row in whole)
        assert all(high <= low for (_, high), (low, _) in pairwise(spans))
    assert order[len(whole) * batch :].tolist() == list(range(len(whole) * batch, count))


def test_an_epoch_in_buckets_goes_on_where_it_was_left(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("".join("w " * (1 + i * 7 % 13) + "\n" for i in range(50)))
    fields: dict[str, Field] = {"x": Tokens(of="text")}
    section = DataSection(source=Lines(path="t.txt"), fields=fields, bucket=True)
    data = open_data(section, tmp_path, 0)
    assert isinstance(data, Dataset)
    lengths = data.ragged["x"].lengths
    whole = data.feed(3, 4, shuffle=True).take(1, 0, 100)
    assert whole.shape == (12, 4)
    assert data.feed(3, 4, shuffle=True).take(1, 5, 3).tolist() == whole[5:8].tolist()
    assert data.feed(3, 4, shuffle=True).take(2, 0, 100).tolist() != whole.tolist()
    spread = np.ptp(lengths[whole], axis=1).mean()
    plain = FeedInMemory(data.splits["train"], 3, 4, shuffle=True).take(1, 0, 100)
    assert 4 * spread < np.ptp(lengths[plain], axis=1).mean()


def test_fewer_rows_than_a_batch() -> None:
    assert in_turn(np.arange(3), 5).tolist() == [0, 1, 2]
    assert bucketed([np.array([3, 1])], 4, 0, 0, shuffle=True).tolist() == [0, 1]
