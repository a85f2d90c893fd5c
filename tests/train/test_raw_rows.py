"""Raw rows are encoded as the training rows were, from whatever file they come; what does not fit is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bad_data
import numpy as np
import pytest

from netspec import api
from netspec.diagnostics import NetspecError

SPEC = """netspec: 1
data:
  source: {csv: {path: a.csv, missing: "?"}}
  fields:
    x: {number: {of: [x1, x2, "x1*x2", "sin(x1)"], missing: median, standardize: true}}
    sold: {date: {of: sold, parts: [days, year_cycle], standardize: true}}
    colour: {one_hot: {of: colour name, unseen: zeros, missing: zeros}}
    shape: {category: {of: shape, unseen: unknown}}
    label: {category: label}
network:
  inputs: {x: [4], sold: [3], colour: [3]}
  layers:
    - concat: {from: [x, sold, colour]}
    - dense: {units: 8, activation: tanh}
    - dense: {units: 2, name: logits}
loss: {cross_entropy: {target: label}}
optimizer: {adam: {lr: 1e-2}}
train: {epochs: 2, batch: 10}
"""
COLUMNS = ("x1", "x2", "sold", "colour name", "shape", "label")
ROWS: list[dict[str, Any]] = [
    {"x1": 0.5, "x2": 2.0, "sold": "2024-03-01", "colour name": "red"},
    {"x1": -1.0, "x2": None, "sold": "2024-03-01", "colour name": "mauve"},
    {"x1": 1.0, "x2": None, "sold": "2024-03-01T12:00:00", "colour name": None},
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a table with dates, missing cells, formulas and a column whose name is no word."""
    folder = tmp_path_factory.mktemp("rows")
    rng = np.random.default_rng(0)
    lines = [",".join(COLUMNS)]
    for i in range(60):
        a, b = rng.normal(size=2)
        colour = ("red", "green", "blue", "")[i % 4]
        second = "?" if i % 7 == 3 else f"{b:.3f}"
        lines.append(f"{a:.3f},{second},2024-{i % 12 + 1:02}-01,{colour},round,{'yes' if a * b > 0 else 'no'}")
    (folder / "a.csv").write_text("\n".join(lines) + "\n")
    (folder / "spec.yaml").write_text(SPEC)
    api.train(folder / "spec.yaml", out=folder / "run")
    return folder / "run"


def columns() -> dict[str, list[Any]]:
    return {name: [row[name] for row in ROWS] for name in ROWS[0]}


def written(folder: Path, kind: str) -> Path:
    path = folder / f"rows.{kind}"
    if kind in ("csv", "txt"):
        cells = [",".join("?" if row[n] is None else str(row[n]) for n in row) for row in ROWS]
        path.write_text("\n".join([",".join(ROWS[0]), *cells]).replace("12:00:00,?", "12:00:00,"))
    elif kind == "jsonl":
        path.write_text("\n".join(map(json.dumps, ROWS)))
    elif kind == "npz":
        named = columns()
        numbers = {name: np.array(named[name], np.float64) for name in ("x1", "x2")}
        days = np.array(named["sold"], "M8[s]")
        np.savez(path, **numbers, sold=days, **{"colour name": np.array(["red", "mauve", ""])})
    else:
        path.write_bytes(bad_data.parquet(**columns()))
    return path


@pytest.mark.parametrize("kind", ["csv", "txt", "jsonl", "npz", "parquet"])
def test_every_format_gives_one_prediction(run: Path, tmp_path: Path, kind: str) -> None:
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    expected = api.predict(run, ROWS).rows
    assert api.predict(run, written(tmp_path, kind)).rows == expected
    for row in expected:
        assert set(row) == {"label", "label=no", "label=yes"}
        assert row["label=no"] + row["label=yes"] == pytest.approx(1, abs=1e-6)
        assert row["label"] == max(("no", "yes"), key=lambda name: row[f"label={name}"])


def test_what_is_missing_or_unseen_stands_for_what_training_fitted(run: Path) -> None:
    fills = json.loads((run / "fitted.json").read_text())["fields"]["x"]["fills"]
    whole = {**ROWS[1], "x2": fills["x2"], "colour name": "purple"}
    assert api.predict(run, [ROWS[1]]).rows == api.predict(run, [whole]).rows
    assert api.predict(run, [{**ROWS[2], "sold": "2024-03-01T13:00:00+01:00"}]).rows == api.predict(run, [ROWS[2]]).rows


def test_an_array_is_the_only_input(tmp_path: Path) -> None:
    spec = "netspec: 1\ndata: {source: {sklearn: iris}, standardize: true}\nnetwork: {inputs: {x: [4]}, layers: "
    spec += "[{dense: 3}]}\nloss: cross_entropy\noptimizer: {sgd: {lr: 0.1}}\ntrain: {epochs: 1}\n"
    api.train(spec, out=tmp_path / "run")
    flowers = np.array([[5.1, 3.5, 1.4, 0.2], [6, 3, 5, 2]])
    np.save(tmp_path / "rows.npy", flowers)
    expected = api.predict(tmp_path / "run", [{"x": row} for row in flowers.tolist()]).rows
    assert api.predict(tmp_path / "run", tmp_path / "rows.npy").rows == expected


def test_what_is_said_of_rows_that_do_not_fit(run: Path, tmp_path: Path, golden: Callable[[str, str], None]) -> None:
    good = ROWS[0]
    cases: dict[str, object] = {
        "a column is missing": [{k: v for k, v in good.items() if k != "x2"}],
        "a column whose name is no word is missing": [{**good, "color name": "red"}],
        "no date": [good, {**good, "sold": "yesterday"}],
        "text in a number": [good, {**good, "x1": "one"}],
        "a number as text": [{**good, "x1": "1"}],
        "infinite": [good, {**good, "x1": float("inf")}],
        "a list in a formula": [{**good, "x2": [1, 2]}],
        "a list for a class": [{**good, "colour name": [1, 2]}],
        "keys that differ": [good, {**good, "more": 1}],
        "no map": [good, 3],
        "nothing": [],
        "no columns": [{}],
        "rows.csv": "x1,x2,sold,colour name\n1,2,2024-01-01\n",
        "rows.json": "[]",
        "rows.npz": b"PK",
    }
    del cases["a column whose name is no word is missing"][0]["colour name"]  # type: ignore[index]
    said = []
    for name, rows in cases.items():
        given: Any = rows
        if isinstance(rows, str | bytes):
            given = tmp_path / name
            given.write_bytes(rows.encode() if isinstance(rows, str) else rows)
        with pytest.raises(NetspecError) as raised:
            api.predict(run, given)
        said.append(f"## {name}\n\n{raised.value.render().replace(str(tmp_path), 'FOLDER')}")
    golden("bad_rows.txt", "\n".join(said))
