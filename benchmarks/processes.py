"""Whole processes of `netspec`, from pressing return."""

from __future__ import annotations

import compileall
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.mnist import ROOT

PROGRAM = "from netspec.cli.main import main; main()"  # what the installed script `netspec` does
WATCHED = "from benchmarks.watched import main; main()"
FACTS = "NETSPEC_BENCHMARK_FACTS"


@dataclass(frozen=True)
class Ended:
    """A process that ended: seconds in all, what the watch noted, and what it said on standard error."""

    seconds: float
    facts: Mapping[str, Any]
    said: str


def compile_bytecode() -> None:
    """As an installation does."""
    for package in ("netspec", "benchmarks"):
        compileall.compile_dir(ROOT / package, quiet=2)


def python(code: str, arguments: Sequence[str] = (), cache: Path | None = None, options: Sequence[str] = ()) -> Ended:
    """Run Python code in a process of its own, in an empty folder.

    Raises:
        RuntimeError: if it fails, with the end of what it said.
    """
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(ROOT)
    if cache is not None:
        environment["NETSPEC_CACHE_DIR"] = str(cache)
    with tempfile.TemporaryDirectory() as folder:
        note = Path(folder) / "facts.json"
        environment[FACTS] = str(note)
        begin = time.monotonic()
        done = subprocess.run(
            [sys.executable, *options, "-c", code, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            check=False,
        )
        seconds = time.monotonic() - begin
        said = done.stderr.decode(errors="replace")
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)}: {said[-400:]}")
        facts = json.loads(note.read_text("utf-8")) if note.exists() else {}
    return Ended(seconds, {"begin": begin, **facts}, said)
