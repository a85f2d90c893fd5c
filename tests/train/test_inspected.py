"""Metrics of what a step computes inside: sparsity and the norms of gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec import api
from netspec.runs.metrics import read_metrics
from netspec.runs.run import Run
from netspec.spec.document import load
from netspec.train.engine import Engine, Measured
from netspec.train.opening import open_spec

SPEC = """\
netspec: 1
name: inspected
data: {source: {sklearn: iris}, standardize: true, split: {validation: 30}}
blocks: {two: {layers: [{dense: {units: 5, activation: tanh, name: s}}, {dense: {units: 4, name: t}}]}}
network:
  inputs: {x: [4]}
  layers:
    - dense: {units: 6, activation: relu, name: h}
    - two: {name: b}
    - dropout: {rate: RATE, name: d}
    - dense: {units: 3, name: o, regularize: {l2: 0.1}}
loss: cross_entropy
optimizer: {sgd: {lr: 0.1}}
metrics:
  - gradient_norm
  - gradient_norm: {from: [h, b, b.s, b.s.kernel, o.bias]}
  - sparsity: {from: [h, d]}
  - gradient_sparsity: {from: [h, b]}
train: {epochs: 4, batch: full, seed: 4, MORE}
"""
PLAIN = SPEC.replace("RATE", "0").replace(", MORE", "")


def measured(text: str) -> tuple[Measured, dict[str, Any], dict[str, Any], Any]:
    """What the training rows give before training; gradients, weights, and the inputs as the network reads them."""
    opened = open_spec(load(text))
    engine = Engine(opened.program, opened.dataset.columns, opened.constants, seed=4)
    rows, fitted = opened.dataset.splits["train"], opened.dataset.fitted.fields["x"]
    found = engine.evaluate(opened.dataset.visit("train")), engine.gradient(rows), engine.weights()
    engine.close()
    return *found, (opened.dataset.columns["x"][rows] - fitted.offset) * fitted.scale


def test_they_are_what_numpy_makes_of_the_network() -> None:
    found, gradients, weights, x = measured(PLAIN)
    told = found.metrics
    for name, keys in {
        "gradient_norm": list(gradients),
        "h.gradient_norm": ["h.kernel", "h.bias"],
        "b.gradient_norm": ["b.s.kernel", "b.s.bias", "b.t.kernel", "b.t.bias"],
        "b.s.gradient_norm": ["b.s.kernel", "b.s.bias"],
        "b.s.kernel.gradient_norm": ["b.s.kernel"],
        "o.bias.gradient_norm": ["o.bias"],
    }.items():
        norm = np.sqrt(sum((gradients[key].astype(float) ** 2).sum() for key in keys))
        assert told[name] == pytest.approx(norm, rel=1e-5), name
    inactive = (x @ weights["h.kernel"] + weights["h.bias"] <= 0).mean()
    assert 0.2 < inactive < 0.8
    assert told["h.sparsity"] == told["h.gradient_sparsity"] == pytest.approx(inactive)
    assert told["d.sparsity"] == told["b.gradient_sparsity"] == 0


def test_a_training_tells_them_of_its_steps(tmp_path: Path) -> None:
    api.train(PLAIN, out=tmp_path / "run")
    first = next(iter(read_metrics(Run(tmp_path / "run").metrics)))
    before, *_ = measured(PLAIN)
    assert first["split"] == "train"
    assert first["metrics"] == pytest.approx(dict(before.metrics), rel=1e-5)


def test_dropout_is_seen_while_training_alone(tmp_path: Path) -> None:
    api.train(SPEC.replace("RATE", "0.5").replace(", MORE", ""), out=tmp_path / "run")
    for line in read_metrics(Run(tmp_path / "run").metrics):
        assert (line["metrics"]["d.sparsity"] > 0.3) == (line["split"] == "train")


def test_batches_are_those_of_the_training(tmp_path: Path) -> None:
    text = PLAIN.replace("batch: full", "batch: 7")
    api.train(text, out=tmp_path / "run")
    run = Run(tmp_path / "run")
    best = run.read_summary()["best"]["metrics"]
    again = api.evaluate(run.path).splits["validation"]["metrics"]
    assert again == pytest.approx({name: value for name, value in best.items() if name != "loss"}, rel=1e-6)


def test_a_training_can_stop_and_choose_by_them(tmp_path: Path) -> None:
    more = "early_stop: {patience: 1, metric: h.sparsity}, select: {metric: gradient_norm, split: train}"
    text = SPEC.replace("RATE", "0").replace("MORE", more).replace("epochs: 4", "epochs: 200")
    api.train(text, out=tmp_path / "run")
    summary, lines = Run(tmp_path / "run").read_summary(), list(read_metrics(Run(tmp_path / "run").metrics))
    assert summary["epochs"] < 200
    norms = [line["metrics"]["gradient_norm"] for line in lines if line["split"] == "train"]
    assert summary["best"]["epoch"] == 1 + int(np.argmin(norms))
