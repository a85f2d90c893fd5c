"""What the networks of handwritten digits show beside their error on the test images."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
from gallery import GALLERY, answers, columns, trained

Array: TypeAlias = npt.NDArray[Any]

DROPOUT = """
netspec: 1
name: small-dropout
data: {source: {sklearn: digits}, split: {test: 0.3}}
network:
  inputs: {image: [8, 8, 1]}
  layers:
    - flatten
    - dropout: 0.2
    - dense: {units: 100, activation: relu, regularize: {max_norm: 3}, name: first}
    - dropout: 0.5
    - dense: {units: 100, activation: relu, regularize: {max_norm: 3}, name: second}
    - dropout: 0.5
    - dense: {units: 10, name: logits}
loss: cross_entropy
optimizer: {adam: {lr: 3e-3}}
metrics: [accuracy]
train: {epochs: 30, batch: 32, seed: 0}
"""


def test_the_scaled_network_is_about_the_average_of_its_sub_networks(tmp_path: Path) -> None:
    """Srivastava et al. 2014, section 7.5: instead of averaging very many networks, the whole one is used once."""
    spec = tmp_path / "spec.yaml"
    spec.write_text(DROPOUT, encoding="utf-8")
    weights = trained(spec, tmp_path / "run").weights
    data = columns(spec)
    image, label = data["image"][:500], data["label"][:500]
    whole = answers(spec, {"image": image, "label": label}, weights)  # probabilities, since the loss takes scores

    generator = np.random.default_rng(0)

    def thinned(x: Array, rate: float) -> Array:
        return np.where(generator.random(x.shape) >= rate, x / (1 - rate), 0)

    def sub_network() -> Array:
        x = thinned(image.reshape(-1, 64) / 16, 0.2)
        for layer in ("first", "second"):
            x = thinned(np.maximum(x @ weights[f"{layer}.kernel"] + weights[f"{layer}.bias"], 0), 0.5)
        return probabilities(x @ weights["logits.kernel"] + weights["logits.bias"])

    samples = np.stack([sub_network() for _ in range(400)])
    # The geometric mean: of one layer before a softmax the whole network is exactly that.
    average = probabilities(np.log(samples).mean(axis=0))
    assert np.abs(whole - average).mean() < np.abs(samples - average).mean() / 10
    assert np.mean(whole.argmax(axis=1) == average.argmax(axis=1)) > 0.98
    assert np.mean(samples.argmax(axis=2) == label) < np.mean(whole.argmax(axis=1) == label) - 0.05


def test_the_codes_are_what_the_text_beside_them_draws() -> None:
    codes = np.load(GALLERY / "mnist" / "lenet5_codes.npy")
    drawn = (GALLERY / "mnist" / "lenet5_codes.txt").read_text(encoding="utf-8")
    rows = [line for line in drawn.splitlines() if len(line) == 7 and set(line) <= set("#.")]
    pictures = np.array([[1.0 if pixel == "#" else -1.0 for pixel in row] for row in rows]).reshape(10, 84)
    assert np.array_equal(codes.T, pictures)
    apart = ((pictures[:, None] - pictures[None]) ** 2).sum(axis=2)
    assert apart[~np.eye(10, dtype=bool)].min() >= 4 * 12, "any two digits differ in twelve pixels at least"


def probabilities(scores: Array) -> Array:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Array = raised / raised.sum(axis=1, keepdims=True)
    return shares


@pytest.mark.slow
@pytest.mark.data
def test_the_tied_autoencoder_keeps_more_than_as_many_principal_components(tmp_path: Path) -> None:
    found = trained("mnist/autoencoder", tmp_path / "run")
    pixels = columns("mnist/autoencoder")["image"].reshape(-1, 784).astype(np.float64) / 255
    train, test = pixels[:60_000], pixels[60_000:]
    mean = train.mean(axis=0)
    _, directions = np.linalg.eigh(np.cov(train - mean, rowvar=False))
    best = directions[:, -64:]
    linear = np.sqrt(np.mean(((test - mean) @ best @ best.T + mean - test) ** 2))
    assert linear == pytest.approx(0.095, abs=5e-4)
    assert found.test is not None
    assert found.test["rmse"] < 0.75 * linear
