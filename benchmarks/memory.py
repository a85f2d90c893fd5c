"""What training the MNIST MLP takes in memory, beside what `netspec show` predicts."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks import mnist
from benchmarks.harness import THREADS
from benchmarks.processes import WATCHED, python
from benchmarks.report import Check, Section

HEADER = ("what", "MB")
LIMIT = 120e6
ENGINES = 8
STEPS = 600  # what `netspec train` runs at once: a tenth of a second
BASE = """\
import json, os, pathlib, numpy
lines = [line.split() for line in open("/proc/self/status")]
peak = next(int(line[1]) * 1024 for line in lines if line[0] == "VmHWM:")
pathlib.Path(os.environ["NETSPEC_BENCHMARK_FACTS"]).write_text(json.dumps({"peak": peak}))
"""
GROWTH = "import benchmarks.memory; benchmarks.memory.note_growth()"


def run() -> list[Section]:
    """The peak of a whole process, and the working memory alone."""
    section = Section("Memory of training the MNIST MLP, batch 64", HEADER)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        training = ["train", str(mnist.SPEC), "--quiet", "--threads", str(THREADS), "--set", "train.epochs=1"]
        python(WATCHED, training, cache)  # fills the caches
        peak = int(python(WATCHED, training, cache).facts["peak"])
        base = int(python(BASE).facts["peak"])
        growth = python(GROWTH, (), cache).facts
    data = sum(array.nbytes for array in mnist.opened().dataset.columns.values())
    predicted = predicted_bytes()
    over = peak - data - base
    measured = int(growth["growth"])
    for name, count in (
        ("a Python with NumPy loaded", base),
        ("the data: 70,000 images of 8-bit pixels, and labels", data),
        ("the process that trains one epoch and measures it, at most", peak),
        ("that, above the data and a Python with NumPy", over),
        (f"predicted for training steps by `netspec show`, {THREADS} threads", predicted),
        (f"resident memory that an engine adds to a process that has trained (mean of {ENGINES})", measured),
        ("of it weights, state, arena, scratch", int(growth["asked"])),
        (f"of it the rows that one call of {STEPS} steps names", int(growth["index"])),
        ("the rest: graphs and programs as Python objects, tables, whole pages", _rest(growth)),
    ):
        section.rows.append((name, f"{count / 1e6:.2f}"))
    what = "memory of MNIST MLP training, batch 64"
    section.checks.append(Check(what, f"{over / 1e6:.0f} MB over a Python with NumPy", "at most 120 MB", over <= LIMIT))
    apart = measured / predicted - 1
    section.checks.append(Check(what, f"{apart:+.1%} from what `show` predicts", "within 10 %", abs(apart) <= 0.1))
    return [section]


def _rest(growth: Mapping[str, int]) -> int:
    return growth["growth"] - growth["asked"] - growth["index"]


def predicted_bytes() -> int:
    """What `netspec show --json` says of training steps."""
    from netspec import api

    summary = api.compile(mnist.SPEC, threads=THREADS).summary()
    return int(summary["peak_bytes"]["train"]["bytes"])


def note_growth() -> None:
    """Note by how much engines make this process grow, once all that they share is there."""
    import os

    import numpy as np

    from benchmarks.processes import FACTS
    from benchmarks.watched import memory

    lr, steps = np.full(STEPS, mnist.LR), np.arange(STEPS * 64).reshape(STEPS, 64)
    engines, own = [], []
    for _ in range(1 + ENGINES):
        engine = mnist.engine()
        linked = engine.linked("step", {"B": 64})
        engine.train(steps, 0, lr)
        engines.append(engine)
        own.append(memory()["own"])
    asked = engine.store.bytes + linked.arena.nbytes + linked.threads * linked.executable.scratch_bytes
    facts = {"growth": (own[-1] - own[0]) // ENGINES, "asked": asked, "index": steps.nbytes}
    Path(os.environ[FACTS]).write_text(json.dumps(facts), "utf-8")
