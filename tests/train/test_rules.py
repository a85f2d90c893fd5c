"""Learning rules, compiled, against the rules written down by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec import api
from netspec.runs.checkpoint import load_weights
from netspec.runs.metrics import read_metrics
from netspec.runs.run import Run
from netspec.spec.check import check

RNG = np.random.default_rng(5)
X = RNG.normal(size=(24, 3)).astype(np.float32)


def spec(layers: str, optimizer: str, *, target: np.ndarray, x: np.ndarray = X, train: str, loss: str = "") -> str:
    rows = [{"x": list(map(float, a)), "t": list(map(float, b))} for a, b in zip(x, target, strict=True)]
    return (
        f"netspec: 1\nname: rule\ndata: {{source: {{rows: {rows}}}}}\n"
        f"network: {{inputs: {{x: [{x.shape[1]}]}}, layers: {layers}}}\n"
        f"loss: {loss or '{squared_error: {target: t}}'}\noptimizer: {optimizer}\ntrain: {{shuffle: false, {train}}}\n"
    ).replace("'", '"')


def trained(text: str, out: Path) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    """The weights after training, and the lines of `metrics.jsonl`."""
    api.train(text, out=out)
    return dict(load_weights(Run(out).last).arrays), read_metrics(Run(out).metrics)


def sided(x: np.ndarray) -> np.ndarray:
    return (x @ np.array([[1.0], [-2.0], [0.5]]) > 0.2).astype(np.float32)


UNIT = "[{dense: {units: 1, activation: step, init: {kernel: 0}, name: u}}]"


@pytest.mark.parametrize("layers", [UNIT, "[{dense: {units: 1, init: {kernel: 0}, name: u}}, step]"])
def test_perceptron_rule_row_by_row(layers: str, tmp_path: Path) -> None:
    target = sided(X)
    found, _ = trained(spec(layers, "{perceptron: 0.5}", target=target, train="epochs: 3, batch: 1"), tmp_path / "run")
    w, b = np.zeros((3, 1)), np.zeros(1)
    for _ in range(3):
        for x, t in zip(X, target, strict=True):
            error = t - (x @ w + b >= 0)
            w, b = w + 0.5 * np.outer(x, error), b + 0.5 * error
    np.testing.assert_allclose(found["u.kernel"], w, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["u.bias"], b, rtol=1e-5, atol=1e-6)


def test_perceptron_rule_comes_to_rest_on_separable_rows(tmp_path: Path) -> None:
    text = spec(UNIT, "perceptron", target=sided(X), train="epochs: 60, batch: 1")
    found, lines = trained(text, tmp_path / "run")
    assert lines[-1]["loss"] == 0
    longer, _ = trained(text.replace("epochs: 60", "epochs: 80"), tmp_path / "longer")
    np.testing.assert_array_equal(longer["u.kernel"], found["u.kernel"])


def test_perceptron_rule_of_a_batch_is_the_mean(tmp_path: Path) -> None:
    target = np.concatenate([sided(X), 1 - sided(X)], axis=1)
    layers = "[{dense: {units: 2, activation: step, name: u}}]"
    text = spec(layers, "{perceptron: 0.5}", target=target, train="epochs: 1, batch: full")
    (before, _), (after, _) = (trained(text.replace("epochs: 1", f"epochs: {n}"), tmp_path / f"{n}") for n in (1, 2))
    w, b = before["u.kernel"], before["u.bias"]
    error = target - (X @ w + b >= 0)
    np.testing.assert_allclose(after["u.kernel"], w + 0.5 * X.T @ error / len(X), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(after["u.bias"], b + 0.5 * error.mean(axis=0), rtol=1e-5, atol=1e-6)


def test_delta_rule_learns_from_the_net_input(tmp_path: Path) -> None:
    target = 2 * sided(X) - 1
    layers = "[{dense: {units: 1, activation: sign, init: {kernel: 0.1}, name: u}}]"
    found, _ = trained(spec(layers, "{delta: 0.05}", target=target, train="epochs: 4, batch: 1"), tmp_path / "run")
    w, b = np.full((3, 1), 0.1), np.zeros(1)
    for _ in range(4):
        for x, t in zip(X, target, strict=True):
            error = t - (x @ w + b)
            w, b = w + 0.05 * np.outer(x, error), b + 0.05 * error
    np.testing.assert_allclose(found["u.kernel"], w, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["u.bias"], b, rtol=1e-4, atol=1e-5)


def test_a_taught_rule_leaves_the_layers_before_it_alone(tmp_path: Path) -> None:
    layers = f"[{{dense: {{units: 3, activation: tanh, name: hidden}}}}, {UNIT[1:]}"
    text = spec(layers, "{perceptron: 0.5}", target=sided(X), train="epochs: 1, batch: 1")
    (before, _), (after, _) = (trained(text.replace("epochs: 1", f"epochs: {n}"), tmp_path / f"{n}") for n in (1, 3))
    np.testing.assert_array_equal(before["hidden.kernel"], after["hidden.kernel"])
    assert (before["u.kernel"] != after["u.kernel"]).any()


def test_hebbs_rule_stores_orthonormal_pairs(tmp_path: Path) -> None:
    x = np.array([[0.5, 0.5, 0.5, 0.5], [0.5, -0.5, 0.5, -0.5]], np.float32)
    target = np.array([[1.0, -1.0, 2.0], [-1.0, 3.0, 0.0]], np.float32)
    layers = "[{dense: {units: 3, bias: false, init: {kernel: 0}, name: u}}]"
    found, lines = trained(spec(layers, "hebbian", target=target, x=x, train="epochs: 1, batch: 1"), tmp_path / "run")
    np.testing.assert_allclose(x @ found["u.kernel"], target, atol=1e-6)
    assert lines[0]["step"] == 2


def test_hebbs_rule_by_the_units_own_answers(tmp_path: Path) -> None:
    layers = "[{dense: {units: 1, bias: false, init: {kernel: 0.1}, name: u}}]"
    text = spec(layers, "{hebbian: {lr: 0.01, held: false}}", target=X[:, :1], train="epochs: 2, batch: 1")
    found, _ = trained(text, tmp_path / "run")
    w = np.full((3, 1), 0.1)
    for x in [*X, *X]:
        w = w + 0.01 * np.outer(x, x @ w)
    np.testing.assert_allclose(found["u.kernel"], w, rtol=1e-5)


def test_ojas_rule_finds_the_first_principal_direction(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    x = (rng.normal(size=(200, 3)) * [2.0, 0.7, 0.3]) @ turn
    x = (x - x.mean(axis=0)).astype(np.float32)
    # What is measured is how well the code gives the input back: by the same weights.
    decoder = "{dense: {units: 3, bias: false, share: {kernel: code.kernel.T}}}"
    layers = f"[{{dense: {{units: 1, bias: false, name: code}}}}, {decoder}]"
    text = spec(layers, "{oja: 0.02}", target=x, x=x, train="epochs: 60, batch: 20")
    found, lines = trained(text, tmp_path / "run")
    w = found["code.kernel"][:, 0]
    first = np.linalg.svd(x)[2][0]
    angle = math.degrees(math.acos(min(1.0, abs(float(w @ first)) / float(np.linalg.norm(w)))))
    assert angle < 1
    assert np.linalg.norm(w) == pytest.approx(1, abs=0.02)
    assert lines[-1]["loss"] < lines[0]["loss"]


def test_ojas_rule_step_by_step(tmp_path: Path) -> None:
    layers = "[{dense: {units: 2, bias: false, name: u, init: {kernel: [[0.3, 0.1], [-0.2, 0.5], [0.4, 0.2]]}}}]"
    text = spec(layers, "{oja: 0.05}", target=X[:, :2], train="epochs: 2, batch: 1")
    found, _ = trained(text, tmp_path / "run")
    w = np.array([[0.3, 0.1], [-0.2, 0.5], [0.4, 0.2]])
    for x in [*X, *X]:
        y = x @ w
        w = w + 0.05 * y * (x[:, None] - y * w)
    np.testing.assert_allclose(found["u.kernel"], w, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("layers", "optimizer", "message"),
    [
        ("[{dense: {units: 1, name: u}}, {affine: {}}]", "perceptron", "reads `affine_1`, of the kind `affine`"),
        ("[{dense: {units: 1, freeze: true}}]", "delta", "reads `dense_1`, a frozen `dense`"),
        ("[{dense: {units: 1, freeze: true}}]", "oja", "the network has none that may change"),
    ],
)
def test_a_rule_that_finds_no_layer_is_told(layers: str, optimizer: str, message: str) -> None:
    checked = check(spec(layers, optimizer, target=sided(X), train="epochs: 1"))
    (fault,) = [d for d in checked.report.diagnostics if d.code == "rule-without-layer"]
    assert message in fault.message
