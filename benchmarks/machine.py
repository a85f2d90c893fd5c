"""The machine that measures: what it is, whether it is quiet, what it can do at most."""

from __future__ import annotations

import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.harness import THREADS, Ready

PACKAGES = ("numpy", "numba", "llvmlite", "torch", "jax", "scikit-learn", "onnxruntime")
QUIET = 0.05  # share of all processors that others may keep busy
PATIENCE = 12  # half seconds to wait for that


def description() -> list[str]:
    """Processor, system, and the versions of all that is compared."""
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return [
        f"{_processor()}, {processors} processors, {platform.system()} {platform.release()}",
        f"Python {sys.version.split()[0]}, {', '.join(versions)}",
    ]


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    found: dict[str, str] = {}
    if facts.exists():
        for line in facts.read_text("utf-8").splitlines():
            key, _, value = line.partition(":")
            found.setdefault(key.strip(), value.strip())
    name = found.get("model name") or platform.processor() or platform.machine()
    family = f" (family {found['cpu family']}, model {found['model']})" if {"cpu family", "model"} <= set(found) else ""
    from netspec.compiler.kernels import processor

    return f"{name}{family}, {processor.current().level}"


def busy_share(seconds: float = 0.5) -> float | None:
    """The share of all processors that others keep busy, measured while this process sleeps; None if unknown."""
    before = _ticks()
    time.sleep(seconds)
    after = _ticks()
    if before is None or after is None:
        return None
    whole = after[0] - before[0]
    return 1 - (after[1] - before[1]) / whole if whole else None


def noise(patience: int = PATIENCE) -> str:
    """A warning where the machine does not become quiet in a while, else nothing."""
    for _ in range(patience):
        share = busy_share()
        if share is None or share <= QUIET:
            return ""
    return f"the machine was not quiet: others kept {share:.0%} of its processors busy"


def _ticks() -> tuple[int, int] | None:
    """All processor time so far, and the idle part of it."""
    facts = Path("/proc/stat")
    if not facts.exists():
        return None
    numbers = [int(word) for word in facts.read_text("ascii").splitlines()[0].split()[1:9]]
    return sum(numbers), numbers[3] + numbers[4]


def make_limit() -> Ready:
    """A contender that does nothing but multiply-adds in registers; a unit is one float operation."""
    from netspec.compiler.codegen.objects import load
    from netspec.compiler.kernels.limits import measured_fma_limit

    return Ready(lambda: 1 / measured_fma_limit(load, THREADS, 0.1))
