"""A program that trains in children and kills them, again and again: ``killing.py SPEC RUN SEED KILLS``.

Children are forked from one process that has imported everything, so that a kill costs milliseconds. Then it goes on
itself, to a step that it prints with how each of the children died.
"""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from netspec import api
from netspec.runs import files, platform
from netspec.runs.checkpoint import load_checkpoint
from netspec.runs.metrics import MetricsLog
from netspec.runs.run import Run
from netspec.train import engine, loop

import_module("netspec.train.session")  # the api would import it in every child

# A checkpoint after every step or two, where a user's come seconds apart: what is random is the place, not the luck.
loop.CHECKPOINT_SECONDS = loop.CHUNK_SECONDS = 0.0
loop.CHECKPOINT_SHARE = math.inf
# What a killed process wrote is there for the next. Flushing is for power cuts, and would take most of the time here.
files.os.fsync = lambda _: None
ENDLESS = (f"train.epochs={10**9}",)

# Where a process dies, and how often it may pass the place before.
PLACES: dict[str, tuple[Any, str, int]] = {
    "before a file is flushed": (files.os, "fsync", 40),
    "before a file is renamed": (platform, "replace", 40),
    "before a name is flushed": (platform, "sync_folder", 40),
    "before a line of metrics": (MetricsLog, "append", 12),
    "before a step": (engine.Engine, "train", 20),
    "before a split is measured": (engine.Engine, "evaluate", 6),
}
COMPILING, ANY_TIME = "while kernels are compiled", "at any time"


def go_on(spec: Path, run: Path, **limits: Any) -> None:
    """Train the run from its checkpoint; or, if it died before its first, from the start."""
    if Run(run).state.exists():
        api.train(resume=str(run), **limits)
    else:
        shutil.rmtree(run, ignore_errors=True)
        api.train(spec, out=run, overrides=ENDLESS, **limits)


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(owner: Any, name: str, passes: int) -> None:
    """Let the process die when it is at a function for the last of so many times."""
    inner: Callable[..., Any] = getattr(owner, name)
    left = [passes]

    def outer(*arguments: Any, **options: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            die()
        return inner(*arguments, **options)

    setattr(owner, name, outer)


def killed(how: str, rng: random.Random, spec: Path, run: Path) -> int:
    """Train in a child until it dies; the signal that it died of."""
    owner, name, most = PLACES.get(how, (None, "", 1))
    passes, wait = rng.randrange(most), rng.uniform(0, 1.5 if how == COMPILING else 0.4)
    with tempfile.TemporaryDirectory() as empty:
        child = os.fork()
        if child == 0:
            if how == COMPILING:
                os.environ["NETSPEC_CACHE_DIR"] = empty
            elif how != ANY_TIME:
                dying(owner, name, passes)
            go_on(spec, run)
            os._exit(0)  # never: it is endless
        if how in (COMPILING, ANY_TIME):
            time.sleep(wait)
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def main(spec: Path, run: Path, seed: int, kills: int) -> None:
    rng = random.Random(seed)
    hows = [*PLACES, COMPILING, ANY_TIME]
    order = [*rng.sample(hows, len(hows)), *rng.choices(hows, k=kills)][:kills]
    deaths = [(how, killed(how, rng, spec, run)) for how in order]
    reached = load_checkpoint(Run(run).state).progress["step"] if Run(run).state.exists() else 0
    go_on(spec, run, steps=reached + 31)
    print(json.dumps({"deaths": deaths, "reached": reached, "steps": reached + 31}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))
