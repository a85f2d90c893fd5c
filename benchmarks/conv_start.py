"""From pressing return to kernels that are ready to train convolutional networks, without their data."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.mnist import ROOT
from benchmarks.processes import FACTS, compile_bytecode, python
from benchmarks.report import Section, at_most, duration

NETWORKS = (("mnist/lenet5", 64, 6.0, 0.8), ("cifar10/resnet20", 64, 8.0, 1.0), ("imagenet/resnet50", 2, 12.0, 2.0))
"""Spec, batch, and seconds at most from an empty and from a filled cache."""

EMPTY, FILLED = 3, 7
HEADER = ("network", "cache", "kernels ready", "least", "kernels")
READY = "import sys; from benchmarks.conv_start import note_ready; note_ready(sys.argv[1], int(sys.argv[2]))"


def run() -> list[Section]:
    """Each network from an empty cache and from a filled one."""
    compile_bytecode()
    section = Section("From pressing return to kernels that are ready to train", HEADER)
    for name, batch, cold, warm in NETWORKS:
        arguments = [str(ROOT / "specs" / f"{name}.yaml"), str(batch)]
        with tempfile.TemporaryDirectory() as folder:
            caches = [Path(folder) / str(i) for i in range(EMPTY)]
            empty = [_ready(arguments, cache) for cache in caches]
            filled = [_ready(arguments, caches[0]) for _ in range(FILLED)]
        for kind, found, limit in (("empty", empty, cold), ("filled", filled, warm)):
            seconds, kernels = zip(*found, strict=True)
            median = statistics.median(seconds)
            section.rows.append((Path(name).stem, kind, duration(median), duration(min(seconds)), str(kernels[0])))
            section.checks.append(at_most(f"kernels of {Path(name).stem} ready, cache {kind}", median, limit))
    return [section]


def _ready(arguments: list[str], cache: Path) -> tuple[float, int]:
    ended = python(READY, arguments, cache)
    return ended.facts["ready"] - ended.facts["begin"], int(ended.facts["kernels"])


def note_ready(spec: str, batch: int) -> None:
    """Compile what trains the spec, load it, and note when that was done."""
    from netspec import api
    from netspec.train.timing import engine_without_data

    engine = engine_without_data(api.compile(Path(spec)).program, "step", batch)
    linked = engine.linked("step", {"B": batch}, 1)
    facts = {"ready": time.monotonic(), "kernels": len(linked.executable.kernels)}
    Path(os.environ[FACTS]).write_text(json.dumps(facts), "utf-8")
