"""A softmax as a tree, trained: what a step changes, what prediction and metrics see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec import api
from netspec.catalog.layers.hierarchical_softmax import DEPTH, tree
from netspec.runs.checkpoint import load_checkpoint
from netspec.runs.run import Run
from netspec.spec.document import load
from netspec.tensortype import BATCH
from netspec.train.opening import open_spec

CLASSES = 40
LENGTHS = """\
netspec: 1
data: {source: {random: {rows: 7, fields: {words: {index: 9, shape: [T]}, tags: {index: 5, shape: [T]}}}}}
network: {inputs: {words: [T]}, layers: [{embedding: 4}, {hierarchical_softmax: 5}]}
loss: {negative_log_likelihood: {target: tags}}
metrics: [accuracy, perplexity]
"""
SPEC = f"""\
netspec: 1
name: tree
data:
  source: {{random: {{rows: ROWS, fields: {{words: {{index: 9, shape: [3]}}, label: {{category: {CLASSES}}}}}}}}}
network:
  inputs: {{words: [3]}}
  layers: [{{embedding: 6}}, flatten, {{hierarchical_softmax: {{classes: {CLASSES}, bias: BIAS, name: likely}}}}]
loss: negative_log_likelihood
optimizer: OPTIMIZER
train: {{epochs: 2, batch: BATCH, seed: 4}}
"""


def spec(rows: int = 150, optimizer: str = "{sgd: 0.5}", bias: str = "false", more: str = "") -> str:
    text = SPEC.replace("ROWS", str(rows)).replace("BATCH", str(min(rows, 33)))
    return text.replace("BIAS", bias).replace("OPTIMIZER", optimizer) + more


def trained(out: Path, text: str, threads: int = 1) -> dict[str, np.ndarray[Any, Any]]:
    api.train(text, out=out, threads=threads)
    return load_checkpoint(Run(out).state).arrays


@pytest.mark.parametrize("optimizer", ["{sgd: 0.5}", "{adam: 0.1}"])
def test_a_step_changes_the_nodes_of_its_paths(optimizer: str, tmp_path: Path) -> None:
    start = trained(tmp_path / "start", spec(4, "{sgd: 0.0}"))["likely.kernel"]
    found = trained(tmp_path / "found", spec(4, optimizer))["likely.kernel"]
    labels = np.random.Generator(np.random.PCG64([0, *b"label"])).integers(CLASSES, size=4)
    parent, _ = tree(np.bincount(labels, minlength=CLASSES).tolist())
    touched = set()
    for label in labels:
        at = parent[label]
        while at >= 0:
            touched.add(int(at) - CLASSES)
            at = parent[at]
    assert 1 < len(touched) < CLASSES - 1
    assert set(np.flatnonzero((found != start).any(axis=0)).tolist()) == touched


@pytest.mark.parametrize("bias", ["true", "false"])
def test_gradients(bias: str) -> None:
    checked = api.gradcheck(spec(bias=bias))
    assert checked.passed, checked.summary()


def test_any_number_of_threads_gives_the_same_bits(tmp_path: Path) -> None:
    text = spec(bias="true", optimizer="{adam: 0.05}", more="metrics: [accuracy, perplexity]\n")
    one, *others = (trained(tmp_path / f"{n}", text, n) for n in (1, 2, 3))
    measured = [api.evaluate(tmp_path / f"{n}", threads=n).splits for n in (1, 2, 3)]
    for other in others:
        assert all(np.array_equal(one[key], other[key]) for key in one)
    assert measured[0] == measured[1] == measured[2]


def test_prediction_and_metrics_are_of_the_classes(tmp_path: Path) -> None:
    trained(tmp_path / "run", spec(bias="true", more="metrics: [accuracy, perplexity]\n"))
    measured = api.evaluate(tmp_path / "run").splits["train"]
    assert measured["metrics"]["perplexity"] == pytest.approx(np.exp(measured["loss"]), rel=1e-4)
    words, label = (np.random.Generator(np.random.PCG64([0, *name])) for name in (b"words", b"label"))
    rows = [{"words": row} for row in words.integers(9, size=(150, 3)).tolist()]
    labels = label.integers(CLASSES, size=150)
    predicted = api.predict(tmp_path / "run", rows).rows
    chances = np.array([[v for k, v in row.items() if isinstance(v, float)] for row in predicted])
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-5)
    assert -np.log(chances[np.arange(150), labels]).mean() == pytest.approx(measured["loss"], rel=1e-5)
    assert (chances.argmax(axis=1) == labels).mean() == pytest.approx(measured["metrics"]["accuracy"])


def test_training_computes_no_more_than_paths() -> None:
    program = open_spec(load(spec(bias="true", more="metrics: [accuracy, perplexity]\n"))).program
    shapes = [value.shape for node in program.step.nodes for value in node.types]
    assert any(shape[1:] == (DEPTH,) for shape in shapes)
    assert not any(shape[0] == BATCH and shape[-1] in (CLASSES, CLASSES - 1) for shape in shapes if shape)
    assert not any(shape[-1] == BATCH for shape in shapes if len(shape) > 1)


def test_gradients_along_a_length() -> None:
    checked = api.gradcheck(LENGTHS)
    assert checked.passed, checked.summary()
