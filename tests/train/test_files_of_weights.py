"""Weights that a file gives, wherever the command is run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netspec import api
from netspec.runs.checkpoint import load_weights
from netspec.runs.run import Run

SPEC = """\
netspec: 1
name: given
data: {source: {logic: and}}
network:
  inputs: {x: [2]}
  layers: [{dense: {units: 1, init: {kernel: {file: weights/w.npy}}, freeze: true}}]
loss: squared_error
optimizer: sgd
train: {epochs: 1}
"""


def test_a_relative_path_is_from_the_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "specs" / "weights").mkdir(parents=True)
    (tmp_path / "specs" / "given.yaml").write_text(SPEC, encoding="utf-8")
    np.save(tmp_path / "specs" / "weights" / "w.npy", np.array([[3.0], [5.0]]))
    for folder, spec in ((tmp_path, Path("specs/given.yaml")), (tmp_path / "specs", Path("given.yaml"))):
        monkeypatch.chdir(folder)
        out = tmp_path / f"from-{folder.name}"
        api.train(spec, out=out)
        assert load_weights(Run(out).last).arrays["dense_1.kernel"].tolist() == [[3], [5]]
