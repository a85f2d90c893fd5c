"""Weights kept short by max-norm, as a compiled step does it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

from netspec import api
from netspec.runs.checkpoint import load_weights
from netspec.runs.run import Run

SPEC = """\
netspec: 1
name: short
data: {source: {sklearn: iris}, standardize: true}
network:
  inputs: {x: [4]}
  layers:
    - {FIRST: {units: 37, name: a REGULARIZE}}
    - tanh
    - dense: {units: 3, name: b}
loss: cross_entropy
optimizer: {sgd: {lr: 0.5, momentum: 0.9}}
train: {epochs: EPOCHS, batch: full, seed: 4}
"""


def weights(out: Path, first: str, regularize: str, epochs: int) -> dict[str, np.ndarray]:
    text = SPEC.replace("FIRST", first).replace("REGULARIZE", regularize).replace("EPOCHS", str(epochs))
    api.train(text, out=out)
    return load_weights(Run(out).last).arrays


def limited(kernel: np.ndarray, limit: float) -> np.ndarray:
    """The definition: a column that is longer than the limit is scaled to it."""
    length = np.linalg.norm(kernel.astype(float), axis=0)
    return kernel * np.where(length > limit, limit / length, 1)


@pytest.mark.parametrize("first", ["dense", "maxout"])
def test_each_unit_is_scaled_to_the_limit_after_the_step(first: str, tmp_path: Path) -> None:
    free = weights(tmp_path / "free", first, "", 1)
    held = weights(tmp_path / "held", first, ", regularize: {max_norm: 0.6}", 1)
    lengths = np.linalg.norm(free["a.kernel"], axis=0)
    assert lengths.min() < 0.6 < lengths.max()
    np.testing.assert_allclose(held["a.kernel"], limited(free["a.kernel"], 0.6), rtol=1e-5)
    for other in set(free) - {"a.kernel"}:
        assert np.array_equal(held[other], free[other]), other


def test_no_unit_is_ever_longer(tmp_path: Path) -> None:
    held = weights(tmp_path / "held", "dense", ", regularize: {max_norm: 0.6}", 5)
    lengths = np.linalg.norm(held["a.kernel"], axis=0)
    assert lengths.max() == pytest.approx(0.6, rel=1e-6)
    assert np.linalg.norm(held["b.kernel"], axis=0).max() > 0.6


def test_a_limit_that_nothing_reaches_changes_no_bit(tmp_path: Path) -> None:
    free = weights(tmp_path / "free", "dense", "", 3)
    held = weights(tmp_path / "held", "dense", ", regularize: {max_norm: 1000}", 3)
    assert {key: array.tobytes() for key, array in held.items()} == {k: a.tobytes() for k, a in free.items()}


WINDOWS = """\
netspec: 1
name: short-filters
data: {source: {sklearn: digits}, standardize: true}
network:
  inputs: {image: [8, 8, 1]}
  layers:
    - conv2d: {filters: 4, kernel: 3}
    - LAYER
    - flatten
    - dense: {units: 10, name: b}
loss: cross_entropy
optimizer: {sgd: {lr: 0.5, momentum: 0.9}}
train: {epochs: 1, batch: full, seed: 4}
"""

Norms: TypeAlias = Callable[[np.ndarray], np.ndarray]


def _connected(kernel: np.ndarray) -> np.ndarray:
    """Filters of 2, 1 and 3 maps; their weights follow one another."""
    squares = (kernel**2).sum(axis=(0, 1))
    return np.sqrt(np.repeat([squares[:2].sum(), squares[2:3].sum(), squares[3:].sum()], [2, 1, 3]))


def _grouped_transposed(kernel: np.ndarray) -> np.ndarray:
    """``[3, 3, filters / 2, 4]``: of each group of two inputs, two filters."""
    halves = np.sqrt((kernel.reshape(9, 2, 2, 2) ** 2).sum(axis=(0, 3)))
    return np.repeat(halves, 2, axis=1)


FILTERS: dict[str, tuple[str, Norms]] = {
    "conv2d": ("filters: 5, kernel: 3", lambda w: np.linalg.norm(w.reshape(-1, 5), axis=0)),
    "conv2d in groups": ("filters: 6, kernel: 3, groups: 2", lambda w: np.linalg.norm(w.reshape(-1, 6), axis=0)),
    "conv2d by a table": ("filters: 3, kernel: 3, connections: [[0, 1], [2], [1, 2, 3]]", _connected),
    "depthwise_conv2d": ("kernel: 3, multiplier: 2", lambda w: np.linalg.norm(w.reshape(-1, 8), axis=0)),
    "conv2d_transpose": ("filters: 5, kernel: 3", lambda w: np.sqrt((w**2).sum(axis=(0, 1, 3)))[:, None]),
    "conv2d_transpose in groups": ("filters: 4, kernel: 3, groups: 2", _grouped_transposed),
    "local2d": ("filters: 3, kernel: 2, stride: 2", lambda w: np.linalg.norm(w, axis=2, keepdims=True)),
}


@pytest.mark.parametrize("name", FILTERS)
def test_each_filter_is_scaled_to_the_limit(name: str, tmp_path: Path) -> None:
    """All weights into one output channel; where weights are not shared, into one unit."""
    fields, lengths = FILTERS[name]

    def after_a_step(which: str, regularize: str) -> dict[str, np.ndarray]:
        layer = f"{name.partition(' ')[0]}: {{{fields}, name: a{regularize}}}"
        api.train(WINDOWS.replace("LAYER", layer), out=tmp_path / which)
        return load_weights(Run(tmp_path / which).last).arrays

    free = after_a_step("free", "")
    norms = lengths(free["a.kernel"].astype(float))
    limit = float(norms.min() + norms.max()) / 2
    assert norms.min() < limit < norms.max()
    held = after_a_step("held", f", regularize: {{max_norm: {limit}}}")
    expected = free["a.kernel"] * np.where(norms > limit, limit / norms, 1)
    np.testing.assert_allclose(held["a.kernel"], expected, rtol=1e-5)
    for other in set(free) - {"a.kernel"}:
        assert np.array_equal(held[other], free[other]), other
