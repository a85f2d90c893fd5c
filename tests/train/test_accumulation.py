"""Steps made of several batches, and averages of weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from trainings import resumed, trained

from netspec import api
from netspec.runs.checkpoint import load_checkpoint, load_weights
from netspec.runs.run import Run

SPEC = """\
netspec: 1
name: gathered
data: {source: {sklearn: iris}, standardize: true, split: {test: 20}}
network:
  inputs: {x: [4]}
  layers:
    - dense: {units: 9, activation: tanh, name: a, regularize: {l2: 0.01, max_norm: 1.2}}
    - dense: {units: 3, name: b}
loss: cross_entropy
optimizer: {adam: {lr: 0.05}}
schedule: {cosine: {}}
train: {epochs: 3, seed: 4, BATCH}
"""


def weights(text: str, out: Path, **options: object) -> dict[str, np.ndarray]:
    api.train(text, out=out, **options)
    return load_weights(Run(out).last).arrays


def near(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        np.testing.assert_allclose(found[key], array, rtol=1e-4, atol=2e-5, err_msg=key)


# 130 rows: 64 + 64 + 2, and batches of 16 leave a step of 2 rows; 3 batches of 17 leave one of 28, the last batch 11.
@pytest.mark.parametrize("clip", ["", ", clip: {value: 0.02, norm: 0.05}"])
@pytest.mark.parametrize(("batch", "count"), [(16, 4), (17, 3), (64, 10)])
def test_batches_of_a_step_are_as_one_large_batch(batch: int, count: int, clip: str, tmp_path: Path) -> None:
    large = weights(SPEC.replace("BATCH", f"batch: {min(batch * count, 130)}{clip}"), tmp_path / "large")
    parts = SPEC.replace("BATCH", f"batch: {batch}, accumulate: {count}{clip}")
    near(weights(parts, tmp_path / "parts"), large)
    assert Run(tmp_path / "parts").read_summary()["steps"] == Run(tmp_path / "large").read_summary()["steps"]


def test_a_training_stopped_within_a_step_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC.replace("BATCH", "batch: 10, accumulate: 3, average: {ema: 0.8}"))
    whole, out = trained(spec, tmp_path / "whole", threads=1), tmp_path / "parts"
    left = trained(spec, out, max_seconds=0.0, threads=2)
    assert left.progress["batch_in_step"] != 0
    while left.summary["status"] != "finished":
        left = resumed(out, max_seconds=0.0, threads=3)
    assert left == whole


def test_an_average_follows_the_weights_of_every_step(tmp_path: Path) -> None:
    plain, averaged = (SPEC.replace("BATCH", f"batch: 50{more}") for more in ("", ", average: {ema: 0.6}"))
    seen = [weights(plain, tmp_path / f"at-{steps}", steps=steps) for steps in range(1, 10)]
    found = weights(averaged, tmp_path / "averaged")
    shares = [0.6 ** (len(seen) - i) for i in range(1, len(seen) + 1)]
    near(found, {key: np.average([step[key] for step in seen], axis=0, weights=shares) for key in found})
    state = load_checkpoint(Run(tmp_path / "averaged").state).arrays
    for key, array in seen[-1].items():
        assert np.array_equal(state[key], array), "training itself goes on from the weights as they are"


def test_what_is_measured_and_kept_are_the_averages(tmp_path: Path) -> None:
    text = SPEC.replace("BATCH", "batch: 50, average: {ema: 0.9}")
    for name, changed in (("plain", text), ("validated", text.replace("{test: 20}", "{test: 20, validation: 20}"))):
        api.train(changed, out=tmp_path / name)
        summary = Run(tmp_path / name).read_summary()
        measured = api.evaluate(tmp_path / name).splits
        assert measured["test"]["loss"] == pytest.approx(summary["test"]["loss"], rel=1e-6)
        if name == "validated":
            assert measured["validation"]["loss"] == pytest.approx(summary["best"]["metrics"]["loss"], rel=1e-6)
