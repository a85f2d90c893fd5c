"""Training on augmented samples: mixed losses, gradients, streams, and what is left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from trainings import OWN_SPECS, trained

from netspec import api
from netspec.catalog.augmentations import Augmentation
from netspec.catalog.augmentations.mixup import beta_quantiles
from netspec.catalog.streams import stream
from netspec.compiler.kernels.random_numbers import uniform_reference
from netspec.spec.document import load
from netspec.train.engine import Engine
from netspec.train.opening import open_spec

EVERY = next(path for path in OWN_SPECS if path.stem == "augmented")
STEP, ROWS = 9, np.arange(300, 337)  # two blocks of 16, and one of 5

MIXED = """\
netspec: 1
data: {source: {sklearn: digits}, augment: [{mixup: 0.7}]}
network: {inputs: {image: [8, 8, 1]}, layers: [flatten, {dense: {units: 10, name: logits}}]}
loss: cross_entropy
optimizer: sgd
train: {epochs: 1, seed: 4}
"""


def test_the_spec_names_every_kind() -> None:
    data = load(EVERY).data
    assert data is not None
    assert {item.kind for item in data.augment} == set(Augmentation.kinds)


def test_losses_are_mixed_as_the_pictures_are() -> None:
    opened = open_spec(load(MIXED))
    columns = opened.dataset.columns  # type: ignore[union-attr]
    engine = Engine(opened.program, columns, opened.constants, seed=4)
    found = engine.trace(ROWS, STEP, 0.1)
    engine.close()
    share, mate = (
        uniform_reference(*map(float, stream(4, f"data.augment.mixup_1/{draw}")), float(STEP), ROWS.shape)
        for draw in ("share", "mate")
    )
    row = np.arange(len(ROWS))
    block = row // 16 * 16
    count = np.minimum(len(ROWS) - block, 16)
    other = block + (row - block + 1 + np.floor(mate * (count - 1)).astype(int)) % count
    assert (other != row).all()
    s = np.interp(share, np.arange(257) / 256, beta_quantiles(0.7, 256))
    pixels, labels = columns["image"][ROWS] / 16, columns["label"][ROWS].astype(int)
    wide = s[:, None, None, None]
    np.testing.assert_allclose(found["input:image"], wide * pixels + (1 - wide) * pixels[other], atol=2e-6)
    z = found["output:logits"].astype(float)
    losses = np.log(np.exp(z).sum(axis=1))[:, None] - z
    np.testing.assert_allclose(
        found["loss:"], s * losses[row, labels] + (1 - s) * losses[row, labels[other]], atol=2e-6
    )


@pytest.mark.parametrize("alpha", [0.1, 0.4, 1.0, 2.5])
def test_shares_have_the_moments_of_the_beta_distribution(alpha: float) -> None:
    table = beta_quantiles(alpha, 256)
    shares = np.interp(np.random.default_rng(0).uniform(size=200_000), np.arange(257) / 256, table)
    assert (np.diff(table) >= 0).all()
    assert shares.mean() == pytest.approx(0.5, abs=5e-3)
    assert shares.var() == pytest.approx(0.25 / (2 * alpha + 1), rel=0.02)
    drawn = np.random.default_rng(1).beta(alpha, alpha, 200_000)
    np.testing.assert_allclose(*(np.quantile(x, np.linspace(0.05, 0.95, 19)) for x in (shares, drawn)), atol=0.01)


def test_gradients_of_augmented_samples_are_right() -> None:
    checked = api.gradcheck(EVERY)
    assert len(checked.rows) == 4
    assert checked.passed, checked.summary()


def test_what_is_measured_and_predicted_is_not_augmented() -> None:
    still = EVERY.read_text(encoding="utf-8").partition("  augment:")
    plain = still[0] + still[2][still[2].index("network:") :]
    graphs = [open_spec(load(text)).program for text in (EVERY.read_text(encoding="utf-8"), plain)]
    for kind in ("evaluate", "predict"):
        shown = [str(graph.graph(kind).by_key.keys()) for graph in graphs]  # type: ignore[arg-type]
        assert shown[0] == shown[1]
        assert "augment" not in shown[0]
    assert any("augment" in key for key in graphs[0].step.by_key)


def test_streamed_samples_are_augmented_as_those_in_memory(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.integers(0, 256, (700, 8, 8, 1), np.uint8))
    np.save(tmp_path / "label.npy", rng.integers(0, 3, 700))
    spec = tmp_path / "streamed.yaml"
    spec.write_text(
        "netspec: 1\ndata:\n  source: {npy: {fields: {x: x.npy, label: label.npy}}}\n"
        "  fields: {x: {image: x}, label: {category: label}}\n  stream: {buffer: 100}\n"
        "  augment: [{crop: {pad: 2}}, {elastic: {alpha: 6, sigma: 2}}, mixup]\n"
        "network: {inputs: {x: [8, 8, 1]}, layers: [flatten, {dense: 3}]}\n"
        "loss: cross_entropy\noptimizer: sgd\ntrain: {epochs: 2, batch: 30, seed: 2, shuffle: false}\n"
    )
    first = trained(spec, tmp_path / "streamed", threads=2)
    assert first == trained(spec, tmp_path / "memory", threads=1, overrides=("data.stream=false",))


def test_an_augmentation_changes_what_is_trained(tmp_path: Path) -> None:
    first = trained(EVERY, tmp_path / "all", steps=3)
    fewer = trained(EVERY, tmp_path / "none", steps=3, overrides=("data.augment=[]",))
    assert all(first.arrays[name] != fewer.arrays[name] for name in first.arrays)
