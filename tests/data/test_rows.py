"""Raw rows for prediction: the same arrays whatever file they come in, and clear words where they do not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from netspec.data.dataset import Dataset, open_data
from netspec.data.field import Field
from netspec.data.fields.category import Category
from netspec.data.fields.number import Number
from netspec.data.fields.one_hot import OneHot
from netspec.data.rows import encode_rows, read_rows, table_of_rows
from netspec.data.section import DataSection
from netspec.data.sources.csv import Csv
from netspec.data.sources.logic import Logic
from netspec.data.sources.sklearn import Sklearn
from netspec.data.table import Place

Fault = Callable[[Callable[[], object]], tuple[str, str]]
GIVEN = Place("the rows", 0)

XOR = open_data(DataSection(source=Logic(gate="xor")), Path(), 0)


@pytest.fixture
def cars(tmp_path: Path) -> tuple[Dataset, dict[str, Field], Path]:
    (tmp_path / "cars.csv").write_text("mpg,weight,power,origin\n18,3504,130,usa\n25,2000,50,japan\n30,1800,60,eu\n")
    fields: dict[str, Field] = {
        "x": Number(of=("weight", "weight / power")),
        "origin": Category(of="origin"),
        "rest": Number(of="*"),
    }
    data = open_data(DataSection(source=Csv(path="cars.csv"), fields=fields), tmp_path, 0)
    return data, fields, tmp_path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "p,q\n0,1\n1,1\n"),
        ("a.csv", "x.1,x.0\n1,0\n1,1\n"),
        ("a.csv", "id,x.0,x.1\n7,0,1\n8,1,1\n"),
        ("a.jsonl", '{"x": [0, 1]}\n\n{"x": [1, 1], "x": [1, 1]}\n'),
        ("a.jsonl", "[0, 1]\n[1, 1]\n"),
    ],
)
def test_formats_of_plain_inputs(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    encoded = encode_rows(read_rows(tmp_path / name, only="x"), {}, XOR.fitted, ["x"])
    assert encoded["x"].tolist() == [[0, 1], [1, 1]]
    assert encoded["x"].dtype == np.float32


def test_archive(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=[[0, 1], [1, 1]])
    assert encode_rows(read_rows(tmp_path / "a.npz"), {}, XOR.fitted, ["x"])["x"].tolist() == [[0, 1], [1, 1]]


def test_made_fields_are_made_again(cars: tuple[Dataset, dict[str, Field], Path]) -> None:
    data, fields, folder = cars
    names = ["x", "origin", "rest"]
    encoded = encode_rows(read_rows(folder / "cars.csv"), fields, data.fitted, names)
    assert all(np.array_equal(encoded[name], data.columns[name]) for name in names)
    row = {"weight": 2000, "power": 50, "origin": "japan", "mpg": 25, "more": "is left alone"}
    (folder / "rows.jsonl").write_text(json.dumps(row))
    encoded = encode_rows(read_rows(folder / "rows.jsonl"), fields, data.fitted, names)
    assert all(np.array_equal(encoded[name], data.columns[name][1:2]) for name in names)


def test_made_fields_may_be_given_by_value(cars: tuple[Dataset, dict[str, Field], Path]) -> None:
    data, fields, _ = cars
    table = table_of_rows([{"x": [2000, 40], "origin": "usa"}], GIVEN)
    encoded = encode_rows(table, fields, data.fitted, ["x", "origin"])
    assert encoded["x"].tolist() == [[2000, 40]]
    assert encoded["origin"].tolist() == [2]


def test_lists_are_not_offered_where_a_raw_column_has_the_name(tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "cars.csv").write_text("weight,origin\n3504,usa\n2000,japan\n1800,eu\n")
    fields: dict[str, Field] = {"origin": OneHot(of="origin"), "place": OneHot(of="origin")}
    data = open_data(DataSection(source=Csv(path="cars.csv"), fields=fields), tmp_path, 0)
    table = table_of_rows([{"weight": 1}], GIVEN)
    said = {name: fault(lambda: encode_rows(table, fields, data.fitted, [name]))[1] for name in fields}  # noqa: B023
    assert "give it, or columns `origin.0` to `origin.2`\n" in said["origin"]
    assert "give it, or columns `place.0` to `place.2`, or lists `place` in JSON\n" in said["place"]


def test_one_row_without_an_axis_of_rows_is_told(tmp_path: Path, fault: Fault) -> None:
    np.save(tmp_path / "a.npy", np.zeros(2))
    code, text = fault(lambda: encode_rows(read_rows(tmp_path / "a.npy", "x"), {}, XOR.fitted, ["x"]))
    assert code == "wrong-shape"
    assert "one row alone is `array[None]`" in text


def test_images_stay_bytes() -> None:
    digits = open_data(DataSection(source=Sklearn(name="digits")), Path(), 0)
    table = table_of_rows([{"image": digits.columns["image"][5].tolist()}], GIVEN)
    encoded = encode_rows(table, {}, digits.fitted, ["image"])["image"]
    assert encoded.dtype == np.uint8
    assert np.array_equal(encoded[0], digits.columns["image"][5])


@pytest.mark.parametrize(
    ("name", "content", "code", "words"),
    [
        ("a.csv", "p,q,r\n0,1,1\n", "unknown-column", "there are no values for the field `x` in a.csv"),
        ("a.csv", "p,q\n0,one\n", "text-in-number", "a.csv, line 2, column `q`: `one` is not a number"),
        ("a.csv", "p,q\n0,1\n0,\n", "missing-value", "a.csv, line 3, column `q`"),
        ("a.jsonl", "", "no-rows", "there are no rows in a.jsonl"),
        ("a.jsonl", "{", "bad-json", "a.jsonl, line 1"),
        ("a.jsonl", '{"x": [0, 1]}\n3', "bad-json", "a.jsonl, line 2: a row is a map"),
        (
            "a.jsonl",
            '{"x": [0, 1]}\n{"y": 1}',
            "unequal-columns",
            "a.jsonl, line 2 and the first row differ in `x`, `y`",
        ),
        ("a.jsonl", '{"x": [0, 1]}\n{"x": [0]}', "wrong-shape", "a.jsonl, line 2, column `x`: shape [1]"),
        ("a.jsonl", '{"x": [0, 1, 2]}', "wrong-shape", "`x` has the shape [3], and the network reads [2]"),
        ("a.jsonl", '{"x": [0, 1]}\n{"x": [0, ', "bad-json", "a.jsonl, line 2, column 11: Expecting value"),
        ("a.jsonl", '{"x": [0, 1]}\n{}', "unequal-columns", "where there is no value, write `null`"),
        ("a.jsonl", '{"x": [[0], [1, 2]]}', "wrong-shape", "a.jsonl, line 1, column `x`: its lists differ in length"),
        ("a.jsonl", '{"x": [0, "one"]}', "text-in-number", "a.jsonl, line 1, column `x`: `one` is not a number"),
        ("a.jsonl", '{"x": {"a": 1}}', "text-in-number", "a.jsonl, line 1, column `x`"),
        ("a.jsonl", '{"x": [0, null]}', "missing-value", "a.jsonl, line 1, column `x` at [1]: no value"),
        ("a.jsonl", '{"x": [0, Infinity]}', "not-finite", "a.jsonl, line 1, column `x` at [1]: inf is"),
        ("a.txt", "0 1", "unknown-format", "rows are read from .csv, .tsv, .jsonl, .npz, .npy, .parquet"),
    ],
)
def test_rows_that_do_not_fit(*, tmp_path: Path, name: str, content: str, code: str, words: str, fault: Fault) -> None:
    (tmp_path / name).write_text(content)
    found, text = fault(lambda: encode_rows(read_rows(tmp_path / name), {}, XOR.fitted, ["x"]))
    assert found == code, text
    assert words in text


def test_missing_input_file(tmp_path: Path, fault: Fault) -> None:
    assert fault(lambda: read_rows(tmp_path / "a.csv"))[0] == "missing-file"


def test_pixels_are_whole_numbers(fault: Fault) -> None:
    digits = open_data(DataSection(source=Sklearn(name="digits")), Path(), 0)
    table = table_of_rows([{"image": np.full((8, 8, 1), 16.5).tolist()}], GIVEN)
    code, text = fault(lambda: encode_rows(table, {}, digits.fitted, ["image"]))
    assert code == "pixel-out-of-range"
    assert "from 0 to 16" in text


def test_unknown_class_of_a_row(cars: tuple[Dataset, dict[str, Field], Path], fault: Fault) -> None:
    data, fields, _ = cars
    table = table_of_rows([{"origin": "usa"}, {"origin": "urope"}], GIVEN)
    code, text = fault(lambda: encode_rows(table, fields, data.fitted, ["origin"]))
    assert code == "unknown-class"
    assert "the rows, row 2, column `origin`: `urope` is none of the 3 classes" in text
