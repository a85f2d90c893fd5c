"""Data with a fault end a training before anything is written, with one diagnostic that names file, row and column."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from netspec import api
from netspec.diagnostics import DataError

SPEC = """
netspec: 1
data:
  source: {source}
  {more}
network:
  inputs: {{x: [2]}}
  layers: [{{dense: {{units: 3, name: logits}}}}]
loss: cross_entropy
optimizer: {{sgd: {{lr: 0.1}}}}
train: {{epochs: 1, batch: {batch}}}
"""
CSV = "{csv: {path: a.csv}}"
FIELDS = "fields: {x: {number: [a, b]}, k: {category: {of: k, classes: [p, q, r]}}}"
GOOD = "a,b,k\n1,2,p\n3,5,q\n4,4,r\n0,1,p\n"
IDX = "{idx: {fields: {x: x.idx, k: k.idx}}}"


def idx(array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], code: int = 8) -> bytes:
    return bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


LABELS = idx(np.array([0, 1, 2, 0], np.uint8))
FLOATS = idx(np.arange(8, dtype=">f4").reshape(4, 2), 13)


@pytest.mark.parametrize(
    ("files", "source", "more", "code", "words"),
    [
        ({}, CSV, FIELDS, "missing-file", "there is no file `a.csv`"),
        ({"a.csv": GOOD.replace("b,k", "bb,k")}, CSV, FIELDS, "unknown-column", "no column `b`"),
        ({"a.csv": GOOD.replace("5,", "")}, CSV, FIELDS, "ragged-row", "a.csv, line 3: 2 cells"),
        ({"a.csv": GOOD.replace("5", "five")}, CSV, FIELDS, "text-in-number", "a.csv, line 3, column `b`: `five`"),
        ({"a.csv": GOOD.replace("q", "s")}, CSV, FIELDS, "unknown-class", "a.csv, line 3, column `k`: `s`"),
        ({"a.csv": GOOD.replace("5", "")}, CSV, FIELDS, "missing-value", "a.csv, line 3, column `b`: no value"),
        ({"a.csv": GOOD.replace("5", "nan")}, CSV, FIELDS, "missing-value", "a.csv, line 3, column `b`"),
        ({"a.csv": GOOD.replace("5", "inf")}, CSV, FIELDS, "not-finite", "a.csv, line 3, column `b`: inf"),
        ({"a.csv": GOOD.replace("5", "1e40")}, CSV, FIELDS, "not-finite", "a.csv, line 3, column `b`: 1e+40"),
        ({"x.idx": FLOATS[:-3], "k.idx": LABELS}, IDX, "", "truncated-file", "x.idx holds 41 bytes"),
        ({"x.idx": b"x,y\n1,2\n", "k.idx": LABELS}, IDX, "", "wrong-magic", "x.idx is no IDX file"),
        (
            {"x.idx": FLOATS, "k.idx": idx(np.array([0, 1, 255, 0], np.uint8), 9)},
            IDX,
            "",
            "label-out-of-range",
            "`k` holds -1",
        ),
        ({"a.csv": GOOD}, CSV, FIELDS + "\n  split: {test: 0.1}", "empty-split", "of 4 rows is no row"),
        (
            {"a.csv": GOOD.replace(",5", ",2").replace(",4", ",2").replace(",1", ",2")},
            CSV,
            FIELDS + "\n  standardize: true",
            "constant-column",
            "`b` in `x` is 2 in every training row",
        ),
    ],
)
def test_one_diagnostic_and_no_run(
    *, tmp_path: Path, files: dict[str, str | bytes], source: str, more: str, code: str, words: str
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC.format(source=source, more=more, batch="full"))
    with pytest.raises(DataError) as raised:
        api.train(spec, out=tmp_path / "run")
    assert [d.code for d in raised.value.diagnostics] == [code]
    assert words in raised.value.render()
    assert not (tmp_path / "run").exists()


def test_fewer_rows_than_a_batch(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(GOOD)
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC.format(source=CSV, more=FIELDS, batch=5))
    with pytest.raises(DataError) as raised:
        api.train(spec, out=tmp_path / "run")
    assert raised.value.diagnostics[0].code == "too-few-rows"
    assert "`train.batch` is 5, and the split `train` has 4 rows" in raised.value.render()
    assert not (tmp_path / "run").exists()
    for batch in (4, 32):  # 32 is what it is where nothing is said, and gives way
        spec.write_text(SPEC.format(source=CSV, more=FIELDS, batch=batch))
        assert api.train(spec, out=tmp_path / f"run{batch}").status == "finished"
