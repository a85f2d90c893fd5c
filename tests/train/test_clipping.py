"""Clipped gradients, as a compiled step applies them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netspec import api
from netspec.runs.checkpoint import load_checkpoint, load_weights
from netspec.runs.run import Run

SPEC = """\
netspec: 1
name: clipped
data: {source: {sklearn: iris}, standardize: true}
network:
  inputs: {x: [4]}
  layers: [{dense: {units: 5, activation: tanh, name: a}}, {dense: {units: 3, name: b}}]
loss: cross_entropy
optimizer: {sgd: {lr: 1.0}}
train: {epochs: 1, batch: full, seed: 4}
"""


def change(out: Path, clip: str) -> dict[str, np.ndarray]:
    """What one step of rate 1 takes from each weight: the gradient as it was applied."""
    overrides = [f"train.clip={clip}"] if clip else []
    api.train(SPEC, out=out / "before", overrides=["optimizer.sgd.lr=0.0", *overrides])
    api.train(SPEC, out=out / "after", overrides=overrides)
    before, after = (load_weights(Run(out / part).last).arrays for part in ("before", "after"))
    assert load_checkpoint(Run(out / "after").state).progress["step"] == 1
    return {key: before[key].astype(float) - after[key] for key in before}


def norm(gradients: dict[str, np.ndarray]) -> float:
    return float(np.sqrt(sum((g**2).sum() for g in gradients.values())))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    return change(tmp_path_factory.mktemp("plain"), "")


def same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    for key, gradient in expected.items():
        np.testing.assert_allclose(found[key], gradient, rtol=1e-4, atol=1e-6, err_msg=key)


def test_by_value(plain: dict[str, np.ndarray], tmp_path: Path) -> None:
    limit = 0.05
    assert max(np.abs(g).max() for g in plain.values()) > limit
    same(change(tmp_path, f"{{value: {limit}}}"), {key: np.clip(g, -limit, limit) for key, g in plain.items()})


def test_by_the_norm_of_all_together(plain: dict[str, np.ndarray], tmp_path: Path) -> None:
    half = norm(plain) / 2
    found = change(tmp_path, f"{{norm: {half}}}")
    same(found, {key: g / 2 for key, g in plain.items()})
    assert norm(found) == pytest.approx(half, rel=1e-5)


def test_a_norm_that_is_not_reached_changes_nothing(plain: dict[str, np.ndarray], tmp_path: Path) -> None:
    same(change(tmp_path, f"{{norm: {2 * norm(plain)}}}"), plain)


def test_by_value_and_then_by_norm(plain: dict[str, np.ndarray], tmp_path: Path) -> None:
    cut = {key: np.clip(g, -0.05, 0.05) for key, g in plain.items()}
    found = change(tmp_path, f"{{value: 0.05, norm: {norm(cut) / 4}}}")
    same(found, {key: g / 4 for key, g in cut.items()})
