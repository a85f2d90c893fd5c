"""What a training takes beside its data, measured from outside."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from trainings import CHECKOUT, environment, printed

NUMPY_ALONE = "import resource, numpy; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
TRAINING = """
import resource
from pathlib import Path
from netspec import api
api.train(Path({spec!r}), out=Path({out!r}), overrides=("train.epochs=1",))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
ROW_BYTES = 28 * 28 + 1


def peak(program: str, folder: Path) -> int:
    """The largest resident memory of a Python program, in bytes."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment(), capture_output=True, text=True, check=True
    )
    return int(done.stdout) * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif(sys.platform == "win32", reason="`resource` is of POSIX")
def test_a_warm_training_takes_little_beside_its_data(tmp_path: Path) -> None:
    spec = str(CHECKOUT / "specs" / "mnist" / "mlp.yaml")
    peak(TRAINING.format(spec=spec, out="cold"), tmp_path)
    took = peak(TRAINING.format(spec=spec, out="warm"), tmp_path)
    beside_data = took - peak(NUMPY_ALONE, tmp_path) - 70_000 * ROW_BYTES
    assert beside_data < 120e6, f"{beside_data / 1e6:.0f} MB"


def test_what_show_predicts_is_at_least_weights_and_optimizer(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "netspec", "show", str(CHECKOUT / "specs" / "mnist" / "mlp.yaml"), "--json"]
    shown = printed(
        subprocess.run(
            command,
            cwd=tmp_path,
            env={**environment(), "NETSPEC_DATA": os.devnull},
            capture_output=True,
            text=True,
            check=True,
        )
    )
    train, predict = shown["peak_bytes"]["train"], shown["peak_bytes"]["predict"]
    assert (train["batch"], predict["batch"]) == (64, 1)
    assert 3 * 4 * shown["parameters"] < train["bytes"] < 8 * 4 * shown["parameters"]
    assert 4 * shown["parameters"] < predict["bytes"] < train["bytes"]
