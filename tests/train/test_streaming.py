"""Training on data that are streamed: the same rows as in memory, the same bits however it runs, in little memory."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trainings import environment, netspec, resumed, trained

from netspec import api
from netspec.diagnostics import DataError
from netspec.runs.checkpoint import load_checkpoint
from netspec.runs.run import Run
from netspec.train.progress import Silent

SPEC = """\
netspec: 1
name: streamed
data:
  source: {npy: {fields: {x: x.npy, label: label.npy}}}
  split: {validation: 0.1, test: 100, stratify: label}
  standardize: true
  stream: {buffer: 300}
network: {inputs: {x: [7]}, layers: [{dense: {units: 12, activation: tanh}}, {dropout: 0.1}, {dense: 3}]}
loss: cross_entropy
optimizer: {adam: {lr: 0.003}}
metrics: [accuracy, roc_auc]
train: {epochs: 3, batch: 20, seed: 2}
"""
IN_MEMORY = "data.stream=false"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A spec with data of 2,003 rows in stretches of 75."""
    rng = np.random.default_rng(0)
    x = rng.normal(2, 3, size=(2003, 7)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "label.npy", np.argmax(x @ rng.normal(size=(7, 3)) + rng.normal(size=(2003, 3)), axis=1))
    path = tmp_path / "streamed.yaml"
    path.write_text(SPEC)
    return path


def test_in_order_it_trains_to_the_bits_of_data_in_memory(spec: Path, tmp_path: Path) -> None:
    streamed = trained(spec, tmp_path / "streamed", overrides=("train.shuffle=false",))
    assert streamed == trained(spec, tmp_path / "memory", overrides=("train.shuffle=false", IN_MEMORY))
    # Shuffled it takes other batches, and gets as far.
    shuffled = trained(spec, tmp_path / "shuffled")
    memory = trained(spec, tmp_path / "shuffled-memory", overrides=(IN_MEMORY,))
    assert shuffled.arrays != streamed.arrays
    accuracies = [left.summary["best"]["metrics"]["accuracy"] for left in (shuffled, memory)]
    assert accuracies[0] == pytest.approx(accuracies[1], abs=0.05)


def test_any_number_of_threads_trains_to_the_same_bits(spec: Path, tmp_path: Path) -> None:
    first = trained(spec, tmp_path / "first", threads=1)
    for threads in (2, 3, None):
        assert trained(spec, tmp_path / f"on-{threads}", threads=threads) == first


@pytest.mark.parametrize("buffer", [20, 64, 300, 5000])
def test_a_resumed_run_ends_in_the_same_bits(spec: Path, tmp_path: Path, buffer: int) -> None:
    given = (f"data.stream={{buffer: {buffer}}}",)
    whole = trained(spec, tmp_path / "whole", overrides=given)
    an_epoch = whole.progress["step"] // 3
    # Within a buffer, in the batch that goes from one to the next, around the end of an epoch.
    for stop in (1, 7, an_epoch - 1, an_epoch, an_epoch + 1, 2 * an_epoch + 17):
        parts = tmp_path / f"parts-{stop}"
        trained(spec, parts, overrides=given, steps=stop)
        assert resumed(parts, threads=2) == whole, f"stopped after step {stop}"


@pytest.mark.skipif(sys.platform == "win32", reason="a process is killed in another way there")
def test_killed_at_any_moment_it_goes_on(spec: Path, tmp_path: Path) -> None:
    rng = random.Random(7)
    run = Run(tmp_path / "run")
    program = (
        "import sys\n"
        "from netspec.train import loop\n"
        "loop.CHECKPOINT_SECONDS = 0.0\n"
        "from netspec.cli.main import main\n"
        "sys.argv = ['netspec', 'train', *sys.argv[1:]]\n"
        "main()\n"
    )
    begin = [spec, "--out", "run", "--quiet", "--set", "train.epochs=1000000000"]
    steps = [0]
    for arguments in (begin, *(["--resume", "run", "--quiet"] for _ in range(3))):
        command = [sys.executable, "-c", program, *map(str, arguments)]
        with subprocess.Popen(command, cwd=tmp_path, env=environment()) as process:
            deadline = time.monotonic() + 120
            while (step_of(run) or 0) <= steps[-1] and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.2))
            process.kill()
        assert run.status() == "killed"
        steps.append(step_of(run) or 0)
    assert steps == sorted(set(steps))
    further = steps[-1] + 31
    whole = trained(spec, tmp_path / "whole", overrides=("train.epochs=1000000000",), steps=further)
    assert resumed(run.path, steps=further) == whole


def step_of(run: Run) -> int | None:
    return int(load_checkpoint(run.state).progress["step"]) if run.state.exists() else None


def test_evaluate_and_predict(spec: Path, tmp_path: Path) -> None:
    left = trained(spec, tmp_path / "run")
    measured = api.evaluate(tmp_path / "run").splits
    assert {name: split["rows"] for name, split in measured.items()} == {"train": 1703, "validation": 200, "test": 100}
    assert measured["test"]["metrics"]["roc_auc"] == left.summary["test"]["roc_auc"]
    assert measured["validation"]["metrics"] == {
        name: value for name, value in left.summary["best"]["metrics"].items() if name != "loss"
    }
    rows = [{"x": row.tolist()} for row in np.load(tmp_path / "x.npy")[:3]]
    assert len(api.predict(tmp_path / "run", rows).rows) == 3
    assert api.gradcheck(spec).passed


def test_changed_data_are_refused(spec: Path, tmp_path: Path) -> None:
    whole = trained(spec, tmp_path / "whole")
    trained(spec, tmp_path / "run", steps=7)
    before = np.load(tmp_path / "x.npy")
    np.save(tmp_path / "x.npy", before + 1)
    with pytest.raises(DataError, match="are not those that it began with"):
        api.train(resume=str(tmp_path / "run"))
    np.save(tmp_path / "x.npy", before)
    assert resumed(tmp_path / "run") == whole


def test_data_that_change_while_it_trains(spec: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.npy"

    class Meddler(Silent):
        def epoch(self, line: Any) -> None:
            with path.open("r+b") as file:
                file.truncate(10_000)

    whole = path.read_bytes()
    with pytest.raises(DataError, match=r"x\.npy has been changed or cut short while it was read"):
        api.train(spec, out=tmp_path / "run", progress=Meddler())
    path.write_bytes(whole)
    assert Run(tmp_path / "run").status() == "failed"
    assert resumed(tmp_path / "run") == trained(spec, tmp_path / "whole")


def test_what_cannot_be_streamed_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        SPEC.replace("{npy: {fields: {x: x.npy, label: label.npy}}}", "{sklearn: iris}")
        .replace("test: 100", "folds: 3")
        .replace("x: [7]", "x: [4]")
        .replace("batch: 20", "batch: full")
    )
    told = netspec("validate", path, code=1, cwd=tmp_path).stderr
    assert "bad.yaml:5:28: error[cannot-stream]: streamed rows cannot be cut into folds" in told
    assert "bad.yaml:7:3: error[cannot-stream]: `sklearn` data cannot be streamed" in told
    assert "bad.yaml:12:27: error[cannot-stream]: `batch: full` takes all rows in each step" in told
    assert told.count("error[") == 3


def test_a_row_of_streamed_data_cannot_be_traced(spec: Path, tmp_path: Path) -> None:
    told = netspec("trace", spec, code=2, cwd=tmp_path).stderr
    assert "error[cannot-stream]: a row of streamed data cannot be traced" in told
    netspec("trace", spec, "--set", IN_MEMORY, cwd=tmp_path)
