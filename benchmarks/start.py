"""From pressing return to the first training step of `netspec train specs/mnist/mlp.yaml`."""

from __future__ import annotations

import shutil
import statistics
import tempfile
from pathlib import Path

from benchmarks import mnist
from benchmarks.processes import WATCHED, compile_bytecode, python
from benchmarks.report import Section, at_most, duration

HEADER = ("cache", "to the first step", "least", "whole process, one step")
OTHER = """\
netspec: 1
name: other-mlp
data: {source: mnist}
network:
  inputs: {image: [28, 28, 1]}
  layers:
    - flatten
    - dense: {units: 300, activation: relu}
    - dense: {units: 100, activation: relu}
    - dense: {units: 10, name: logits}
loss: cross_entropy
optimizer: {adam: {lr: 1e-3}}
metrics: [accuracy]
train: {epochs: 1, batch: 100, seed: 1}
"""


def train(spec: Path, cache: Path) -> tuple[float, float]:
    """Seconds to the end of the first step, and of the whole process that takes one."""
    ended = python(WATCHED, ["train", str(spec), "--steps", "1", "--quiet"], cache)
    return ended.facts["first_step"] - ended.facts["begin"], ended.seconds


def run() -> list[Section]:
    """Empty cache, filled cache, and the cache of another network of the same kind."""
    compile_bytecode()
    empty, filled, other = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        spec = root / "other.yaml"
        spec.write_text(OTHER, "utf-8")
        train(spec, root / "another")
        for i in range(9):
            if i < 3:
                empty.append(train(mnist.SPEC, root / f"empty-{i}"))
            filled.append(train(mnist.SPEC, root / "empty-0"))
            shutil.copytree(root / "another", root / f"another-{i}")
            other.append(train(mnist.SPEC, root / f"another-{i}"))
        fresh = _new_files(root / "another", root / "another-0")
    section = Section("From pressing return to the first training step, `specs/mnist/mlp.yaml`", HEADER)
    for name, times, limit in (
        ("empty", empty, 5.0),
        ("filled", filled, 0.7),
        ("of another MLP (784-300-100-10, batch 100)", other, 0.9),
    ):
        first, whole = zip(*times, strict=True)
        median = statistics.median(first)
        section.rows.append((name, duration(median), duration(min(first)), duration(statistics.median(whole))))
        section.checks.append(at_most(f"first training step, cache {name}", median, limit))
    names = f": {', '.join(fresh)}" if fresh else ""
    section.remarks.append(f"Beside the other MLP's kernels, {len(fresh)} had to be compiled{names}.")
    return [section]


def _new_files(before: Path, after: Path) -> list[str]:
    """The kernels that the second cache has and the first has not."""
    there = {path.name for path in before.rglob("*.ll")}
    return sorted(path.stem for path in after.rglob("*.ll") if path.name not in there)
