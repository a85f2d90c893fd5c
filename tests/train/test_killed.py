"""Killed again and again, at moments that nobody chose, a training ends as the one that nobody killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from trainings import CHECKOUT, OWN_SPECS, environment, left_by, printed, trained

from netspec.runs.run import Run

KILLS = 20

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks, and sends signals of POSIX")


def test_killed_twenty_times_it_ends_with_the_same_bits(tmp_path: Path) -> None:
    """In the middle of writing each file, of an epoch's end, of compiling into an empty cache, and anywhere."""
    (spec,) = (path for path in OWN_SPECS if path.stem == "dropout_remainder")
    run = Run(tmp_path / "run")
    program = str(CHECKOUT / "tests" / "train" / "killing.py")
    command = [sys.executable, program, str(spec), str(run.path), "1", str(KILLS)]
    told = printed(subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=500, check=True))
    assert [died for _, died in told["deaths"]] == [signal.SIGKILL] * KILLS
    assert len(Counter(how for how, _ in told["deaths"])) == 8
    assert told["reached"] > KILLS, "deaths came so early that nothing was at stake"
    whole = trained(spec, tmp_path / "whole", overrides=(f"train.epochs={10**9}",), steps=told["steps"])
    assert left_by(run.path) == whole
    assert not list(run.path.glob(".*.tmp"))
