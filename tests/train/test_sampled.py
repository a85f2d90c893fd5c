"""Scores that training computes a few of: what a step changes of the layer behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec import api
from netspec.runs.checkpoint import load_checkpoint
from netspec.runs.run import Run

CLASSES = 200
SPEC = f"""\
netspec: 1
name: sampled
data: {{source: {{random: {{rows: 6, fields: {{x: [5], label: {{category: {CLASSES}}}}}}}}}}}
network: {{inputs: {{x: [5]}}, layers: [{{dense: {{units: {CLASSES}, bias: BIAS, name: scores}}}}]}}
loss: {{negative_sampling: {{samples: 4, power: 0}}}}
optimizer: OPTIMIZER
train: {{epochs: EPOCHS, batch: full, seed: 4}}
"""


def trained(out: Path, optimizer: str, bias: str = "false", epochs: int = 1) -> dict[str, np.ndarray[Any, Any]]:
    text = SPEC.replace("OPTIMIZER", optimizer).replace("BIAS", bias).replace("EPOCHS", str(epochs))
    api.train(text, out=out)
    return load_checkpoint(Run(out).state).arrays


@pytest.mark.parametrize("optimizer", ["{sgd: 0.5}", "{adam: 0.1}", "{sgd: {lr: 0.5, momentum: 0.5}}"])
def test_a_step_changes_the_columns_that_it_scored(optimizer: str, tmp_path: Path) -> None:
    start = trained(tmp_path / "start", "{sgd: 0.0}")["scores.kernel"]
    found = trained(tmp_path / "found", optimizer)
    changed = (found["scores.kernel"] != start).any(axis=0)
    labels = np.random.Generator(np.random.PCG64([0, *b"label"])).integers(CLASSES, size=6)
    assert changed[labels].all()
    # With power 0 a class that is no label is never drawn, since it does not occur.
    assert not changed[np.setdiff1d(np.arange(CLASSES), labels)].any()
    assert found["scores.kernel"].shape == (5, CLASSES)


def test_the_bias_is_trained_too(tmp_path: Path) -> None:
    start, found = (trained(tmp_path / rate, f"{{sgd: {rate}}}", bias="true") for rate in ("0.0", "0.5"))
    assert (start["scores.bias"] != found["scores.bias"]).any()


def test_metrics_wait_for_an_evaluation(tmp_path: Path) -> None:
    text = SPEC.replace("OPTIMIZER", "{sgd: 0.5}").replace("BIAS", "true").replace("EPOCHS", "2")
    api.train(f"{text}metrics: [accuracy]\n", out=tmp_path / "run")
    assert "accuracy" in api.evaluate(tmp_path / "run").splits["train"]["metrics"]


@pytest.mark.parametrize(
    ("layers", "kind"),
    [
        ("{dense: {units: 7, activation: tanh}}, {dense: {units: 40, name: s}}", "sampled_softmax"),
        ("{dense: {units: 7, activation: tanh}}, {dense: {units: 40, bias: false}}", "negative_sampling"),
    ],
)
def test_gradients(layers: str, kind: str) -> None:
    text = (
        "netspec: 1\ndata: {source: {random: {rows: 30, fields: {x: [5], label: {category: 40}}}}}\n"
        f"network: {{inputs: {{x: [5]}}, layers: [{layers}]}}\nloss: {kind}\n"
    )
    checked = api.gradcheck(text)
    assert checked.passed, checked.summary()


def test_tied_tables_are_read_and_scored(tmp_path: Path) -> None:
    text = """\
netspec: 1
data: {source: {random: {rows: 30, fields: {word: {index: 40}, next: {category: 40}}}}}
network:
  inputs: {word: []}
  layers: [{embedding: {size: 6, name: e}}, {dense: {units: 40, bias: false, share: {kernel: e.table.T}}}]
loss: {negative_sampling: {target: next}}
optimizer: {adam: 0.01}
train: {epochs: 2}
"""
    checked = api.gradcheck(text)
    assert checked.passed, checked.summary()
    api.train(text, out=tmp_path / "run")
