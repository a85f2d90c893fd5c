"""Streamed data hold what the same data hold in memory: fields, splits, what is fitted, faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec.data.cells
from netspec.data.dataset import AnyDataset, Dataset, open_data
from netspec.data.field import Field
from netspec.data.fields.category import Category
from netspec.data.fields.date import Date
from netspec.data.fields.number import Number
from netspec.data.fields.one_hot import OneHot
from netspec.data.section import DataSection
from netspec.data.source import Source
from netspec.data.sources.csv import Csv
from netspec.data.sources.npy import Npy
from netspec.data.sources.parquet import Parquet
from netspec.data.splits import Split
from netspec.data.streaming import rowgroups, streamed
from netspec.data.streaming.dataset import StreamedDataset

Fault = Callable[[Callable[[], object]], tuple[str, str]]

ROWS = 211


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of some rows, so that even small data are read in many."""
    monkeypatch.setattr(streamed, "PIECE_BYTES", 500)
    monkeypatch.setattr(netspec.data.cells, "CELLS", 50)
    monkeypatch.setattr(rowgroups, "CELLS", 50)


def columns() -> dict[str, Any]:
    """Columns of all kinds, with missing numbers and names."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(5, 3, ROWS), rng.integers(1, 9, ROWS).astype(float)
    b[rng.random(ROWS) < 0.1] = np.nan
    part = np.array(["train", "validation", "test"])[rng.integers(3, size=ROWS)]
    kind = np.array(["red", "green", "blue", ""])[rng.choice(4, p=[0.5, 0.3, 0.1, 0.1], size=ROWS)]
    day = np.array([f"20{i % 24:02d}-0{1 + i % 9}-17" for i in range(ROWS)])
    return {"a": a, "b": b, "kind": kind, "part": part, "day": day, "label": np.arange(ROWS) % 3}


def npy(folder: Path, values: Mapping[str, Any]) -> Npy:
    """An array file a column."""
    for name, column in values.items():
        np.save(folder / f"{name}.npy", column)
    return Npy.model_validate({"fields": {name: f"{name}.npy" for name in values}})


def csv(folder: Path, values: Mapping[str, Any]) -> Csv:
    """Two files with their columns in another order; a column of numbers has its first value late."""
    names = list(values)
    for part, order in enumerate((names, names[::-1])):
        lines = [",".join(order)]
        rows = [cells(values, order, row) for row in range(len(values["a"]))]
        half = len(rows) // 2
        path = folder / f"part_{part}.csv"
        path.write_text("\n".join([*lines, *(rows[:half] if part == 0 else rows[half:])]) + "\n")
    return Csv(path=("part_0.csv", "part_1.csv"), missing="?")


def cells(values: Mapping[str, Any], order: Sequence[str], row: int) -> str:
    texts = [str(values[name][row]) for name in order]
    return ",".join("?" if text == "nan" else f'"{text}"' if "-" in text else text for text in texts)


def parquet(folder: Path, values: Mapping[str, Any]) -> Parquet:
    """One file in small row groups, text as categories."""
    arrow, parquet = (pytest.importorskip(name) for name in ("pyarrow", "pyarrow.parquet"))
    columns = {}
    for name, column in values.items():
        texts = [None if text == "" else text for text in column] if name == "kind" else list(column)
        array = arrow.array([None if isinstance(x, float) and np.isnan(x) else x for x in texts])
        columns[name] = array.dictionary_encode() if name == "kind" else array
    parquet.write_table(arrow.table(columns), folder / "all.parquet", row_group_size=37)
    return Parquet(path="all.parquet")


WRITERS: dict[str, Callable[[Path, Mapping[str, Any]], Source]] = {"npy": npy, "csv": csv, "parquet": parquet}

FIELDS: dict[str, Field] = {
    "x": Number(of=["a", "b", "a * b"], missing="median"),
    "most": Number(of="b", missing="most_frequent", log=True),
    "mean": Number(of="b", missing="mean", min_max=True),
    "kind": Category(of="kind", missing="most_frequent"),
    "hot": OneHot(of="kind", missing="zeros"),
    "label": Category(of="label"),
    "day": Date(of="day", parts=["days", "year_cycle"], standardize=True),
}


def both(section: DataSection, base: Path) -> tuple[Dataset, StreamedDataset]:
    """The data in memory, and streamed."""
    found = [
        open_data(section.model_copy(update={"stream": stream}), base, 3, inputs=["x", "a"]) for stream in (False, True)
    ]
    assert isinstance(found[0], Dataset)
    assert isinstance(found[1], StreamedDataset)
    return found[0], found[1]


def rows_of(data: AnyDataset, split: str, name: str) -> Any:
    """The values of a split, in their order."""
    return np.concatenate([data.columns[name][places.reshape(-1)] for places in data.visit(split).batches(10)])


def assert_same(memory: Dataset, stream: StreamedDataset) -> None:
    assert stream.fields == memory.fields
    assert stream.fitted.to_json() == memory.fitted.to_json()
    wanted, found = memory.fitted.to_arrays(), stream.fitted.to_arrays()
    assert {name: array.tobytes() for name, array in found.items()} == {n: a.tobytes() for n, a in wanted.items()}
    assert list(stream.splits) == list(memory.splits)
    for split, rows in memory.splits.items():
        assert len(stream.splits[split]) == len(rows)
        for name, column in memory.columns.items():
            assert stream.dtype(name) == column.dtype
            assert np.array_equal(rows_of(stream, split, name), column[rows]), (split, name)
    assert all(stream.middle(name) == memory.middle(name) for name in memory.fields)


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize(
    "split",
    [
        Split(),
        Split(validation=0.1, test=30),
        Split(validation=0.2, stratify="label"),
        Split(test=0.3, stratify="kind"),
        Split(by="part"),
        Split.model_validate({"by": {"column": "part", "test": ["test"]}, "validation": 9}),
    ],
    ids=lambda split: str({name: value for name, value in split if value is not None}),
)
def test_fields_are_those_of_the_data_in_memory(tmp_path: Path, kind: str, split: Split) -> None:
    source = WRITERS[kind](tmp_path, columns())
    assert_same(*both(DataSection(source=source, fields=FIELDS, split=split, standardize=True), tmp_path))


@pytest.mark.parametrize("kind", WRITERS)
def test_rows_are_dropped_as_in_memory(tmp_path: Path, kind: str) -> None:
    source = WRITERS[kind](tmp_path, columns())
    fields: dict[str, Field] = {
        "x": Number(of=["a", "b"], missing="drop", standardize=True),
        "kind": Category(of="kind", missing="drop"),
    }
    memory, stream = both(DataSection(source=source, fields=fields, split=Split(test=0.2, stratify="kind")), tmp_path)
    assert 100 < len(memory.splits["train"]) < 0.8 * ROWS - 20
    assert_same(memory, stream)


def test_arrays_stay_in_their_files(tmp_path: Path, cache: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "x": rng.normal(size=(ROWS, 4)).astype(np.float32),
        "wide": rng.normal(size=(ROWS, 2, 3)),
        "image": rng.integers(256, size=(ROWS, 5, 6, 1)).astype(np.uint8),
        "label": rng.integers(4, size=ROWS),
        "far": rng.integers(-5, 5, size=ROWS),
        "one": rng.normal(size=ROWS),
    }
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array[: ROWS // 2])
        np.save(tmp_path / f"{name}_more.npy", array[ROWS // 2 : -50])
        np.save(tmp_path / f"{name}_test.npy", array[-50:])
    paths = {name: {"train": [f"{name}.npy", f"{name}_more.npy"], "test": f"{name}_test.npy"} for name in arrays}
    section = DataSection(source=Npy.model_validate({"fields": paths}), standardize=True)
    fields: dict[str, Field] = {"scaled": Number(of="x", standardize=True)}
    for given in (section, section.model_copy(update={"fields": fields})):
        assert_same(*both(given, tmp_path))
    # What is written are columns whose numbers lie otherwise in the file; the large ones are not copied.
    entries = sorted(cache.rglob("stream.json"))
    assert len(entries) == 2
    sizes = {path.stat().st_size for entry in entries for path in entry.parent.glob("column_*.npy")}
    assert max(sizes) < 5 * ROWS


def test_what_was_made_is_used_again(tmp_path: Path, cache: Path) -> None:
    source = npy(tmp_path, columns())
    section = DataSection(source=source, fields=FIELDS, stream=True)
    told: list[str] = []
    first = open_data(section, tmp_path, 3, told=told.append)
    assert len(told) == 1
    assert "a.npy, b.npy, kind.npy and 3 more" in told[0]
    again = open_data(section, tmp_path, 4, fitted=first.fitted, told=told.append)
    assert len(told) == 1
    assert again.fingerprint == first.fingerprint
    before = rows_of(again, "train", "x")
    # What is torn is made anew, and so is what another content needs.
    (torn,) = cache.rglob("column_0.npy")
    torn.write_bytes(torn.read_bytes()[:-1])
    mended = open_data(section, tmp_path, 3, told=told.append)
    assert np.array_equal(rows_of(mended, "train", "x"), before)
    assert len(told) == 2
    np.save(tmp_path / "a.npy", columns()["a"] + 1)
    changed = open_data(section, tmp_path, 3, told=told.append)
    assert len(told) == 3
    assert changed.fingerprint != first.fingerprint
    assert not np.array_equal(rows_of(changed, "train", "x"), before)


def test_of_a_source_the_last_three_stay(tmp_path: Path, cache: Path) -> None:
    source = npy(tmp_path, {"a": columns()["a"]})
    for width in range(1, 6):
        fields: dict[str, Field] = {"x": Number(of=["a"] * width)}
        open_data(DataSection(source=source, fields=fields, stream=True), tmp_path, 3)
    assert len(list(cache.rglob("stream.json"))) == 3
    assert not list(cache.rglob(".new-*"))


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize(
    ("changed", "fields", "words"),
    [
        ({"b": [1.0, np.nan, 3.0]}, {"x": Number(of=["a", "b"])}, "2, column `b`: no value"),
        ({"b": [1.0, 2.0, 1e300]}, {"x": Number(of="b")}, "3, column `b`: 1e+300 is not a number that float32"),
        ({"b": [0.0, 2.0, 1.0]}, {"x": Number(of="a / b")}, "1: `a / b` is inf where `a` is 1, `b` is 0"),
        ({"kind": ["x", "y", "x"]}, {"k": Category(of="kind", classes=["x"])}, "2, column `kind`: `y` is none of"),
        ({"b": [4.0, 4.0, 4.0]}, {"x": Number(of="b", standardize=True)}, "`b` in `x` is 4 in every training row"),
        ({}, {"x": Number(of="c")}, "the source has no column `c`"),
        ({"kind": ["x", "y", "z"]}, {"x": Number(of="kind")}, "1, column `kind`: `x` is not a number"),
    ],
)
def test_faults_name_file_and_row(
    tmp_path: Path, kind: str, changed: dict[str, Any], fields: dict[str, Field], words: str, cache: Path, fault: Fault
) -> None:
    source = WRITERS[kind](tmp_path, {"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0, 3.0], "kind": ["x", "y", "x"], **changed})
    section = DataSection(source=source, fields=fields)
    code, told = fault(lambda: open_data(section, tmp_path, 0))
    assert words in told or (kind == "csv" and words.partition(":")[2] in told)  # there it names lines
    assert (code, told) == fault(lambda: open_data(section.model_copy(update={"stream": True}), tmp_path, 0))
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_more_numbers_than_can_be_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    monkeypatch.setattr("netspec.data.missing.MOST_NUMBERS", 100)
    source = npy(tmp_path, {"a": columns()["a"]})
    section = DataSection(source=source, fields={"x": Number(of="a", missing="median")}, stream=True)
    code, told = fault(lambda: open_data(section, tmp_path, 0))
    assert code == "cannot-stream"
    assert "`missing: median` counts the numbers of `a`, and more than 100 of them differ" in told


def test_a_cache_that_cannot_be_written(tmp_path: Path, cache: Path, fault: Fault) -> None:
    cache.write_text("a file in its place")
    section = DataSection(source=npy(tmp_path, columns()), fields={"x": Number(of="a")}, stream=True)
    code, told = fault(lambda: open_data(section, tmp_path, 0))
    assert code == "disk-fault"
    assert "NETSPEC_CACHE_DIR=FOLDER" in told


def test_arrays_that_cannot_be_streamed(tmp_path: Path, fault: Fault) -> None:
    np.save(tmp_path / "x.npy", np.asfortranarray(np.ones((3, 2))))
    section = DataSection(source=Npy.model_validate({"fields": {"x": "x.npy"}}), stream=True)
    code, told = fault(lambda: open_data(section, tmp_path, 0))
    assert (code, "x.npy is stored column by column" in told) == ("cannot-stream", True)
    np.save(tmp_path / "x.npy", np.ones((3, 2)))
    whole = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(whole[:-1])
    code, told = fault(lambda: open_data(section, tmp_path, 0))
    assert code == "truncated-file"
    assert "x.npy holds 175 bytes, and its header announces 176" in told


def test_csv_columns_are_what_their_last_cell_makes_them(tmp_path: Path, fault: Fault) -> None:
    rows = [f'{i},{i % 3}.0,{"" if i < 80 else i},,"{i}\n{i}",{"many" if i == 90 else i % 4}' for i in range(100)]
    (tmp_path / "late.csv").write_text("\n".join(["x,number,late,nothing,lines,few", *rows]), "utf-8")
    fields: dict[str, Field] = {
        "x": Number(of="x"),
        "number": Category(of="number"),
        "late": Number(of="late", missing="mean"),
        "nothing": OneHot(of="nothing", classes=("a",), missing="zeros"),
        "lines": Category(of="lines"),
        "few": Category(of="few"),
    }
    source = Csv(path="late.csv")
    memory, stream = both(DataSection(source=source, fields=fields), tmp_path)
    assert_same(memory, stream)
    assert stream.fields["number"].classes == ("0", "1", "2")
    assert stream.fields["few"].classes == ("0", "1", "2", "3", "many")
    # A column of numbers with one word in it does not drop out of the rest in silence.
    section = DataSection(source=source, fields={"y": Number(of="x"), "rest": Number(of="*", missing="mean")})
    code, told = fault(lambda: open_data(section, tmp_path, 0))
    assert "late.csv, line 183, column `few`: `many` is not a number" in told
    assert (code, told) == fault(lambda: open_data(section.model_copy(update={"stream": True}), tmp_path, 0))


@pytest.mark.parametrize("content", [b"a,b\n1,2\n3\n", b"a,b\n", b"", b"a,a\n1,2\n", b"a,b\n1,\xff\n", b'a,b\n"1,2\n'])
def test_bad_csv_is_told_as_in_memory(tmp_path: Path, content: bytes, fault: Fault) -> None:
    (tmp_path / "bad.csv").write_bytes(content)
    section = DataSection(source=Csv(path="bad.csv"), fields={"x": Number(of="a")})
    wanted = fault(lambda: open_data(section, tmp_path, 0))
    assert fault(lambda: open_data(section.model_copy(update={"stream": True}), tmp_path, 0)) == wanted


def test_parquet_files_that_do_not_belong_together(tmp_path: Path, fault: Fault) -> None:
    arrow, parquet = (pytest.importorskip(name) for name in ("pyarrow", "pyarrow.parquet"))
    parquet.write_table(arrow.table({"a": [1.0, 2.0]}), tmp_path / "one.parquet")
    section = DataSection(
        source=Parquet(path=("one.parquet", "two.parquet")), fields={"x": Number(of="a")}, stream=True
    )
    for other, words in (
        ({"a": ["x"]}, "`a` holds text in two.parquet and numbers in one.parquet"),
        ({"b": [1.0]}, "two.parquet and one.parquet differ in their columns: `a`, `b`"),
        ({"a": [[1.0]]}, "the column `a` of two.parquet holds list"),
    ):
        parquet.write_table(arrow.table(other), tmp_path / "two.parquet")
        assert words in fault(lambda: open_data(section, tmp_path, 0))[1]
    (tmp_path / "two.parquet").write_bytes((tmp_path / "one.parquet").read_bytes()[:-20])
    code, told = fault(lambda: open_data(section, tmp_path, 0))
    assert code == "truncated-file"
    assert "two.parquet is cut short or damaged" in told
