"""Array files and Parquet: what they become, and how each damage is told."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.data import stacking
from netspec.data.dataset import open_data
from netspec.data.field import Field
from netspec.data.fields.date import Date
from netspec.data.fields.number import Number
from netspec.data.fields.one_hot import OneHot
from netspec.data.section import DataSection
from netspec.data.sources import parquet as parquet_module
from netspec.data.sources.npy import Npy
from netspec.data.sources.parquet import Parquet

Fault = Callable[[Callable[[], object]], tuple[str, str]]


def test_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "x1.npy", np.arange(6.0).reshape(3, 2))
    np.save(tmp_path / "x2.npy", np.arange(6.0, 8).reshape(1, 2))
    np.save(tmp_path / "xt.npy", np.full((2, 2), 9.0))
    np.save(tmp_path / "y.npy", np.array([0, 2, 1, 2]))
    np.save(tmp_path / "yt.npy", np.array([1, 1]))
    fields = {"x": {"train": ["x1.npy", "x2.npy"], "test": "xt.npy"}, "y": {"train": "y.npy", "test": "yt.npy"}}
    table = Npy.model_validate({"fields": fields}).open(tmp_path)
    assert {name: str(t) for name, t in table.types.items()} == {"x": "number [2]", "y": "category [] of 3"}
    assert table.columns["x"].dtype == np.float32
    assert table.columns["x"][:, 0].tolist() == [0, 2, 4, 6, 9, 9]
    assert table.splits == {"train": range(4), "test": range(4, 6)}
    assert table.place(5) == "xt.npy, row 2"


@pytest.mark.parametrize(
    ("arrays", "code", "words"),
    [
        ({"x": np.ones(3), "y": np.ones(4)}, "unequal-rows", "`x` has 3 rows in `train`, and `y` has 4"),
        ({"x": np.array(1.0)}, "bad-npz", "x.npy is a single value"),
        ({"x": np.array([{}, {}])}, "bad-npz", "x.npy holds Python objects, which are never unpickled"),
        ({"x": np.ones(2, complex)}, "bad-npz", "neither numbers nor text"),
        ({"x": np.ones((0, 2))}, "no-rows", "`x` has no rows in x.npy"),
        ({"x": b""}, "wrong-magic", "x.npy is no NumPy array: it is empty"),
        ({"x": b"PK\x03\x04"}, "wrong-magic", "it is a zip archive"),
        ({"x": b"\x93NUMPY\x01\x00"}, "truncated-file", "x.npy is cut short or damaged"),
    ],
)
def test_bad_npy(tmp_path: Path, arrays: dict[str, Any], code: str, words: str, fault: Fault) -> None:
    for name, array in arrays.items():
        if isinstance(array, bytes):
            (tmp_path / f"{name}.npy").write_bytes(array)
        else:
            np.save(tmp_path / f"{name}.npy", array)
    found, text = fault(lambda: Npy(fields={name: f"{name}.npy" for name in arrays}).open(tmp_path))
    assert found == code, text
    assert words in text


def test_truncated_npy(tmp_path: Path, fault: Fault) -> None:
    np.save(tmp_path / "x.npy", np.ones((100, 3)))
    path = tmp_path / "x.npy"
    path.write_bytes(path.read_bytes()[:-8])
    assert fault(lambda: Npy(fields={"x": "x.npy"}).open(tmp_path))[0] == "truncated-file"


def test_files_of_other_shapes_do_not_make_one_field(tmp_path: Path, fault: Fault) -> None:
    np.save(tmp_path / "a.npy", np.ones((3, 2)))
    np.save(tmp_path / "b.npy", np.ones((3, 4)))
    for paths in (["a.npy", "b.npy"], {"train": "a.npy", "test": "b.npy"}):
        source = Npy.model_validate({"fields": {"x": paths}})
        code, text = fault(partial(source.open, tmp_path))
        assert code == "unequal-columns"
        assert "[2] in" in text
        assert "[4] in" in text


def test_sheets_of_other_shapes_do_not_stack(tmp_path: Path, fault: Fault) -> None:
    sheets = {"a": stacking.Sheet("a", {"x": np.ones((2, 3))}), "b": stacking.Sheet("b", {"x": np.ones((2, 4))})}
    files = {"train": [Path("a"), Path("b")]}
    assert fault(lambda: stacking.stack(files, lambda path: sheets[path.name]))[0] == "unequal-columns"


# --- Parquet ---


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setattr(parquet_module, "find_spec", lambda name: None)
    code, text = fault(lambda: Parquet(path="a.parquet").open(tmp_path))
    assert code == "missing-package"
    assert "pip install 'netspec[data]'" in text


@pytest.fixture
def arrow() -> Any:
    return pytest.importorskip("pyarrow")


def written(arrow: Any, path: Path, columns: dict[str, Any]) -> None:
    from importlib import import_module

    import_module("pyarrow.parquet").write_table(arrow.table(columns), path)


def test_parquet(tmp_path: Path, arrow: Any) -> None:
    columns = {
        "n": [1, None, 3],
        "f": [0.5, 1.5, None],
        "b": [True, False, True],
        "k": arrow.array(["p", None, "q"]).dictionary_encode(),
        "d": [datetime.date(1970, 1, 2), None, datetime.date(1970, 1, 4)],
        "t": arrow.array([datetime.datetime(1970, 1, 1, 12)] * 3, arrow.timestamp("ns")),
    }
    written(arrow, tmp_path / "a.parquet", columns)
    table = Parquet(path="a.parquet").open(tmp_path)
    assert np.array_equal(table.columns["n"], [1, np.nan, 3], equal_nan=True)
    assert table.columns["b"].tolist() == [1, 0, 1]
    assert table.columns["k"].tolist() == ["p", "", "q"]
    assert table.columns["d"].tolist() == ["1970-01-02", "", "1970-01-04"]
    fields: dict[str, Field] = {
        "x": Number(of=("n", "f + b"), missing="median"),
        "d": Date(of="d", missing="drop"),
        "t": Date(of="t"),
        "k": OneHot(of="k", classes=("p", "q")),
    }
    data = open_data(DataSection(source=Parquet(path="a.parquet"), fields=fields), tmp_path, 0)
    assert data.columns["x"].tolist() == [[1, 1.5], [3, 1.5]]
    assert data.columns["d"].tolist() == [[1], [3]]
    assert data.columns["t"].tolist() == [[0.5], [0.5]]


def test_bad_parquet(tmp_path: Path, arrow: Any, fault: Fault) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"x,y\n1,2\n")
    code, text = fault(lambda: Parquet(path="a.parquet").open(tmp_path))
    assert (code, "begins with 78 2c 79 0a" in text) == ("wrong-magic", True)
    written(arrow, path, {"x": [1, 2]})
    path.write_bytes(path.read_bytes()[:-9])
    assert fault(lambda: Parquet(path="a.parquet").open(tmp_path))[0] == "truncated-file"
    written(arrow, path, {"x": arrow.array([], arrow.int64())})
    assert fault(lambda: Parquet(path="a.parquet").open(tmp_path))[0] == "no-rows"
    written(arrow, path, {"x": [[1, 2], [3]]})
    code, text = fault(lambda: Parquet(path="a.parquet").open(tmp_path))
    assert code == "wrong-kind"
    assert "`x` of a.parquet holds list" in text
    written(arrow, tmp_path / "b.parquet", {"y": [1]})
    written(arrow, path, {"x": [1]})
    assert fault(lambda: Parquet(path=("a.parquet", "b.parquet")).open(tmp_path))[0] == "unequal-columns"
