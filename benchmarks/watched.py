"""`netspec` itself, noting when the first training step was done and how much memory the process took at most."""

from __future__ import annotations

import atexit
import json
import os
import time
from functools import wraps
from pathlib import Path
from typing import Any

from benchmarks.processes import FACTS
from netspec.train.engine import Engine


def main() -> None:
    """Run the program; the facts go to the file that the environment names."""
    facts: dict[str, Any] = {}
    train = Engine.train

    @wraps(train)
    def noting(*arguments: Any, **named: Any) -> Any:
        result = train(*arguments, **named)
        facts.setdefault("first_step", time.monotonic())
        return result

    Engine.train = noting  # type: ignore[method-assign]  # the program has no such mark of its own
    atexit.register(lambda: Path(os.environ[FACTS]).write_text(json.dumps({**facts, **memory()}), "utf-8"))
    from netspec.cli.main import main as netspec

    netspec()


def memory() -> dict[str, int]:
    """Bytes of this process: most ever (``peak``), and now of files and of its own."""
    status = Path("/proc/self/status")
    if not status.exists():
        return {}
    names = {"VmHWM": "peak", "RssAnon": "own", "RssFile": "files"}
    lines = (line.split() for line in status.read_text("ascii").splitlines())
    return {names[key[:-1]]: int(value[0]) * 1024 for key, *value in lines if key[:-1] in names}
