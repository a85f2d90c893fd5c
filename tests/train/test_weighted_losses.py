"""Losses weighted by sample and by class, as compiled steps take them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from trainings import resumed, trained

from netspec import api
from netspec.runs.checkpoint import load_weights
from netspec.runs.run import Run
from netspec.spec.document import load
from netspec.train.engine import Engine
from netspec.train.opening import open_spec

X = np.array([[0.5, -1.0], [1.5, 0.25], [-0.75, 1.0], [2.0, 0.5], [-1.0, -0.5], [0.25, 0.75], [1.0, 1.0]])
KINDS = ["b", "a", "a", "c", "a", "a", "b"]
W = [1.0, -2.0, 0.0, 0.5, 3.0, -0.25, 1.5]  # won, lost, not counted
KERNEL = np.array([[0.25, -0.5, 1.0], [0.75, 0.5, -0.25]])

OF = np.array(["abc".index(kind) for kind in KINDS])
ROWS = [{"x": x.tolist(), "kind": [int(of)], "w": [w]} for x, of, w in zip(X, OF, W, strict=True)]

SPEC = f"""\
netspec: 1
name: weighted
data:
  source: {{rows: {json.dumps(ROWS)}}}
  fields: {{x: {{number: x}}, w: {{number: w}}, kind: {{category: kind}}}}
network:
  inputs: {{x: [2]}}
  layers: [{{dense: {{units: 3, bias: false, init: {KERNEL.tolist()}, name: z}}}}]
loss: {{cross_entropy: {{target: kind, WEIGHTS}}}}
optimizer: {{sgd: {{lr: 1.0, momentum: 0.5}}}}
train: {{epochs: 2, batch: full}}
"""


def gradient(spec: str) -> tuple[np.ndarray, float]:
    """The gradient of the kernel over all rows, and the mean loss."""
    opened = open_spec(load(spec))
    engine = Engine(opened.program, opened.dataset.columns, opened.constants, seed=0)
    found = engine.gradient(np.arange(len(X)))["z.kernel"], engine.evaluate(opened.dataset.visit("train")).loss
    engine.close()
    return found


BY_CLASS = {
    "class_weight: {2: 5, 1: 0.5}": [1.0, 0.5, 5.0],
    "class_weight: [2, 0, 1.5]": [2.0, 0.0, 1.5],
    "class_weight: balanced": [7 / 12, 7 / 6, 7 / 3],  # of 4, 2 and 1 rows
}


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("given", [None, *BY_CLASS])
def test_each_sample_counts_as_much_as_its_weights_say(given: str | None, signed: bool) -> None:
    keys = [*([given] if given else []), *(["sample_weight: w"] if signed else [])]
    each = np.array(BY_CLASS[given] if given else [1.0] * 3)[OF] * (np.array(W) if signed else 1)
    p = np.exp(X @ KERNEL)
    p /= p.sum(axis=1, keepdims=True)
    found, loss = gradient(SPEC.replace("WEIGHTS", ", ".join(keys)))
    np.testing.assert_allclose(found, X.T @ (each[:, None] * (p - np.eye(3)[OF])) / len(X), rtol=1e-5, atol=1e-6)
    assert loss == pytest.approx(float((each * -np.log(p[np.arange(len(X)), OF])).mean()), rel=1e-5)


def test_balanced_weights_are_those_of_the_training_rows_in_all_splits(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    text = SPEC.replace("WEIGHTS", "class_weight: balanced").replace("fields:", "split: {validation: 2}\n  fields:")
    spec.write_text(text)
    whole = trained(spec, tmp_path / "whole")
    trained(spec, tmp_path / "parts", steps=1)
    assert resumed(tmp_path / "parts") == whole
    told = {line["split"]: line["loss"] for line in whole.metrics if line["epoch"] == 1}
    best = api.evaluate(tmp_path / "whole").splits
    assert whole.summary["best"]["epoch"] in (1, 2)
    assert best["validation"]["loss"] == pytest.approx(whole.summary["best"]["metrics"]["loss"])
    assert told["train"] != pytest.approx(told["validation"])


def test_two_classes_of_a_single_output() -> None:
    text = SPEC.replace(json.dumps(ROWS), json.dumps([{**row, "kind": [min(row["kind"][0], 1)]} for row in ROWS]))
    text = text.replace("units: 3", "units: 1").replace(str(KERNEL.tolist()), "[[0.25], [0.75]]")
    text = text.replace("cross_entropy", "binary_cross_entropy").replace("WEIGHTS", "class_weight: {1: 3}")
    t, p = np.minimum(OF, 1), 1 / (1 + np.exp(-X @ [0.25, 0.75]))
    found, _ = gradient(text)
    np.testing.assert_allclose(found[:, 0], X.T @ (np.where(t > 0, 3, 1) * (p - t)) / len(X), rtol=1e-5, atol=1e-6)


def test_a_learning_rule_weighs_its_samples(tmp_path: Path) -> None:
    rows = [{"x": [1.0, 2.0], "t": [1.0], "w": [2.0]}, {"x": [3.0, 1.0], "t": [1.0], "w": [-1.0]}]
    spec = (
        f"netspec: 1\nname: rule\ndata: {{source: {{rows: {json.dumps(rows)}}}}}\n"
        "network: {inputs: {x: [2]}, layers: [{dense: {units: 1, activation: step, init: -1, bias: false}}]}\n"
        "loss: {squared_error: {target: t, sample_weight: w}}\noptimizer: perceptron\ntrain: {epochs: 1, batch: full}\n"
    )
    api.train(spec, out=tmp_path / "run")
    found = load_weights(Run(tmp_path / "run").last).arrays["dense_1.kernel"]
    # Both answer 0 for 1, so each adds its weight times x, halved by the mean over two.
    np.testing.assert_allclose(found[:, 0], [-1 + (2 * 1 - 1 * 3) / 2, -1 + (2 * 2 - 1 * 1) / 2])


@pytest.mark.parity
def test_class_weights_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    weights = torch.tensor([2.0, 0.25, 1.5])
    kernel = torch.tensor(KERNEL.astype(np.float32), requires_grad=True)
    scores = torch.tensor(X.astype(np.float32)) @ kernel
    # PyTorch's own mean divides by the weights' sum; netspec's means are over samples.
    loss = torch.nn.functional.cross_entropy(scores, torch.tensor(OF), weight=weights, reduction="sum") / len(X)
    loss.backward()
    found, value = gradient(SPEC.replace("WEIGHTS", "class_weight: [2, 0.25, 1.5]"))
    np.testing.assert_allclose(found, kernel.grad.numpy(), rtol=1e-5, atol=1e-6)
    assert value == pytest.approx(loss.item(), rel=1e-5)
