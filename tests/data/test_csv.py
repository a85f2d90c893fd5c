"""CSV files as people have them: other delimiters, quotes and encodings, no header, several files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import netspec.data.cells
from netspec.data.dataset import open_data
from netspec.data.field import Field
from netspec.data.fields.category import Category
from netspec.data.fields.number import Number
from netspec.data.fields.one_hot import OneHot
from netspec.data.rows import encode_rows, read_rows
from netspec.data.section import DataSection
from netspec.data.sources.csv import Csv
from netspec.data.table import Table

Fault = Callable[[Callable[[], object]], tuple[str, str]]


def opened(folder: Path, content: bytes | str, **options: Any) -> Table:
    (folder / "a.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    return Csv(path="a.csv", **options).open(folder)


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("x;y\n1;'a;b'\n2;c\n", {"delimiter": ";", "quote": "'"}),
        ("x\ty\n1\ta;b\n2\tc\n", {"delimiter": "\t"}),
        ("1,a;b\n2,c\n", {"header": False, "columns": ("x", "y")}),
        ("x,y\r\n1,a;b\r\n2,c\r\n", {}),
    ],
)
def test_ways_of_writing_one_table(tmp_path: Path, content: str, options: dict[str, Any]) -> None:
    table = opened(tmp_path, content, **options)
    assert table.columns["x"].tolist() == [1, 2]
    assert table.columns["y"].tolist() == ["a;b", "c"]


@pytest.mark.parametrize("cells", [1, 8, 1 << 18])
def test_a_file_is_the_same_in_whatever_parts_it_is_read(
    tmp_path: Path, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A column is text by a cell far down or in another file, and what stood above it is not lost."""
    monkeypatch.setattr(netspec.data.cells, "CELLS", cells)
    first = "a,b,c,d,e\n" + "".join(f"{i}, 0{i} ,{'' if i % 3 else i},,{i}\n" for i in range(9)) + '9,"x\ny",9,,9\n'
    (tmp_path / "1.csv").write_text(first)
    (tmp_path / "2.csv").write_text("e,d,c,b,a\nw,,1e1,7,-5\n8,,inf,?,\n")
    (tmp_path / "3.csv").write_text("a,b,c,d,e\n1,2,3,,5\n")
    table = Csv(path={"train": ("1.csv", "2.csv"), "test": "3.csv"}, missing="?").open(tmp_path)
    assert table.types["a"].kind == table.types["c"].kind == "number"
    assert table.types["b"].kind == table.types["d"].kind == table.types["e"].kind == "text"
    np.testing.assert_array_equal(table.columns["a"], [*range(10), -5, np.nan, 1])
    np.testing.assert_array_equal(
        table.columns["c"], [0, np.nan, np.nan, 3, np.nan, np.nan, 6, np.nan, np.nan, 9, 10, np.inf, 3]
    )
    assert table.columns["b"].tolist() == [*(f"0{i}" for i in range(9)), "x\ny", "7", "", "2"]
    assert table.columns["d"].tolist() == [""] * 13
    assert table.columns["e"].tolist() == [*map(str, range(10)), "w", "8", "5"]
    assert table.splits == {"train": range(12), "test": range(12, 13)}
    places = [table.place(row) for row in (0, 9, 10, 12)]
    assert places == ["1.csv, line 2", "1.csv, line 12", "2.csv, line 2", "3.csv, line 2"]


def test_without_quotes_they_are_text(tmp_path: Path) -> None:
    assert opened(tmp_path, 'x\n5" pipe\n', quote="none").columns["x"].tolist() == ['5" pipe']


def test_columns_without_names_are_counted(tmp_path: Path) -> None:
    table = opened(tmp_path, "1,a\n2,b\n", header=False)
    assert list(table.columns) == ["c1", "c2"]
    assert table.place(1) == "a.csv, line 2"


def test_encodings(tmp_path: Path) -> None:
    for encoding in ("latin-1", "utf-16", "cp1252", "utf-8"):
        assert opened(tmp_path, "x\ncafé\n".encode(encoding), encoding=encoding).columns["x"].tolist() == ["café"]


def test_missing_cells_as_the_file_writes_them(tmp_path: Path) -> None:
    table = opened(tmp_path, "x,y\n?,a\n2, NA \n3,\n", missing=("?", "NA"))
    assert np.array_equal(table.columns["x"], [np.nan, 2, 3], equal_nan=True)
    assert table.columns["y"].tolist() == ["a", "", ""]
    assert opened(tmp_path, "x\n-\n2\n", missing="-").types["x"].kind == "number"


