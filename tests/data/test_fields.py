"""What fields make of columns: missing cells, classes as numbers, dates, logarithms, scaling."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.data.dataset import Dataset, open_data
from netspec.data.field import Field
from netspec.data.fields.category import Category
from netspec.data.fields.date import Date, Part
from netspec.data.fields.number import Number
from netspec.data.fields.one_hot import OneHot
from netspec.data.fitting import Fitted
from netspec.data.missing import ConstantName, ConstantNumber, NameRule, NumberRule
from netspec.data.rows import encode_rows, table_of_rows
from netspec.data.section import DataSection
from netspec.data.sources.csv import Csv
from netspec.data.splits import Split
from netspec.data.table import Place
from netspec.diagnostics import Report

Fault = Callable[[Callable[[], object]], tuple[str, str]]
Make = Callable[..., Dataset]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """``make(fields, train, test)``: the fields of two CSV files."""

    def opened(fields: dict[str, Field], train: str, test: str | None = None, *, standardize: bool = False) -> Dataset:
        (tmp_path / "train.csv").write_text(train)
        paths = {"train": "train.csv"}
        if test is not None:
            (tmp_path / "test.csv").write_text(test)
            paths["test"] = "test.csv"
        data = DataSection(source=Csv(path=dict(paths)), fields=fields, standardize=standardize)
        return open_data(data, tmp_path, 0, inputs=tuple(fields))

    return opened


def again(data: Dataset) -> Fitted:
    """What was fitted, from its files."""
    return Fitted.from_parts(json.loads(json.dumps(data.fitted.to_json())), data.fitted.to_arrays())


# --- missing numbers ---


@pytest.mark.parametrize(
    ("rule", "filled"),
    [("mean", 2.75), ("median", 2), ("most_frequent", 2), (ConstantNumber(constant=-1), -1)],
)
def test_missing_numbers_are_filled_as_training_rows_say(make: Make, rule: NumberRule, filled: float) -> None:
    fields: dict[str, Field] = {"x": Number(of=("a", "2 * a"), missing=rule)}
    data = make(fields, "a,b\n2,1\n2,1\n1,1\n6,1\n,1\n", "a,b\n100,1\n,1\n")
    assert data.columns["x"][:, 0].tolist() == [2, 2, 1, 6, filled, 100, filled]
    assert data.columns["x"][:, 1].tolist() == [2 * x for x in (2, 2, 1, 6, filled, 100, filled)]
    table = table_of_rows([{"a": None}, {"a": 7}], Place("rows", 0))
    assert encode_rows(table, fields, again(data), ["x"])["x"][:, 0].tolist() == [filled, 7]


def test_a_column_that_is_empty_only_in_rows_to_predict(make: Make) -> None:
    fields: dict[str, Field] = {"x": Number(of="a", missing="mean")}
    data = make(fields, "a\n2\n4\n")
    table = table_of_rows([{"a": ""}], Place("rows", 0))
    assert encode_rows(table, fields, data.fitted, ["x"])["x"].tolist() == [[3]]


def test_rows_with_missing_cells_are_dropped(make: Make, fault: Fault) -> None:
    fields: dict[str, Field] = {
        "x": Number(of="a", missing="drop"),
        "k": Category(of="k", missing="drop"),
        "y": Number(of="y"),
    }
    train, test = "a,k,y\n1,p,10\n,p,20\n3,,30\n4,q,40\n", "a,k,y\n,q,50\n6,p,60\n"
    data = make(fields, train, test)
    assert data.columns["y"].tolist() == [[10], [40], [60]]
    assert data.splits["test"].tolist() == [2]
    code, text = fault(lambda: make(fields, train, "a,k,y\n,q,50\n6,p,?\n"))
    assert code == "text-in-number"
    assert "test.csv, line 3, column `y`" in text
    code, text = fault(lambda: make(fields, train, "a,k,y\n,q,50\n"))
    assert code == "empty-split"


def test_dropped_rows_keep_their_numbers(tmp_path: Path, fault: Fault) -> None:
    from netspec.data.sources.npz import Npz

    np.savez(tmp_path / "a.npz", x=[np.nan, 1, 2, 3], y=[1.0, 2, np.inf, 4])
    fields: dict[str, Field] = {"x": Number(of="x", missing="drop")}
    data = DataSection(source=Npz(path="a.npz"), fields=fields)
    assert "a.npz, row 3, column `y`" in fault(lambda: open_data(data, tmp_path, 0))[1]


@pytest.mark.parametrize(
    ("field", "train", "code", "words"),
    [
        (Number(of="a", missing="mean"), "a,b\n,1\n,2\n", "missing-value", "`a` of train.csv is empty in every row"),
        (Number(of="a"), "a,b\n,1\n1,2\n", "missing-value", "`missing: median`"),
        (OneHot(of="a", missing="most_frequent"), "a,b\n,1\n,2\n", "missing-value", "no value in any training row"),
        (Category(of="a"), "a,b\np,1\n,2\n", "missing-value", "train.csv, line 3, column `a`"),
        (
            Category(of="a", classes=("p",), missing=ConstantName(constant="none")),
            "a,b\np,1\n,2\n",
            "unknown-class",
            "`none`, which is none of the classes",
        ),
        (Date(of="a"), "a,b\n,1\n2024-01-01,2\n", "missing-value", "train.csv, line 2, column `a`"),
        (Date(of="a"), "a,b\n31.12.2024,1\n", "not-a-date", "line 2, column `a`: `31.12.2024` is not a date"),
        (Date(of="a", format="%d.%m.%Y"), "a,b\n31.13.2024,1\n", "not-a-date", "written as `%d.%m.%Y`"),
        (Number(of="a", log=True), "a,b\n1,1\n0,1\n", "not-finite", "train.csv, line 3, `a`: 0 has no logarithm"),
        (Number(of=("a", "b"), min_max=True), "a,b\n1,1\n2,1\n", "constant-column", "`b` in `f` is 1"),
    ],
)
def test_faults_name_file_row_and_column(
    *, make: Make, field: Field, train: str, code: str, words: str, fault: Fault
) -> None:
    found, text = fault(lambda: make({"f": field}, train))
    assert found == code, text
    assert words in text


# --- classes ---


@pytest.mark.parametrize(
    ("rule", "filled"),
    [("most_frequent", [0, 1]), ("zeros", [0, 0]), (ConstantName(constant="b"), [1, 0])],
)
def test_one_hot_of_missing_classes(make: Make, rule: NameRule, filled: list[float]) -> None:
    field = OneHot(of="k", missing=rule)
    data = make({"k": field}, "k,x\nc,1\nb,1\nc,1\n,1\n")
    assert data.fields["k"].classes == ("b", "c")
    assert data.columns["k"].tolist() == [[0, 1], [1, 0], [0, 1], filled]
    assert str(data.fields["k"].shape) == "(2,)"


def test_a_class_for_missing_cells_is_one_of_the_classes(make: Make) -> None:
    data = make({"k": OneHot(of="k", missing=ConstantName(constant="none"))}, "k,x\nc,1\nb,1\n", "k,x\n,1\n")
    assert data.fields["k"].classes == ("b", "c", "none")
    assert data.columns["k"].tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
    rows = table_of_rows([{"k": None}, {"k": "c"}], Place("rows", 0))
    field: dict[str, Field] = {"k": OneHot(of="k", missing=ConstantName(constant="none"))}
    assert encode_rows(rows, field, again(data), ["k"])["k"].tolist() == [[0, 0, 1], [0, 1, 0]]


def test_classes_that_training_has_not_seen(make: Make, fault: Fault) -> None:
    train, test = "k,x\nc,1\nb,1\n", "k,x\nd,1\n"
    code, text = fault(lambda: make({"k": OneHot(of="k")}, train, test))
    assert code == "unknown-class"
    assert "test.csv, line 2, column `k`: `d` is none of the 2 classes" in text
    assert make({"k": OneHot(of="k", unseen="zeros")}, train, test).columns["k"][2].tolist() == [0, 0]
    unknown = make({"k": Category(of="k", unseen="unknown")}, train, test)
    assert unknown.fields["k"].classes == ("b", "c", "<unk>")
    assert unknown.columns["k"].tolist() == [1, 0, 2]


def test_one_hot_numbers_stay_as_they_are_under_standardize(make: Make) -> None:
    data = make({"k": OneHot(of="k"), "x": Number(of="x")}, "k,x\nc,1\nb,3\n", standardize=True)
    assert data.fitted.fields["k"].offset is None
    assert data.fitted.fields["x"].scaling == "standardize"
    assert again(data).to_json() == data.fitted.to_json()


def test_one_hot_before_the_data_are_open() -> None:
    report = Report()
    fields: dict[str, Field] = {"a": OneHot(of="a"), "b": OneHot(of="b", classes=(1, 2, 3)), "d": Date(of="d")}
    types = DataSection(source=Csv(path="a.csv"), fields=fields).resolve(Path(), report)
    assert not report.diagnostics
    assert types is not None
    assert {name: str(t) for name, t in types.items()} == {"a": "number", "b": "number [3] of 3", "d": "number [1]"}


# --- dates ---


def test_parts_of_dates(make: Make) -> None:
    parts: tuple[Part, ...] = ("days", "year", "month", "day", "weekday", "hour")
    data = make({"d": Date(of="d", parts=parts)}, "d\n1970-01-02\n2024-02-29T18:30:00\n2024-02-29T20:30:00+02:00\n")
    assert data.columns["d"][0].tolist() == [1, 1970, 1, 2, 4, 0]
    assert np.allclose(data.columns["d"][1], [19782 + 18.5 / 24, 2024, 2, 29, 3, 18.5])
    assert np.array_equal(data.columns["d"][1], data.columns["d"][2])


def test_cycles_end_where_they_begin(make: Make) -> None:
    field = Date(of="d", parts=("year_cycle", "week_cycle", "day_cycle"), format="%d.%m.%Y %H:%M")
    data = make({"d": field}, "d\n01.01.2024 00:00\n31.12.2024 23:59\n05.01.2025 23:59\n")
    first, last, sunday = data.columns["d"]
    assert data.fields["d"].shape == (6,)
    assert np.allclose(first[:4], np.array([0, 1, 0, 1]))
    assert np.allclose(first[:2], last[:2], atol=0.02)
    assert np.allclose(first[2:], sunday[2:], atol=0.01)


def test_dates_written_as_numbers(make: Make) -> None:
    data = make({"d": Date(of="d", format="%Y%m%d", missing="drop")}, "d,x\n19700103,1\n,1\n")
    assert data.columns["d"].tolist() == [[2]]


# --- scaling ---


def test_min_max_and_logarithm(make: Make) -> None:
    fields: dict[str, Field] = {"x": Number(of=("a", "b"), log=True, min_max=True)}
    data = make(fields, "a,b\n1,10\n100,1000\n10,10\n", "a,b\n1000,1\n")
    x = data.fitted.fields["x"]
    assert x.offset is not None
    assert x.scale is not None
    assert np.allclose(data.columns["x"], np.log([[1, 10], [100, 1000], [10, 10], [1000, 1]]))
    seen = (data.columns["x"] - x.offset) * x.scale
    assert np.allclose(seen, [[0.0, 0.0], [1.0, 1.0], [0.5, 0.0], [1.5, -0.5]], atol=1e-6)
    assert np.allclose(seen / x.scale + x.offset, data.columns["x"])


def test_the_fields_own_scaling_goes_before_that_of_the_inputs(make: Make) -> None:
    data = make({"x": Number(of="a", min_max=True)}, "a\n1\n3\n9\n", standardize=True)
    assert data.fitted.fields["x"].scaling == "min_max"


@pytest.mark.parametrize("kind", [Number, Date])
def test_one_scaling_is_enough(kind: type[Field]) -> None:
    with pytest.raises(ValidationError, match="keep one of them"):
        kind.model_validate({"of": "a", "standardize": True, "min_max": True})


# --- splits by a column ---


def test_split_by_a_column(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,year,part\n1,2,train\n2,3,test\n3,2,validation\n4,1,train\n")
    fields: dict[str, Field] = {"x": Number(of="*")}
    for by, expected in (
        ("part", {"train": [0, 3], "validation": [2], "test": [1]}),
        ({"column": "year", "test": [3], "validation": [1]}, {"train": [0, 2], "validation": [3], "test": [1]}),
    ):
        split = Split.model_validate({"by": by})
        data = open_data(DataSection(source=Csv(path="a.csv"), fields=fields, split=split), tmp_path, 0)
        assert {name: rows.tolist() for name, rows in data.splits.items()} == expected
        assert data.fitted.fields["x"].columns == (("x", "year") if by == "part" else ("x",))


@pytest.mark.parametrize(
    ("split", "code", "words"),
    [
        ({"by": "prat"}, "unknown-column", "did you mean `part`?"),
        ({"by": "x"}, "unknown-split", "a.csv, line 2, column `x`: `1` is no split"),
        ({"by": {"column": "x", "test": [7]}}, "empty-split", "no row has `7` in `x`"),
        ({"by": {"column": "x", "test": [1, 2]}}, "empty-split", "the split `train` has no rows"),
        ({"by": {"column": "x", "test": [1], "validation": [1]}}, "split-exists", "names `1` for two splits"),
        ({"by": {"column": "x", "test": [1]}, "test": 1}, "split-exists", "`split.test` asks for rows"),
    ],
)
def test_splits_by_a_column_that_cannot_be(
    *, tmp_path: Path, split: dict[str, object], code: str, words: str, fault: Fault
) -> None:
    (tmp_path / "a.csv").write_text("x,part\n1,train\n2,test\n")
    data = DataSection(source=Csv(path="a.csv"), split=Split.model_validate(split))
    found, text = fault(lambda: open_data(data, tmp_path, 0))
    assert found == code, text
    assert words in text


def test_split_by_a_column_and_the_rest_by_share(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,k\n" + "".join(f"{i},{i % 4}\n" for i in range(40)))
    split = Split.model_validate({"by": {"column": "k", "test": [3]}, "validation": 10})
    data = open_data(DataSection(source=Csv(path="a.csv"), split=split), tmp_path, 0)
    assert {name: len(rows) for name, rows in data.splits.items()} == {"train": 20, "validation": 10, "test": 10}
    assert list(data.fields) == ["x"]
