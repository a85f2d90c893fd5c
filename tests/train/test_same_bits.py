"""Weights after training are the same bits for any number of threads and from run to run."""

from __future__ import annotations

from pathlib import Path

import pytest
from trainings import OWN_SPECS, SPECS, needs_data, trained

THREADS = (1, 2, 3, 5)

# XOR has 2,000 epochs; 60 show the same.
FEW = {"xor": ("train.epochs=60",), "digits": ("train.epochs=3",)}


@pytest.mark.parametrize("spec", [s for s in (*SPECS, *OWN_SPECS) if not needs_data(s)], ids=lambda path: path.stem)
def test_any_number_of_threads_trains_to_the_same_bits(spec: Path, tmp_path: Path) -> None:
    overrides = FEW.get(spec.stem, ())
    first = trained(spec, tmp_path / "first", overrides=overrides, threads=1)
    assert first.summary["status"] == "finished"
    for threads in (*THREADS, None):
        again = trained(spec, tmp_path / f"on-{threads}", overrides=overrides, threads=threads)
        assert again == first, f"{threads} threads"


@pytest.mark.data
@pytest.mark.parametrize("spec", [s for s in SPECS if needs_data(s)], ids=lambda path: path.stem)
def test_real_data_train_to_the_same_bits(spec: Path, tmp_path: Path) -> None:
    first = trained(spec, tmp_path / "first", threads=1, steps=30)
    for threads in THREADS:
        assert trained(spec, tmp_path / f"on-{threads}", threads=threads, steps=30) == first, f"{threads} threads"


@pytest.mark.parametrize("spec", [s for s in (*SPECS, *OWN_SPECS) if not needs_data(s)], ids=lambda path: path.stem)
def test_the_resolved_spec_trains_to_the_same_bits(spec: Path, tmp_path: Path) -> None:
    overrides = FEW.get(spec.stem, ())
    first = trained(spec, tmp_path / "first", overrides=overrides)
    resolved = tmp_path / "first" / "spec.yaml"
    text = resolved.read_text(encoding="utf-8")
    assert trained(resolved, tmp_path / "second") == first
    assert (tmp_path / "second" / "spec.yaml").read_text(encoding="utf-8") == text


def test_another_seed_trains_to_other_bits(tmp_path: Path) -> None:
    spec = next(path for path in OWN_SPECS if path.stem == "dropout_remainder")
    first = trained(spec, tmp_path / "first", steps=1)
    second = trained(spec, tmp_path / "second", steps=1, overrides=("train.seed=6",))
    assert all(first.arrays[name] != second.arrays[name] for name in first.arrays if name.endswith("kernel"))