def test_columns_may_stand_in_another_order(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("y,x\nb,3\n")
    (tmp_path / "a.csv").write_text("x,y\n1,a\n")
    table = Csv(path=("a.csv", "b.csv")).open(tmp_path)
    assert table.columns["x"].tolist() == [1, 3]
    assert table.columns["y"].tolist() == ["a", "b"]


def test_a_column_is_text_where_one_file_has_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    (tmp_path / "b.csv").write_text("x\nten\n")
    assert Csv(path={"train": "a.csv", "test": "b.csv"}).open(tmp_path).types["x"].kind == "text"


@pytest.mark.parametrize(
    ("content", "options", "code", "words"),
    [
        ("x;y\n1;2;3\n", {"delimiter": ";"}, "ragged-row", "a.csv, line 2: 3 cells, and the header names 2 columns"),
        ("x\n1;2,3\n", {}, "ragged-row", 'csv: {delimiter: ";"}'),
        (
            "1,2\n1\n",
            {"header": False, "columns": ("x", "y")},
            "ragged-row",
            "line 2: 1 cell, and `columns` names 2 columns",
        ),
        ("1,2\n1\n", {"header": False}, "ragged-row", "the first row has 2 columns"),
        ("1,2\n", {}, "no-header", "`csv: {header: false, ...}`"),
        ("", {"header": False}, "no-rows", "a.csv is empty"),
        (b"x\n1\n\xe9\n", {}, "not-utf8", "a.csv is not UTF-8 in line 3"),
        (b"x\n\xe9\n", {"encoding": "ascii"}, "wrong-encoding", "a.csv is not ascii in line 2"),
        ('x\n1\n"2', {}, "bad-csv", "a.csv, line 3"),
    ],
)
def test_what_cannot_be_read(
    *, tmp_path: Path, content: str | bytes, options: dict[str, Any], code: str, words: str, fault: Fault
) -> None:
    found, text = fault(lambda: opened(tmp_path, content, **options))
    assert found == code, text
    assert words in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"columns": ["a"]}, "add `header: false`"),
        ({"columns": ["a", "a"], "header": False}, "one column twice"),
        ({"delimiter": '"'}, "cannot be the same"),
        ({"delimiter": ";;"}, "it is one character, got 2"),
        ({"encoding": "utf-9"}, "there is no encoding `utf-9`"),
    ],
)
def test_options_that_contradict_each_other(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Csv.model_validate({"path": "a.csv", **options})


def test_files_are_looked_for_beside_the_spec_and_then_in_the_users_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    shared, here = tmp_path / "shared", tmp_path / "here"
    (shared / "tables").mkdir(parents=True)
    here.mkdir()
    (shared / "tables" / "a.csv").write_text("x\n1\n")
    monkeypatch.setenv("NETSPEC_DATA", str(shared))
    assert Csv(path="tables/a.csv").open(here).columns["x"].tolist() == [1]
    assert Csv(path="tables/*.csv").open(here).columns["x"].tolist() == [1]
    (here / "tables").mkdir()
    (here / "tables" / "a.csv").write_text("x\n2\n")
    assert Csv(path="tables/a.csv").open(here).columns["x"].tolist() == [2]
    assert Csv(path="tables/*.csv").open(here).columns["x"].tolist() == [2]
    code, text = fault(lambda: Csv(path="b.csv").open(here))
    assert code == "missing-file"
    assert str(shared) in text
    monkeypatch.delenv("NETSPEC_DATA")
    assert "the folder that NETSPEC_DATA names" in fault(lambda: Csv(path="b.csv").open(here))[1]


@pytest.mark.parametrize("content", ["1;?;a\n3;4;b\n", "y;z\n?;a\n4;b\n"])
def test_rows_to_predict_are_written_as_the_training_rows(tmp_path: Path, content: str) -> None:
    source = Csv(path="a.csv", delimiter=";", header=False, columns=("x", "y", "z"), missing="?")
    (tmp_path / "a.csv").write_text("1;2;a\n3;?;b\n5;6;c\n")
    fields: dict[str, Field] = {"y": Number(of="y", missing="mean")}
    data = open_data(DataSection(source=source, fields=fields), tmp_path, 0)
    (tmp_path / "new.csv").write_text(content)
    table = read_rows(tmp_path / "new.csv", source=source)
    assert encode_rows(table, fields, data.fitted, ["y"])["y"].tolist() == [[4], [4]]


@pytest.mark.data
def test_real_tables_of_many_habits(real_data: Path) -> None:
    assert (real_data / "tabular").is_dir()
    wine = Csv(path="tabular/wine.csv", header=False).open(Path())
    assert (wine.rows, len(wine.columns)) == (178, 14)
    fields: dict[str, Field] = {"x": Number(of="*", missing="median"), "malignant": Category(of="class")}
    columns = (*(f"f{i}" for i in range(9)), "class")
    cells = Csv(path="tabular/breast-cancer-wisconsin.csv", header=False, columns=columns, missing="?")
    cancer = open_data(DataSection(source=cells, fields=fields), Path(), 0)
    assert cancer.columns["x"].shape == (699, 9)
    assert cancer.fields["malignant"].classes == ("2", "4")
    mpg: dict[str, Field] = {"x": Number(of=("horsepower",), missing="drop"), "origin": OneHot(of="origin")}
    cars = open_data(DataSection(source=Csv(path="tabular/mpg.csv"), fields=mpg), Path(), 0)
    assert cars.columns["origin"].shape == (392, 3)
