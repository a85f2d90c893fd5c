"""Whole trainings beside the same ones in PyTorch: what the catalog's own comparisons take apart, put together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec import api
from netspec.catalog.activations import Activation
from netspec.runs.checkpoint import load_checkpoint, load_weights
from netspec.runs.run import Run
from netspec.spec.document import load
from netspec.train.engine import Engine
from netspec.train.opening import open_spec

SPEC = """\
netspec: 1
name: parity
data: {source: {sklearn: iris}, standardize: true}
network:
  inputs: {x: [4]}
  layers:
    - dense: {units: 9, activation: ACTIVATION, name: a, regularize: {l1: 0.002, max_norm: 1.1}}
    - dense: {units: 3, name: b, regularize: {l2: 0.01}, lr_scale: 0.5}
loss: {cross_entropy: {label_smoothing: 0.1, class_weight: [0.5, 2, 1]}}
optimizer: OPTIMIZER
train: {epochs: 4, batch: 13, accumulate: 2, shuffle: false, seed: 4, clip: {CLIP}, average: {ema: 0.9}}
"""


def begun(text: str) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Initial weights, inputs as the network reads them, and classes."""
    opened = open_spec(load(text))
    engine = Engine(opened.program, opened.dataset.columns, opened.constants, seed=4)
    weights, fitted, columns = engine.weights(), opened.dataset.fitted.fields["x"], opened.dataset.columns
    engine.close()
    assert fitted.offset is not None
    return weights, (columns["x"] - fitted.offset) * fitted.scale, columns["label"].astype(np.int64)


@pytest.mark.parity
@pytest.mark.parametrize("clip", ["norm: 0.3", "value: 0.05"])
@pytest.mark.parametrize(
    ("activation", "optimizer", "theirs"),
    [
        ("tanh", "{sgd: {lr: 0.3, momentum: 0.9, nesterov: true}}", ("SGD", {"momentum": 0.9, "nesterov": True})),
        ("gelu", "{adamw: {lr: 0.03, weight_decay: 0.1}}", ("AdamW", {"weight_decay": 0.1})),
    ],
)
def test_a_training_is_pytorchs(
    activation: str, optimizer: str, theirs: tuple[str, dict[str, Any]], clip: str, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    text = SPEC.replace("ACTIVATION", activation).replace("OPTIMIZER", optimizer).replace("CLIP", clip)
    api.train(text, out=tmp_path / "run")
    start, x, labels = begun(text)
    p = {key: torch.tensor(array, requires_grad=True) for key, array in start.items()}
    lr = float(optimizer.split("lr: ")[1].split(",", maxsplit=1)[0])
    groups = [{"params": [p[f"{name}.kernel"], p[f"{name}.bias"]], "lr": lr * s} for name, s in (("a", 1), ("b", 0.5))]
    steps = getattr(torch.optim, theirs[0])(groups, lr=lr, **theirs[1])
    weight = torch.tensor([0.5, 2.0, 1.0])
    seen: list[dict[str, np.ndarray]] = []
    for _ in range(4):
        for first in range(0, len(x), 26):
            given, of = torch.tensor(x[first : first + 26]), torch.tensor(labels[first : first + 26])
            hidden = getattr(f, activation)(given @ p["a.kernel"] + p["a.bias"])
            scores = hidden @ p["b.kernel"] + p["b.bias"]
            each = f.cross_entropy(scores, of, label_smoothing=0.1, reduction="none") * weight[of]
            loss = each.mean() + 0.002 * p["a.kernel"].abs().sum() + 0.01 * (p["b.kernel"] ** 2).sum()
            steps.zero_grad()
            loss.backward()
            if clip.startswith("norm"):
                torch.nn.utils.clip_grad_norm_(p.values(), 0.3)
            else:
                torch.nn.utils.clip_grad_value_(p.values(), 0.05)
            steps.step()
            with torch.no_grad():
                p["a.kernel"].copy_(torch.renorm(p["a.kernel"], 2, 1, 1.1))
            seen.append({key: value.detach().numpy().copy() for key, value in p.items()})
    state = load_checkpoint(Run(tmp_path / "run").state).arrays
    last = load_weights(Run(tmp_path / "run").last).arrays
    shares = [0.9 ** (len(seen) - i) for i in range(1, len(seen) + 1)]
    for key in start:
        np.testing.assert_allclose(state[key], seen[-1][key], rtol=1e-5, atol=1e-5, err_msg=key)
        average = np.average([one[key] for one in seen], axis=0, weights=shares)
        np.testing.assert_allclose(last[key], average, rtol=1e-5, atol=1e-5, err_msg=key)


@pytest.mark.parity
def test_compiled_activations_are_pytorchs() -> None:
    """The machine code in float32: outputs, and the gradient of weights through each activation."""
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    renamed = {"hard_sigmoid": "hardsigmoid", "hard_tanh": "hardtanh", "hard_silu": "hardswish"}
    kinds = sorted(set(Activation.kinds) - {"linear", "sign", "step", "softmax", "noisy_relu"})
    branches = "".join(f"    - dense: {{units: 37, activation: {k}, from: input, name: {k}_}}\n" for k in kinds)
    text = (
        "netspec: 1\nname: parity\ndata: {source: {random: {rows: 53, seed: 3, fields: {x: [6], y: [2]}}}}\n"
        f"network:\n  inputs: {{x: [6]}}\n  output: [{', '.join(f'{k}_' for k in kinds)}, last]\n  layers:\n{branches}"
        f"    - concat: [{', '.join(f'{k}_' for k in kinds)}]\n    - dense: {{units: 2, name: last}}\n"
        "loss: {mse: {from: last}}\n"
    )
    opened = open_spec(load(text))
    engine = Engine(opened.program, opened.dataset.columns, opened.constants, seed=4)
    rows = np.arange(53)
    weights = {key: 3 * array for key, array in engine.weights().items()}  # so that bends are reached
    engine.load(weights)
    values, gradients = engine.predict(rows), engine.gradient(rows)
    engine.close()
    p = {key: torch.tensor(array, requires_grad=True) for key, array in weights.items()}
    x, y = (torch.tensor(np.asarray(opened.dataset.columns[name], np.float32)) for name in "xy")
    theirs = {k: getattr(f, renamed.get(k, k))(x @ p[f"{k}_.kernel"] + p[f"{k}_.bias"]) for k in kinds}
    last = torch.cat([theirs[k] for k in kinds], dim=1) @ p["last.kernel"] + p["last.bias"]
    f.mse_loss(last, y).backward()
    for k in kinds:
        np.testing.assert_allclose(values[f"{k}_"], theirs[k].detach().numpy(), rtol=1e-5, atol=1e-5, err_msg=k)
    for key, weight in p.items():
        largest = float(weight.grad.abs().max())
        np.testing.assert_allclose(gradients[key], weight.grad.numpy(), atol=1e-5 * largest, rtol=0, err_msg=key)
