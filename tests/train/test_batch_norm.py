"""Running statistics: how they move, what they are kept and read with, and where there is nothing to take them of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec import api
from netspec.diagnostics import SpecError
from netspec.runs.checkpoint import load_checkpoint, load_weights
from netspec.runs.run import Run
from netspec.spec.document import load
from netspec.train.engine import Engine
from netspec.train.opening import open_spec

ROWS = np.random.default_rng(3).normal(5, 2, (11, 3)).astype(np.float32)
SPEC = """\
netspec: 1
name: norms
data: {{source: {{rows: {rows}}}}}
network:
  inputs: {{x: [3]}}
  layers: [{{batch_norm: {{momentum: 0.25, name: n{more}}}}}, {{dense: {{units: 1, name: y}}}}]
loss: {{mse: {{from: y, target: t}}}}
optimizer: {{sgd: {{lr: 0.01}}}}
train: {{epochs: {epochs}, batch: 4, shuffle: false, seed: 0{train}}}
"""


def spec(epochs: int = 1, more: str = "", train: str = "", rows: Any = ROWS) -> str:
    listed = [{"x": row.tolist(), "t": [1.0]} for row in rows]
    return SPEC.format(rows=str(listed).replace("'", '"'), epochs=epochs, more=more, train=train)


def moved(epochs: int, rate: float = 0.25) -> tuple[np.ndarray, np.ndarray]:
    """What running statistics come to over batches of 4, 4 and 3 rows."""
    mean, variance = np.zeros(3), np.ones(3)
    for batch in (ROWS[:4], ROWS[4:8], ROWS[8:]) * epochs:
        mean = mean + rate * (batch.mean(0, dtype=np.float64) - mean)
        variance = variance + rate * (batch.var(0, ddof=1, dtype=np.float64) - variance)
    return mean, variance


@pytest.mark.parametrize("train", ["", ", accumulate: 2"])
def test_every_batch_moves_running_statistics_by_the_momentum(train: str, tmp_path: Path) -> None:
    api.train(spec(epochs=2, train=train), out=tmp_path / "run")
    run = Run(tmp_path / "run")
    for arrays in (load_weights(run.last).arrays, load_checkpoint(run.state).arrays):
        for name, expected in zip(("mean", "variance"), moved(2), strict=True):
            np.testing.assert_allclose(arrays[f"n.{name}"], expected, rtol=1e-5)


def test_prediction_uses_running_statistics(tmp_path: Path) -> None:
    api.train(spec(epochs=2), out=tmp_path / "run")
    weights = load_weights(Run(tmp_path / "run").best).arrays
    shown = api.predict(tmp_path / "run", [{"x": row.tolist()} for row in ROWS[:2]]).rows
    xhat = (ROWS[:2] - weights["n.mean"]) / np.sqrt(weights["n.variance"] + 1e-5)
    expected = (xhat * weights["n.scale"] + weights["n.bias"]) @ weights["y.kernel"] + weights["y.bias"]
    np.testing.assert_allclose([row["t"] for row in shown], expected.ravel(), rtol=1e-5)


def test_given_statistics_are_begun_with_and_frozen_ones_stay(tmp_path: Path) -> None:
    api.train(spec(), out=tmp_path / "first")
    given = Run(tmp_path / "first").last
    api.train(spec(more=", freeze: true"), out=tmp_path / "second", weights=given)
    before, after = load_weights(given).arrays, load_weights(Run(tmp_path / "second").last).arrays
    for name in ("mean", "variance", "scale", "bias"):
        assert after[f"n.{name}"].tobytes() == before[f"n.{name}"].tobytes(), name
    assert (after["y.kernel"] != before["y.kernel"]).any()


def test_initial_statistics_can_be_said(tmp_path: Path) -> None:
    api.train(spec(more=", init: {mean: [4, 5, 6], variance: 2}"), out=tmp_path / "run", steps=1)
    found = load_weights(Run(tmp_path / "run").last).arrays["n.mean"]
    start = np.array([4, 5, 6])
    np.testing.assert_allclose(found, start + 0.25 * (ROWS[:4].mean(0) - start), rtol=1e-5)


def test_counts_are_apart() -> None:
    facts = api.compile(spec()).summary()
    assert (facts["parameters"], facts["frozen"], facts["statistics"]) == (6 + 4, 0, 6)
    assert facts["layers"][0]["parameters"] == 6
    frozen = api.compile(spec(more=", freeze: true")).summary()
    assert (frozen["parameters"], frozen["frozen"], frozen["statistics"]) == (4, 6, 6)
    assert not api.validate(["-"], stdin=spec() + "expect: {parameters: 10, frozen: 0, statistics: 6}\n")[0].errors


@pytest.mark.parametrize("rows", [5, 9])
def test_a_last_batch_of_one_row_is_refused(rows: int, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="the last batch of an epoch, which has one row") as raised:
        api.train(spec(rows=ROWS[:rows]), out=tmp_path / "run")
    (fault,) = raised.value.diagnostics
    assert fault.code == "variance-of-one"
    assert fault.helps == ("take more rows at once: `train: {batch: 5}`",)
    assert not (tmp_path / "run").exists()
    api.train(spec(rows=ROWS[:rows], more=", freeze: true"), out=tmp_path / "frozen")  # which takes no variance


def test_more_places_make_up_for_one_row(tmp_path: Path) -> None:
    text = (
        spec(rows=ROWS[:5])
        .replace("layers: [", "layers: [{reshape: [3, 1]}, ")
        .replace("name: n}}", "name: n}}, flatten")
    )
    api.train(text, out=tmp_path / "run")
    assert load_weights(Run(tmp_path / "run").last).arrays["n.mean"].shape == (1,)


CONVOLUTIONS = """\
netspec: 1
name: parity
data: {source: {sklearn: digits}}
network:
  inputs: {image: [8, 8, 1]}
  layers:
    - conv2d: {filters: 7, kernel: 3, bias: false, name: a}
    - batch_norm: {name: n, momentum: 0.2}
    - relu
    - conv2d: {filters: 7, kernel: 3, padding: 1, bias: false, name: b}
    - batch_norm: {name: m, epsilon: 1e-3}
    - add: [m, relu_1]
    - relu
    - flatten
    - dense: {units: 10, name: logits}
