"""`netspec validate FOLDER` over 1,000 specs of 100 lines, as whole processes; time and memory."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from benchmarks.harness import THREADS
from benchmarks.processes import Ended, compile_bytecode, python
from benchmarks.report import Check, Section, at_most, duration

HEADER = ("call", "median", "least", "memory at most")
SPECS = 1000
LINES = 100
SECONDS = 10.0
BYTES = 200e6
ROUNDS = 3

TOP = """\
netspec: 1
name: net{n}
data:
  source: {{csv: train.csv}}
  fields:
    x: {{number: [a, b, c, d]}}
    kind: {{category: {{of: kind, classes: [u, v, w]}}}}
  split: {{validation: 0.1}}
network:
  inputs: {{x: [4]}}
  layers:
"""
LAYER = """\
    - dense:
        units: {units}
        activation: relu
        name: layer{i}
    - dropout: 0.1
"""
END = """\
    - dense: 3
loss: cross_entropy
optimizer: {adam: {lr: 1e-3}}
metrics: [accuracy]
train:
  epochs: 10
  batch: 32
  seed: 0
"""
# `netspec` may end its process at once, but runs what is to be done at exit before.
MEASURED = """\
import atexit, json, os, pathlib, resource
def note():
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    facts = {"own": own * 1024, "largest": largest * 1024}
    pathlib.Path(os.environ["NETSPEC_BENCHMARK_FACTS"]).write_text(json.dumps(facts))
atexit.register(note)
from netspec.cli.main import main
main()
"""


def spec(n: int) -> str:
    """A network of 16 dense layers with dropout between them; no two are alike."""
    layers = [LAYER.format(units=8 + (7 * n + i) % 50, i=i) for i in range(16)]
    text = TOP.format(n=n) + "".join(layers) + END
    return text + "\n" * (LINES - text.count("\n"))


def run() -> list[Section]:
    """In one process, and as it comes: in one for each processor."""
    compile_bytecode()
    section = Section(f"netspec validate, {SPECS:,} specs of {LINES} lines", HEADER)
    with tempfile.TemporaryDirectory() as folder:
        for n in range(SPECS):
            (Path(folder) / f"net{n}.yaml").write_text(spec(n), "utf-8")
        calls: dict[str, tuple[str, ...]] = {
            "`--jobs 1`": ("--jobs", "1"),
            "as it comes": (),
            "JSON": ("--format", "json"),
        }
        ended: dict[str, list[Ended]] = {name: [] for name in calls}
        for _ in range(ROUNDS):
            for name, arguments in calls.items():
                ended[name].append(python(MEASURED, ("validate", folder, *arguments)))
    for name, every in ended.items():
        seconds = [one.seconds for one in every]
        workers = 0 if name == "`--jobs 1`" else THREADS
        peak = max(int(one.facts["own"]) + workers * int(one.facts["largest"]) for one in every)
        median = statistics.median(seconds)
        section.rows.append((name, duration(median), duration(min(seconds)), f"{peak / 1e6:.0f} MB"))
        what = f"validate {SPECS:,} specs, {name}"
        section.checks.append(at_most(what, median, SECONDS))
        section.checks.append(Check(what, f"{peak / 1e6:.0f} MB", f"at most {BYTES / 1e6:.0f} MB", peak <= BYTES))
    section.remarks.append(
        "Memory is that of all processes together, each at its largest; pages they share count for each."
    )
    return [section]
