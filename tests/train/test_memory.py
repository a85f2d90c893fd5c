"""What a training takes beside its data, measured from outside; and that too much is refused before it is taken."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from trainings import CHECKOUT, environment, netspec, printed

# The peak that `resource` tells is at least that of the process that started this one; Linux tells its own, too.
PEAK = """
import resource, sys
from pathlib import Path
def peak():
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) * 1024 for line in status.open() if line.startswith("VmHWM:"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
"""
NUMPY_ALONE = (
    PEAK
    + """
import numpy
print(peak())
"""
)
TRAINING = (
    PEAK.replace("{", "{{").replace("}", "}}")
    + """
from netspec import api
api.train(Path({spec!r}), out=Path({out!r}), overrides=("train.epochs=1",))
print(peak())
"""
)
ROW_BYTES = 28 * 28 + 1


ABSURD = """\
netspec: 1
data: {source: {random: {rows: 8, fields: {x: [1000000], y: [1]}}}}
network: {inputs: {x: [1000000]}, layers: [{dense: 1000000}, relu, {dense: 1}]}
loss: {mse: {target: y}}
optimizer: {adam: {lr: 0.01}}
train: {epochs: 1, batch: 4, seed: 0}
"""

WIDE = """\
netspec: 1
data: {source: {random: {rows: 400, fields: {x: [1500], y: [1]}}}, split: {validation: 16}}
network: {inputs: {x: [1500]}, layers: [{dense: {units: 2000, activation: relu}}, {dense: 2000}, {dense: 1}]}
loss: {mse: {target: y}}
optimizer: {adam: {lr: 0.001}}
train: {epochs: 2, batch: 16}
"""

PREDICTED = (
    PEAK
    + """
from netspec import api
from netspec.train import memory
told = []
training_need = memory.training_need
def listen(*arguments, **options):
    need = training_need(*arguments, **options)
    told[:] = [need.whole, peak()]
    return need
memory.training_need = listen
api.train(Path("wide.yaml"), out=Path(sys.argv[1]), overrides=sys.argv[2:])
print(told[0], peak() - told[1])
"""
)

# Set when the libraries are loaded, which take some themselves.
LIMITED = """
import resource, sys
from importlib import import_module
for name in ("netspec.cli.main", "netspec.train.session", "numpy", "llvmlite.binding"):
    import_module(name)
from netspec.cli.main import main
taken = int(open("/proc/self/statm").read().split()[5]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_DATA, (taken + int(sys.argv[1]),) * 2)
sys.argv = ["netspec", *sys.argv[2:]]
main()
"""


def peak(program: str, folder: Path) -> int:
    """The largest resident memory of a Python program, in bytes."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment(), capture_output=True, text=True, check=True
    )
    return int(done.stdout)


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


@pytest.mark.skipif(sys.platform == "win32", reason="`resource` is of POSIX")
@pytest.mark.parametrize("change", ["train.batch=16", "data.split={}", "train.batch=full"])
def test_what_is_predicted_is_what_is_taken(change: str, tmp_path: Path) -> None:
    """Most of it weights and Adam's moments; without the best weights; most of it a step."""
    (tmp_path / "wide.yaml").write_text(WIDE)
    for out in ("cold", "warm"):
        command = [sys.executable, "-c", PREDICTED, out, change]
        done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    predicted, took = map(int, done.stdout.split())
    assert 0.9 < took / predicted < 1.1, f"{predicted / 1e6:.0f} MB predicted, {took / 1e6:.0f} MB taken"


def test_an_absurd_network_is_described_and_refused(tmp_path: Path) -> None:
    (tmp_path / "absurd.yaml").write_text(ABSURD)
    assert netspec("validate", "absurd.yaml", cwd=tmp_path).stdout == "absurd.yaml: 1 warning\n"
    assert "1,000,002,000,001" in netspec("show", "absurd.yaml", cwd=tmp_path).stdout
    done = netspec("train", "absurd.yaml", "--out", "run", code=4, cwd=tmp_path)
    assert done.stdout == ""
    assert "error[out-of-memory]: training `absurd` needs 24.0 TB of memory, and this " in done.stderr
    assert "note: weights and what the optimizer keeps of them take 12.0 TB\n" in done.stderr
    assert "help: the largest weight is `dense_1.kernel` [1,000,000, 1,000,000] of line 3" in done.stderr
    assert not (tmp_path / "run").exists()
    for command in ("evaluate", "gradcheck"):
        done = netspec(command, "absurd.yaml", code=4, cwd=tmp_path)
        assert "error[out-of-memory]: holding the weights of `absurd` needs " in done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory as Linux does")
def test_a_batch_that_does_not_fit_is_refused_and_what_is_advised_fits(tmp_path: Path) -> None:
    (tmp_path / "wide.yaml").write_text(WIDE.replace("rows: 400", "rows: 12000"))

    def limited(out: str, *more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", LIMITED, str(600 * 10**6), "train", "wide.yaml", "--steps", "1", "--out", out]
        return subprocess.run(
            [*command, *more], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
        )

    netspec("train", "wide.yaml", "--steps", "1", "--quiet", cwd=tmp_path)  # compiles, which takes memory of its own
    done = limited("refused", "--set", "train.batch=full")
    assert done.returncode == 4, done.stderr
    assert "of memory, and this process (by `ulimit -d`) has " in done.stderr
    assert "note: a step (batch 11,984, " in done.stderr
    (advice,) = re.findall(r"`(--set train\.batch=\d+)` takes", done.stderr)
    assert not (tmp_path / "refused").exists()
    done = limited("advised", *advice.split())
    assert done.returncode == 0, done.stderr
