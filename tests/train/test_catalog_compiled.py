"""Every activation, loss and optimizer of the catalog as machine code, not only as a graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec import api
from netspec.catalog.activations import Activation
from netspec.catalog.losses import Loss
from netspec.catalog.optimizers import Optimizer, Rule
from netspec.compiler.formula import evaluate
from netspec.runs.checkpoint import load_weights
from netspec.runs.run import Run

HEAD = "netspec: 1\nname: compiled\n"


def test_gradients_of_every_activation(tmp_path: Path) -> None:
    kinds = list(Activation.kinds)
    branches = "".join(f"    - dense: {{units: 5, activation: {k}, from: input, name: a_{k}}}\n" for k in kinds)
    spec = (
        f"{HEAD}data: {{source: {{random: {{rows: 40, fields: {{x: [6], y: [2]}}}}}}}}\n"
        f"network:\n  inputs: {{x: [6]}}\n  layers:\n{branches}"
        "    - maxout: {units: 5, pieces: 4, from: input, name: a_maxout}\n"
        f"    - concat: [{', '.join(f'a_{k}' for k in [*kinds, 'maxout'])}]\n    - dense: 2\nloss: mse\n"
    )
    checked = api.gradcheck(spec)
    assert len(checked.rows) >= 2 * len(kinds)
    assert checked.passed, checked.summary()


SAMPLED = ("negative_sampling", "sampled_softmax")
LOSSES: dict[str, dict[str, Any]] = {
    "cross_entropy": {"label_smoothing": 0.1},
    "huber": {"delta": 0.4},
    "quantile": {"q": 0.3},
    "hinge": {"margin": 0.7},
}
OF_CLASSES = ("cross_entropy", "hinge", "perceptron", "kl", *SAMPLED)


def test_gradients_of_every_loss() -> None:
    heads, losses = "", ""
    for kind in [kind for kind, loss in Loss.kinds.items() if not loss.reads_head]:
        for target in ("label",) * (kind in OF_CLASSES) + ("y",) * (kind not in ("cross_entropy", *SAMPLED)):
            fields = ", ".join(f"{k}: {v}" for k, v in LOSSES.get(kind, {}).items())
            heads += f"    - dense: {{units: 3, from: h, name: {kind}_{target}}}\n"
            losses += f"  - {kind}: {{from: {kind}_{target}, target: {target}{', ' * bool(fields)}{fields}}}\n"
    spec = (
        f"{HEAD}data: {{source: {{random: {{rows: 40, fields: {{x: [6], y: [3], label: {{category: 3}}}}}}}}}}\n"
        "network:\n  inputs: {x: [6]}\n  output: h\n  layers:\n    - dense: {units: 7, activation: tanh, name: h}\n"
        f"{heads}loss:\n{losses}"
    )
    checked = api.gradcheck(spec)
    assert len(checked.rows) >= 2 * len(Loss.kinds)
    assert checked.passed, checked.summary()


SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("sgd", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("adam", {"lr": 0.02, "weight_decay": 0.05}),
    ("adamw", {"lr": 0.02, "weight_decay": 0.05}),
    ("rmsprop", {"lr": 0.01, "momentum": 0.7, "centered": True, "weight_decay": 0.05}),
    ("adagrad", {"lr": 0.1, "weight_decay": 0.05}),
    ("adadelta", {"epsilon": 1e-3, "weight_decay": 0.05}),
    ("lion", {"lr": 0.01, "weight_decay": 0.1}),
]


def test_settings_are_of_every_optimizer() -> None:
    assert {kind for kind, _ in SETTINGS} == {k for k, v in Optimizer.kinds.items() if not issubclass(v, Rule)}


@pytest.mark.parametrize(("kind", "fields"), SETTINGS, ids=str)
def test_updates_of_every_optimizer(kind: str, fields: dict[str, Any], tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    x, w0 = rng.normal(size=(30, 4)).astype(np.float32), rng.normal(size=(4, 2))
    y = (x @ rng.normal(size=(4, 2))).astype(np.float32)
    rows = [{"x": a.tolist(), "y": b.tolist()} for a, b in zip(x, y, strict=True)]
    options = ", ".join(f"{k}: {str(v).lower()}" for k, v in fields.items())
    spec = (
        f"{HEAD}data: {{source: {{rows: {rows}}}}}\nloss: mse\n".replace("'", '"')
        + f"network: {{inputs: {{x: [4]}}, layers: [{{dense: {{units: 2, bias: false, init: {w0.tolist()}}}}}]}}\n"
        f"optimizer: {{{kind}: {{{options}}}}}\nschedule: {{polynomial: 0.001}}\ntrain: {{epochs: 8, batch: full}}\n"
    )
    api.train(spec, out=tmp_path / "run")
    found = load_weights(Run(tmp_path / "run").last).arrays["dense_1.kernel"]
    one: Any = Optimizer.kinds[kind](**fields)
    p, states = w0.astype(np.float32).astype(float), [np.zeros((4, 2)) for _ in one.states]
    for t in range(8):
        lr = 0.001 + (one.lr - 0.001) * (1 - t / 8)
        scalars = [np.asarray(value, float) for value in one.scalars(lr, t + 1).values()]
        p, *states = evaluate(one.update(), [p, x.T @ (x @ p - y) / len(x), *states, *scalars], "float64", (4, 2))
    np.testing.assert_allclose(found, p, rtol=1e-4, atol=1e-5)
