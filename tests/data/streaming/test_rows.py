"""Rows that are too many for memory: shared out, chosen, read from files, and ordered for training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netspec.data.splits import Split, split_rows
from netspec.data.streaming.chosen import Chosen
from netspec.data.streaming.feed import StreamedFeed, cut
from netspec.data.streaming.sharing import share_out
from netspec.data.streaming.stored import Extent, File, StoredColumn, Writer
from netspec.data.streaming.window import Window
from netspec.data.table import Rows
from netspec.diagnostics import NetspecError

Fault = Callable[[Callable[[], object]], tuple[str, str]]

patient = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=60)


@patient
@given(
    st.lists(st.integers(0, 3), min_size=2, max_size=400),
    st.sampled_from([None, 1, 3, 0.1, 0.5]),
    st.sampled_from([None, 2, 0.25]),
    st.booleans(),
    st.integers(0, 5),
)
def test_rows_are_shared_out_as_in_memory(
    classes: list[int], test: int | float | None, validation: int | float | None, stratify: bool, seed: int
) -> None:
    split = Split(test=test, validation=validation)
    groups = np.unique(classes, return_inverse=True)[1] if stratify else None
    codes = np.zeros(len(classes), np.uint8)
    wanted = rows_or_fault(lambda: split_rows(split, {"train": range(len(classes))}, seed, groups=groups))
    assert rows_or_fault(lambda: share_out(split, ["train"], codes, seed, groups)) == wanted


def rows_or_fault(shared: Callable[[], Mapping[str, Rows]]) -> dict[str, list[int]] | str:
    """The rows of each split, or why there are none."""
    try:
        return {name: rows[:].tolist() for name, rows in shared().items()}
    except NetspecError as fault:
        return fault.render()


def test_many_rows_and_classes_are_shared_out_as_in_memory() -> None:
    groups = np.random.default_rng(0).integers(700, size=300_001)
    split = Split(test=0.1, validation=1000)
    wanted = split_rows(split, {"train": range(len(groups))}, 3, groups=groups)
    found = share_out(split, ["train"], np.zeros(len(groups), np.uint8), 3, groups)
    assert all(np.array_equal(found[name][:], rows) for name, rows in wanted.items())


@patient
@given(st.integers(1, 20_000), st.integers(1, 50), st.integers(0, 20_000), st.integers(0, 20_000))
def test_chosen_rows_are_a_list(rows: int, kinds: int, start: int, stop: int) -> None:
    codes = np.random.default_rng(rows).integers(kinds, size=rows).astype(np.uint8)
    chosen, wanted = Chosen(codes, 0), np.flatnonzero(codes == 0)
    assert len(chosen) == len(wanted)
    assert np.array_equal(chosen[start:stop], wanted[start:stop])


@patient
@given(
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["<f4", ">f8", "|u1"])), min_size=1, max_size=4),
    st.sets(st.integers(0, 100)),
)
def test_a_column_of_several_files_is_an_array(tmp_path_factory: pytest.TempPathFactory, files, rows) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("files")
    extents, arrays = [], []
    for number, (count, dtype) in enumerate(files):
        array = np.random.default_rng(number).integers(200, size=(count, 3)).astype(dtype)
        path = folder / f"{number}.bin"
        path.write_bytes(b"begin" + array.tobytes())
        extents.append(Extent(File(path), 5, count, dtype))
        arrays.append(array.astype(np.float32))
    column, whole = StoredColumn(tuple(extents), "<f4", (3,)), np.concatenate(arrays)
    chosen = np.array(sorted(row for row in rows if row < len(whole)), dtype=np.int64)
    assert (column.shape, len(column)) == (whole.shape, len(whole))
    assert np.array_equal(column[chosen], whole[chosen])
    assert np.array_equal(column[2:7], whole[2:7])
    assert np.array_equal(column.read(0, len(whole)), whole)


def test_sparse_rows_are_read_by_short_stretches(tmp_path: Path) -> None:
    array = np.arange(3_000_000, dtype=np.int64)
    writer = Writer(tmp_path / "a.npy", array.dtype, (), len(array))
    writer.write(array)
    writer.close()
    assert np.array_equal(np.load(tmp_path / "a.npy"), array)
    rows = np.array([0, 5, 999_999, 1_000_000, 2_999_999])
    assert writer.column()[rows].tolist() == rows.tolist()


def test_a_file_that_changes_is_told(tmp_path: Path, fault: Fault) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(100))
    column = StoredColumn((Extent(File(path), 0, 100, "|u1"),), "|u1")
    assert column.read(0, 100).tolist() == [0] * 100
    path.write_bytes(bytes(50))
    code, text = fault(lambda: column.read(0, 100))
    assert code == "changed-data"
    assert "a.bin has been changed or cut short while it was read" in text


def a_feed(path: Path, rows: int, buffer: int, batch: int, shuffle: bool) -> tuple[StreamedFeed, Window]:
    writer = Writer(path, "<i8", (), rows)
    writer.write(np.arange(rows))
    writer.close()
    column = writer.column()
    parts = cut(rows, buffer, batch, 1 << 14)  # so wide rows that stretches are short
    window = Window({"row": column}, parts.buffer, batch)
    chosen = Chosen(np.zeros(rows, np.uint8), 0)
    return StreamedFeed(window, chosen, parts, 7, batch, shuffle=shuffle), window


@patient
@given(st.integers(1, 300), st.integers(1, 320), st.integers(1, 70), st.integers(1, 5), st.booleans())
def test_an_epoch_takes_each_row_once(
    tmp_path_factory: pytest.TempPathFactory, rows: int, buffer: int, batch: int, most: int, shuffle: bool
) -> None:
    path, batch = tmp_path_factory.mktemp("feed") / "rows.npy", min(batch, rows)
    feed, window = a_feed(path, rows, buffer, batch, shuffle)
    epochs: list[list[list[int]]] = []
    for epoch in range(3):
        steps: list[list[int]] = []
        while len(steps) < -(-rows // batch):
            places = feed.take(epoch, len(steps), most)
            assert len(places) <= most
            steps += window.arrays["row"][places].tolist()
        assert [len(step) for step in steps[:-1]] == [batch] * (len(steps) - 1)
        assert sorted(row for step in steps for row in step) == list(range(rows))
        epochs.append(steps)
    if not shuffle:
        assert [row for step in epochs[2] for row in step] == list(range(rows))
    # A training that goes on begins anywhere, and takes as many steps at once as it likes.
    other, elsewhere = a_feed(path.with_name("again.npy"), rows, buffer, batch, shuffle)
    step = (len(epochs[1]) - 1) // 2
    places = other.take(1, step, most + 3)
    assert elsewhere.arrays["row"][places].tolist() == epochs[1][step : step + len(places)]


def test_orders_differ_between_epochs_and_mix_the_whole_file(tmp_path: Path) -> None:
    feed, window = a_feed(tmp_path / "rows.npy", 20_000, 1280, 64, shuffle=True)
    firsts = [window.arrays["row"][feed.take(epoch, 0, 20).reshape(-1)] for epoch in (0, 1)]
    assert not np.array_equal(*firsts)
    # A buffer holds stretches from everywhere: the mean of its rows is near that of all.
    assert all(abs(first.mean() - 10_000) < 2_500 for first in firsts)
    assert all(abs(np.corrcoef(np.arange(len(first)), first)[0, 1]) < 0.1 for first in firsts)
