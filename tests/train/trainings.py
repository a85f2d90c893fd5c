"""Training as these tests do it, and what it leaves behind as plain values to compare."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy.typing as npt

from netspec import api
from netspec.runs.checkpoint import load_checkpoint, load_weights
from netspec.runs.metrics import read_metrics
from netspec.runs.run import Run

CHECKOUT = Path(__file__).parents[2]
OWN_SPECS = sorted((Path(__file__).parent / "specs").glob("*.yaml"))

# What depends on the clock; `metrics` of a checkpoint is the hash of lines with times in them.
TIMES = ("seconds", "samples_per_second", "time", "epoch_seconds")


@dataclass(frozen=True)
class Left:
    """What a training leaves: digests of weights and state, metrics and summary without their times.

    Digests, since to show how the bytes of two networks differ takes pytest hours.
    """

    arrays: Mapping[str, str]
    best: Mapping[str, str]
    progress: Mapping[str, Any]
    metrics: list[dict[str, Any]]
    summary: Mapping[str, Any]


def left_by(folder: Path) -> Left:
    """Read a run folder."""
    run = Run(folder)
    state, best = load_checkpoint(run.state), load_weights(run.best)
    assert load_weights(run.last).step == state.progress["step"]
    summary = {key: run.read_summary()[key] for key in ("status", "epochs", "best", "test")}
    return Left(
        {name: digest(array) for name, array in state.arrays.items()},
        {name: digest(array) for name, array in best.arrays.items()},
        timeless({key: value for key, value in state.progress.items() if key != "metrics"}),
        [timeless(line) for line in read_metrics(run.metrics)],
        summary,
    )


def digest(array: npt.NDArray[Any]) -> str:
    return sha256(array.tobytes()).hexdigest()[:16]


def timeless(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if key not in TIMES}


def trained(spec: Path, out: Path, **options: Any) -> Left:
    """Train in this process and read what it left."""
    api.train(spec, out=out, **options)
    return left_by(out)


def resumed(out: Path, **options: Any) -> Left:
    """Go on in this process and read what it left."""
    api.train(resume=str(out), **options)
    return left_by(out)


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(CHECKOUT), **more}


def netspec(*arguments: str | Path, code: int = 0, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the program and hold its exit code."""
    command = [sys.executable, "-m", "netspec", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=cwd, env=environment(**more), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def printed(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The one JSON object that a program printed."""
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts
