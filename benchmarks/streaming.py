"""Training on a file of four times the memory that the process may take, beside training on the same file in memory."""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.processes import WATCHED, python
from benchmarks.report import Check, Section, duration

LIMIT = 300_000_000
TIMES = 4
COLUMNS, CLASSES = 100, 10
ROUNDS, EPOCHS = 2, 3
BLOCK = 50_000
LIMITED = f"import resource; resource.setrlimit(resource.RLIMIT_DATA, ({LIMIT}, {LIMIT}))\n{WATCHED}"
HEADER = ("file", "how", "samples a second in an epoch", "first run, whole", "later runs, whole", "most memory")
NAMES = [f"c{i}" for i in range(COLUMNS)]
SPEC = """\
netspec: 1
name: streaming
data:
  source: SOURCE
  fields: FIELDS
  standardize: true
network: {inputs: {x: [100]}, layers: [{dense: {units: 128, activation: relu}}, {dense: 10}]}
loss: cross_entropy
optimizer: {adam: {lr: 1e-3}}
metrics: [accuracy]
train: {epochs: 3, batch: 128, seed: 0}
"""
_CLASSES = json.dumps([*map(str, range(CLASSES))])
FIELDS = f"""{{x: {{number: "*"}}, label: {{category: {{of: label, classes: {_CLASSES}}}}}}}"""


@dataclass
class Measured:
    """What the runs of one kind gave: samples a second by epoch, seconds of whole processes, the most memory."""

    speeds: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)


def run() -> list[Section]:
    """Files of every kind that streams."""
    what = f"{TIMES * LIMIT / 1e9:g} GB, of which a process of {LIMIT / 1e6:.0f} MB streams, 100-128-10, batch 128"
    section = Section(f"Training on a file of {what}, 1 thread", HEADER)
    for kind in ("npy", "parquet", "csv"):
        with tempfile.TemporaryDirectory() as folder:
            spec = _write(kind, Path(folder))
            # In turns, so that a slow minute is slow for both.
            found = {"in memory": Measured(), "streamed": Measured()}
            for number in range(ROUNDS):
                for how, measured in found.items():
                    _train(spec, Path(folder) / f"{how[:2]}-{number}", measured, streamed=how == "streamed")
        for how, one in found.items():
            speed, peak = f"{statistics.median(one.speeds):,.0f}", f"{max(one.peaks) / 1e6:,.0f} MB"
            later = duration(statistics.median(one.seconds[1:]))
            section.rows.append((kind, how, speed, duration(one.seconds[0]), later, peak))
        share = statistics.median(found["streamed"].speeds) / statistics.median(found["in memory"].speeds)
        check = f"{share:.2f} of the speed in memory"
        section.checks.append(
            Check(f"training on a {kind} file of {TIMES} times the limit", check, "0.5", share >= 0.5)
        )
    section.remarks.append(
        f"Streamed by a process with `ulimit -d` at {LIMIT / 1e6:.0f} MB and a buffer of 100,000 rows; in memory "
        "without any. The first streamed run makes the fields and keeps them in the cache, which is part of its time. "
        "Both kinds of run took turns, and the memory is the largest resident size."
    )
    return [section]


def _train(spec: Path, out: Path, measured: Measured, *, streamed: bool) -> None:
    stream = "data.stream={buffer: 100000}" if streamed else "data.stream=false"
    given = ["train", str(spec), "--quiet", "--threads", "1", "--out", str(out)]
    given += ["--set", f"train.epochs={EPOCHS}", "--set", stream]
    done = python(LIMITED if streamed else WATCHED, given, spec.parent / "cache")
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text("utf-8").splitlines()]
    measured.speeds += [line["samples_per_second"] for line in lines if line["split"] == "train"]
    measured.seconds.append(done.seconds)
    measured.peaks.append(int(done.facts["peak"]))
    sys.stderr.write(f"{spec.stem} {out.name}: {done.seconds:.0f} s, {measured.speeds[-1]:,.0f} samples a second\n")


def _write(kind: str, folder: Path) -> Path:
    """The file of `LIMIT` times `TIMES` bytes, and the spec that reads it."""
    source, fields = {
        "npy": ("{npy: {fields: {x: x.npy, label: label.npy}}}", "{}"),
        "parquet": ("{parquet: {path: rows.parquet}}", FIELDS),
        "csv": ("{csv: {path: rows.csv}}", FIELDS),
    }[kind]
    {"npy": _write_npy, "parquet": _write_parquet, "csv": _write_csv}[kind](folder)
    spec = folder / f"{kind}.yaml"
    spec.write_text(SPEC.replace("SOURCE", source).replace("FIELDS", fields), "utf-8")
    return spec


def _blocks() -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]]:
    """Rows without end, the label a linear function of them."""
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((COLUMNS, CLASSES), np.float32)
    while True:
        x = rng.random((BLOCK, COLUMNS), np.float32) - np.float32(0.5)
        yield x, (x @ directions).argmax(axis=1).astype(np.uint8)


def _write_npy(folder: Path) -> None:
    rows = TIMES * LIMIT // (4 * COLUMNS)
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", np.float32, (rows, COLUMNS))
    label = np.lib.format.open_memmap(folder / "label.npy", "w+", np.uint8, (rows,))
    for start, (some, classes) in zip(range(0, rows, BLOCK), _blocks(), strict=False):
        x[start : start + BLOCK] = some[: rows - start]
        label[start : start + BLOCK] = classes[: rows - start]
    x.flush()
    label.flush()


def _write_parquet(folder: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema([*((name, pyarrow.float32()) for name in NAMES), ("label", pyarrow.uint8())])
    # Random digits do not shrink, so it is the rows that make the size.
    with pyarrow.parquet.ParquetWriter(folder / "rows.parquet", schema, use_dictionary=False, compression="none") as to:
        written = 0
        for x, label in _blocks():
            if written >= TIMES * LIMIT:
                return
            to.write_table(pyarrow.table(_columns(x, label), schema=schema))
            written += x.nbytes + label.nbytes


def _write_csv(folder: Path) -> None:
    import pyarrow.csv

    path = folder / "rows.csv"
    with path.open("wb") as file:
        for number, (x, label) in enumerate(_blocks()):
            if os.fstat(file.fileno()).st_size >= TIMES * LIMIT:
                return
            options = pyarrow.csv.WriteOptions(include_header=number == 0)
            pyarrow.csv.write_csv(pyarrow.table(_columns(x.round(4), label)), file, options)
            file.flush()


def _columns(x: npt.NDArray[np.float32], label: npt.NDArray[np.uint8]) -> dict[str, Any]:
    return {**{name: np.ascontiguousarray(x[:, i]) for i, name in enumerate(NAMES)}, "label": label}
