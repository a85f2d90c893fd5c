"""Weights after training are the same bits for any number of threads and from run to run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from gallery import DRAWN, GALLERY, TRAINED, is_deep, is_real, small
from trainings import OWN_SPECS, trained

THREADS = (1, 2, 3, 5)
SMALL = [spec for spec in TRAINED if not is_real(spec)]
REAL = [spec for spec in TRAINED if is_real(spec)]

# Of the gallery's trainings so many steps: enough for epochs to end, and for any difference to show in the weights.
STEPS = 300


def named(spec: Path) -> str:
    return str(spec.relative_to(GALLERY)) if spec.is_relative_to(GALLERY) else spec.name


def few(spec: Path) -> int | None:
    return STEPS if spec.is_relative_to(GALLERY) else None


@pytest.mark.parametrize("spec", [*SMALL, *OWN_SPECS], ids=named)
def test_any_number_of_threads_trains_to_the_same_bits(spec: Path, tmp_path: Path) -> None:
    first = trained(spec, tmp_path / "first", steps=few(spec), threads=1)
    assert first.summary["status"] in {"finished", "stopped"}
    for threads in (*THREADS, None):
        again = trained(spec, tmp_path / f"on-{threads}", steps=few(spec), threads=threads)
        assert again == first, f"{threads} threads"


def marks(spec: Path) -> list[pytest.MarkDecorator]:
    of_a_million = "brown/" in spec.read_text(encoding="utf-8")  # rows, of which opening them alone takes seconds
    return [pytest.mark.data] * is_real(spec) + [pytest.mark.slow] * is_deep(spec) + [pytest.mark.long] * of_a_million


@pytest.mark.parametrize("spec", [pytest.param(p, id=named(p), marks=marks(p)) for p in [*REAL, *DRAWN]])
def test_some_steps_lead_to_the_same_bits(spec: Path, tmp_path: Path) -> None:
    """Of what reads real data, and of the deep networks made small."""
    cut, steps = tuple(small(spec)), 4 if is_deep(spec) else 30
    first = trained(spec, tmp_path / "first", threads=1, steps=steps, overrides=cut)
    for threads in THREADS:
        again = trained(spec, tmp_path / f"on-{threads}", threads=threads, steps=steps, overrides=cut)
        assert again == first, f"{threads} threads"


@pytest.mark.parametrize("spec", [*SMALL, *OWN_SPECS], ids=named)
def test_the_resolved_spec_trains_to_the_same_bits(spec: Path, tmp_path: Path) -> None:
    first = trained(spec, tmp_path / "first", steps=few(spec))
    resolved = tmp_path / "first" / "spec.yaml"
    text = resolved.read_text(encoding="utf-8")
    for data in spec.parent.glob("*.[tc]*"):  # a path is relative to the spec that names it
        shutil.copy(data, resolved.parent)
    assert trained(resolved, tmp_path / "second", steps=few(spec)) == first
    assert (tmp_path / "second" / "spec.yaml").read_text(encoding="utf-8") == text


def test_another_seed_trains_to_other_bits(tmp_path: Path) -> None:
    spec = next(path for path in OWN_SPECS if path.stem == "dropout_remainder")
    first = trained(spec, tmp_path / "first", steps=1)
    second = trained(spec, tmp_path / "second", steps=1, overrides=("train.seed=6",))
    assert all(first.arrays[name] != second.arrays[name] for name in first.arrays if name.endswith("kernel"))