loss: cross_entropy
optimizer: {sgd: {lr: 0.05, momentum: 0.9}}
train: {batch: 37}
"""


@pytest.mark.parity
def test_steps_and_prediction_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    opened = open_spec(load(CONVOLUTIONS))
    engine = Engine(opened.program, opened.dataset.columns, opened.constants, seed=2, threads=2)
    p = {key: torch.tensor(array) for key, array in engine.weights().items()}
    trained = [value.requires_grad_() for key, value in p.items() if key.split(".")[1] not in ("mean", "variance")]
    fitted, columns = opened.dataset.fitted.fields["image"], opened.dataset.columns
    assert fitted.offset is not None
    pixels = (torch.tensor(columns["image"]).float() - fitted.offset.item()) * fitted.scale.item()
    labels = torch.tensor(columns["label"].astype(np.int64))

    def network(rows: Any, *, training: bool) -> Any:
        def norm(x: Any, name: str, rate: float, epsilon: float) -> Any:
            running = p[f"{name}.mean"], p[f"{name}.variance"]
            return f.batch_norm(x, *running, p[f"{name}.scale"], p[f"{name}.bias"], training, rate, epsilon)

        first = f.relu(norm(f.conv2d(pixels[rows].movedim(-1, 1), p["a.kernel"].permute(3, 2, 0, 1)), "n", 0.2, 1e-5))
        second = norm(f.conv2d(first, p["b.kernel"].permute(3, 2, 0, 1), padding=1), "m", 0.1, 1e-3)
        return f.relu(second + first).movedim(1, -1).flatten(1) @ p["logits.kernel"] + p["logits.bias"]

    steps = torch.optim.SGD(trained, lr=0.05, momentum=0.9)
    order = np.arange(4 * 37).reshape(4, 37)
    for rows in order:
        steps.zero_grad()
        f.cross_entropy(network(rows, training=True), labels[rows]).backward()
        steps.step()
    engine.train(order, 0, np.full(4, 0.05))
    for key, found in engine.weights().items():
        np.testing.assert_allclose(found, p[key].detach(), rtol=1e-4, atol=1e-5, err_msg=key)
    rows = np.arange(100, 117)
    with torch.no_grad():
        expected = torch.softmax(network(rows, training=False), 1)
    np.testing.assert_allclose(engine.predict(rows)["logits"], expected, atol=1e-5)
    engine.close()
