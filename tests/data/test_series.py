"""Windows of a time series: what is read, what is told, where a split begins, and how both are scaled."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.data.dataset import Dataset, open_data
from netspec.data.field import Field
from netspec.data.fields.number import Number
from netspec.data.fitting import Fitted
from netspec.data.rows import encode_rows, read_rows, table_of_rows
from netspec.data.section import DataSection
from netspec.data.sources.csv import Csv
from netspec.data.sources.series import Series
from netspec.data.table import Place
from netspec.diagnostics import Report

Fault = Callable[[Callable[[], object]], tuple[str, str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten steps of two numbers: i, and 100 - i."""
    rows = "".join(f"d{i},{i},{100 - i}\n" for i in range(1, 11))
    (tmp_path / "s.csv").write_text(f"day,a,b\n{rows}")
    return tmp_path


def series(**settings: Any) -> Series:
    return Series.model_validate({"table": Csv(path="s.csv"), "columns": "a", "past": 3, **settings})


def opened(source: Series, base: Path, *, fields: dict[str, Field] | None = None, standardize: bool = False) -> Dataset:
    section = DataSection(source=source, fields=fields or {}, standardize=standardize)
    data = open_data(section, base, 0, inputs=("past", "x"))
    assert isinstance(data, Dataset)
    return data


def test_windows_of_one_column(folder: Path) -> None:
    data = opened(series(horizon=2), folder)
    assert list(data.fields) == ["past", "future"]
    assert data.ragged["past"].padded()[:, :, 0].tolist() == [[i, i + 1, i + 2] for i in range(1, 7)]
    assert data.columns["future"].tolist() == [[i + 3, i + 4] for i in range(1, 7)]
    assert str(data.fields["past"]) == "number [T, 1]"
    assert data.place(0) == "s.csv, line 5"  # of the first number that is told
    assert len(data.ragged["past"].values) == 10


def test_several_columns_of_which_some_are_told(folder: Path) -> None:
    data = opened(series(columns=["a", "b"], target="b"), folder)
    assert data.ragged["past"].padded()[1].tolist() == [[2, 98], [3, 97], [4, 96]]
    assert data.columns["future"][1].tolist() == [95]
    both = opened(series(columns=["a", "b"], horizon=2, every=3), folder)
    assert both.columns["future"].tolist() == [[[4, 96], [5, 95]], [[7, 93], [8, 92]]]
    assert str(both.fields["future"]) == "number [2, 2]"


def test_a_row_belongs_to_where_its_future_lies(folder: Path) -> None:
    data = opened(series(split={"validation": 2, "test": 0.2}), folder)
    assert {name: data.columns["future"][rows, 0].tolist() for name, rows in data.splits.items()} == {
        "train": [4, 5, 6], "validation": [7, 8], "test": [9, 10],
    }  # fmt: skip
    first = int(data.splits["test"][0])
    assert data.ragged["past"].row(first) == [[6], [7], [8]]  # which reaches back


def test_files_of_several_splits_are_series_of_their_own(folder: Path) -> None:
    (folder / "t.csv").write_text("a\n1\n2\n4\n8\n")
    (folder / "u.csv").write_text("a\n1\n2\n3\n5\n")
    source = series(table=Csv(path={"train": "u.csv", "test": "t.csv"}))
    both = opened(source, folder)
    assert both.columns["future"].tolist() == [[5], [8]]
    assert [both.place(0), both.place(1)] == ["u.csv, line 5", "t.csv, line 5"]


def test_scaling(folder: Path) -> None:
    fields: dict[str, Field] = {"x": Number(of="past", min_max=True), "y": Number(of="future", standardize=True)}
    past = opened(series(split={"test": 2}), folder, standardize=True).fitted.fields["past"]
    data = opened(series(split={"test": 2}, flat=True), folder, fields=fields, standardize=True)
    x, y = (data.fitted.fields[name] for name in ("x", "y"))
    assert past.offset is not None
    assert past.scale is not None
    read = np.arange(1, 8)  # of the training rows each number once, though they overlap
    assert past.offset.tolist() == [read.mean()]
    assert 1 / past.scale == pytest.approx(read.std())
    assert x.offset is not None
    assert x.offset.tolist() == [1, 2, 3]
    assert y.scaling == "standardize"
    assert data.columns["x"].shape == (7, 3)


def test_logarithms(folder: Path, fault: Fault) -> None:
    data = opened(series(log=True), folder)
    assert np.allclose(data.columns["future"][:, 0], np.log(np.arange(4, 11)))
    (folder / "s.csv").write_text("a\n1\n0\n3\n4\n5\n")
    code, text = fault(lambda: opened(series(log=True), folder))
    assert code == "not-finite"
    assert "s.csv, line 3, column `a`: 0 has no logarithm" in text


def test_what_follows_a_table_and_given_numbers(folder: Path, fault: Fault) -> None:
    source = series()
    data = opened(source, folder)
    fitted = Fitted.from_parts(json.loads(json.dumps(data.fitted.to_json())), data.fitted.to_arrays())
    linked = DataSection(source=source).linked_fields()
    arrays = encode_rows(read_rows(folder / "s.csv", None, source), linked, fitted, ["past"])
    assert arrays["past"].tolist()[:3] == [[8], [9], [10]]
    flat = series(flat=True)
    table = read_rows(folder / "s.csv", None, flat)
    assert encode_rows(table, linked, opened(flat, folder).fitted, ["past"])["past"].tolist() == [[8, 9, 10]]
    given = table_of_rows([{"past": [1, 2, 3]}, {"past": [4, 5, 6]}], Place("rows", 0))
    arrays = encode_rows(given, linked, fitted, ["past"])
    assert arrays["past"][:, 0].tolist()[:6] == [1, 2, 3, 4, 5, 6]
    assert arrays["past.lengths"].tolist() == [3, 3]
    (folder / "short.csv").write_text("a\n1\n2\n")
    code, text = fault(lambda: read_rows(folder / "short.csv", None, source))
    assert code == "too-few-rows"
    assert "short.csv has 2 rows, and 3 are read" in text


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        ({"past": 10}, "too-few-rows", "the split `train` of s.csv has 10 rows, and a window needs 10 steps and 1"),
        ({"split": {"train": 8, "test": 8}}, "too-few-rows", "`split` asks for 16 rows, and s.csv has 10"),
        ({"columns": "day"}, "text-in-number", "s.csv, line 2, column `day`: `d1` is not a number"),
        ({"columns": "c"}, "unknown-column", "no column `c`"),
        ({"horizon": 9}, "too-few-rows", "3 steps and 9 behind them"),
    ],
)
def test_faults(*, folder: Path, settings: dict[str, Any], code: str, words: str, fault: Fault) -> None:
    found, text = fault(lambda: series(**settings).open(folder))
    assert found == code, text
    assert words in text


def test_a_gap_in_the_series(folder: Path, fault: Fault) -> None:
    (folder / "s.csv").write_text('a\n1\n2\n""\n4\n5\n')
    code, text = fault(lambda: series().open(folder))
    assert code == "missing-value"
    assert "s.csv, line 4, column `a`: no value" in text


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ValidationError, match="does not name `b`"):
        series(target="b")
    with pytest.raises(ValidationError, match="names one column twice"):
        series(columns=["a", "a"])


def test_types_before_the_table_is_open() -> None:
    report = Report()
    types = DataSection(source=series(columns=["a", "b"], horizon=4, target="a")).resolve(Path(), report)
    assert not report.diagnostics
    assert types is not None
    assert {name: str(t) for name, t in types.items()} == {"past": "number [T, 2]", "future": "number [4]"}
