"""Ctrl-C, a loss that stops being finite: what is left can be trusted, and gone on with."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trainings import CHECKOUT, OWN_SPECS, environment, left_by, netspec, printed, resumed, trained

from netspec import api
from netspec.compiler.codegen import objects
from netspec.diagnostics import DataError
from netspec.runs.checkpoint import load_checkpoint, load_weights, save_checkpoint
from netspec.runs.metrics import read_metrics
from netspec.runs.run import Run
from netspec.train import loop
from netspec.train.loop import NotFiniteError
from netspec.train.progress import Silent

OWN = {path.stem: path for path in OWN_SPECS}
DIGITS = CHECKOUT / "specs" / "digits.yaml"
# Long enough that no machine finishes it before it is interrupted.
ENDLESS = ("--set", "train.epochs=1000000000")

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent in another way there")


@contextmanager
def training(*arguments: str | Path, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """`netspec train` in another process, past its first epoch."""
    command = [sys.executable, "-m", "netspec", "train", *map(str, arguments), "--out", "run"]
    with subprocess.Popen(
        command, cwd=cwd, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            await_metrics(cwd / "run", process)
            yield process
        finally:
            process.kill()


def await_metrics(run: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not (Run(run).metrics.exists() and Run(run).metrics.stat().st_size):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


@posix
@pytest.mark.parametrize("spec", [DIGITS, OWN["dropout_remainder"]], ids=lambda path: path.stem)
def test_ctrl_c_saves_and_the_rest_is_the_same_bits(spec: Path, tmp_path: Path) -> None:
    with training(spec, *ENDLESS, cwd=tmp_path) as process:
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        out, err = process.communicate(timeout=60)
        took = time.monotonic() - began
    assert process.returncode == 130, err
    assert took < 5  # a second on a quiet machine
    assert "Traceback" not in err
    assert "interrupted" in out
    run = Run(tmp_path / "run")
    assert run.status() == "interrupted"
    assert run.read_summary()["test"] is None
    stopped = load_checkpoint(run.state).progress["step"]
    assert load_weights(run.last).step == stopped > 0
    # To where it would have stood, had nobody pressed Ctrl-C.
    endless = (f"train.epochs={10**9}",)
    further = stopped + 137
    assert resumed(run.path, steps=further) == trained(spec, tmp_path / "whole", overrides=endless, steps=further)


def test_a_checkpoint_is_there_from_the_first_step_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("a step that breaks")

    with monkeypatch.context() as patched:
        patched.setattr("netspec.train.engine.Engine.train", fails)
        with pytest.raises(RuntimeError, match="a step that breaks"):
            api.train(OWN["tied_autoencoder"], out=tmp_path / "run")
    assert Run(tmp_path / "run").status() == "failed"
    assert resumed(tmp_path / "run") == trained(OWN["tied_autoencoder"], tmp_path / "whole")


def test_checkpoints_on_the_way_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trained(OWN["shared_towers"], tmp_path / "whole")
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(loop, "CHECKPOINT_SHARE", math.inf)
    monkeypatch.setattr(loop, "CHUNK_SECONDS", 0.0)
    assert trained(OWN["shared_towers"], tmp_path / "often") == whole


def test_checkpoints_that_take_long_come_less_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    took: list[float] = []

    def slow(*arguments: Any) -> str:
        begun = time.perf_counter()
        time.sleep(0.1)
        content = save_checkpoint(*arguments)
        took.append(time.perf_counter() - begun)
        return content

    monkeypatch.setattr(loop, "save_checkpoint", slow)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(loop, "CHECKPOINT_SHARE", 0.5)
    endless = (f"train.epochs={10**9}",)
    seconds = api.train(OWN["tied_autoencoder"], out=tmp_path / "run", overrides=endless, max_seconds=1).summary[
        "seconds"
    ]
    assert len(took) >= 2
    assert sum(took[1:-1]) < 0.5 * seconds  # the first and the last are written whatever they take


# --- divergence ---


def test_a_rate_that_is_too_high_is_told(tmp_path: Path) -> None:
    done = netspec("train", DIGITS, "--set", "optimizer.adam.lr=1e38", "--out", "run", code=1, cwd=tmp_path)
    assert done.stdout == ""
    assert "error[not-finite]: step 2: the loss is not a finite number" in done.stderr
    assert "the last good checkpoint is that of step 0" in done.stderr
    assert "--set optimizer.adam.lr=0.001" in done.stderr
    run = Run(tmp_path / "run")
    assert run.status() == "diverged"
    assert run.read_summary()["status"] == "diverged"
    assert load_checkpoint(run.state).progress["step"] == 0


def test_the_last_good_checkpoint_stays(tmp_path: Path) -> None:
    """Its error grows fivefold with every step, so that the loss is finite for some epochs and then is not."""
    spec = tmp_path / "grows.yaml"
    spec.write_text(
        "netspec: 1\n"
        "data: {source: {rows: [{x: [1.0], y: [0.5]}]}}\n"
        "network: {inputs: {x: [1]}, layers: [{dense: {units: 1, bias: false, init: {kernel: 1}}}]}\n"
        "loss: {mse: {target: y}}\n"
        "optimizer: {sgd: 3.0}\n"
        "train: {epochs: 500, batch: full}\n"
    )
    before = trained(spec, tmp_path / "run", steps=20)
    with pytest.raises(NotFiniteError, match="the loss is not a finite number") as raised:
        api.train(resume=str(tmp_path / "run"))
    assert raised.value.exit_code == 1
    assert "the last good checkpoint is that of step 20" in raised.value.render()
    run = Run(tmp_path / "run")
    assert run.status() == "diverged"
    after = left_by(run.path)
    assert (after.arrays, after.best, after.progress) == (before.arrays, before.best, before.progress)
    # Divergence is no end: what is left can be gone on with, and diverges at the same step.
    with pytest.raises(NotFiniteError) as again:
        api.train(resume=str(tmp_path / "run"))
    assert str(again.value) == str(raised.value)


def test_what_the_last_update_broke_is_not_saved(tmp_path: Path) -> None:
    """The loss of a step is that before its update, so the last update of all has none that could tell."""
    spec = tmp_path / "breaks.yaml"
    spec.write_text(
        "netspec: 1\n"
        "data: {source: {rows: [{x: [1.0], y: [0.5]}]}}\n"
        "network: {inputs: {x: [1]}, layers: [{dense: {units: 1, bias: false, init: {kernel: 1e18}}}]}\n"
        "loss: {mse: {target: y}}\n"
        "optimizer: {sgd: 1e30}\n"
        "train: {epochs: 1, batch: full}\n"
    )
    with pytest.raises(NotFiniteError, match=r"step 1: `dense_1.kernel` holds numbers that are not finite"):
        api.train(spec, out=tmp_path / "run")
    saved = load_checkpoint(Run(tmp_path / "run").state)
    assert saved.progress["step"] == 0
    assert saved.arrays["dense_1.kernel"] == pytest.approx(1e18)


def test_weights_that_cannot_be_begun_with_leave_nothing(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.ones((4, 2)))
    spec = tmp_path / "begins.yaml"
    for init, told in (("{file: w.npy}", "wrong-shape"), ("{normal: {std: 1e+200}}", "not-finite")):
        spec.write_text(
            "netspec: 1\ndata: {source: {sklearn: iris}}\nnetwork:\n  inputs: {x: [4]}\n"
            f"  layers: [{{dense: {{units: 3, init: {init}}}}}]\nloss: cross_entropy\noptimizer: sgd\n"
        )
        with pytest.raises(DataError) as raised:
            api.train(spec, out=tmp_path / "run")
        assert f"begins.yaml:5:37: error[{told}]" in raised.value.render()
        assert not (tmp_path / "run").exists()


ROWS = "{rows: [{x: [1.0], y: [0.0]}, {x: [-2.0], y: [0.5]}, {x: [3.0], y: [0.25]}]}"
BREAKS = """\
netspec: 1
activations: {bang: exp(x), deep: log(x)}
losses: {ratio: sum(output / target), root: sum(sqrt(abs(output - output)))}
data: {source: ROWS}
network:
  inputs: {x: [1]}
  layers:
    - dense: {units: 1, init: {kernel: 1, bias: 0}, name: h}
    - dense: {units: 1, activation: tanh, init: {kernel: 1}, name: o}
loss: {mse: {target: y}}
optimizer: {sgd: {lr: 0.1}}
train: {epochs: 200, batch: full}
"""


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (  # a formula that has no value there; nothing was learnt yet, so the rate is not blamed
            {"1, init: {kernel: 1, bias: 0}": "1, activation: deep, init: {kernel: 1, bias: 0}"},
            [
                "breaks.yaml:8:7: error[not-finite]: step 1: the loss is not a finite number",
                "it begins in `h`: in 1 of 3 numbers, first for the rows of the spec, row 2",
                "there `log(-2)` is not a number",
                "help: keep what `log` is given above 0",
                "!learning rate",
            ],
        ),
        (
            {"init: {kernel: 1, bias: 0}": "activation: bang, init: {kernel: 100, bias: 0}"},
            ["in `h`: in ", "0)` is more than float32 holds", "keep what `exp` is given below 88"],
        ),
        (
            {"mse:": "ratio:"},
            ["breaks.yaml:10:8", "it begins in the loss `ratio`: in 1 of 3 numbers", "/ 0` is infinite"],
        ),
        (  # the loss is 0 and its derivative is none: the update breaks the weights, the next step shows it
            {"mse:": "root:"},
            [
                "step 2: the loss is not",
                "it begins in step 1, in the gradient of the loss `root`",
                "/ 0` is infinite",
            ],
        ),
        (
            {", activation: tanh": "", "lr: 0.1": "lr: 50"},
            ["it reads `o`", "weights are as large as", "the learning rate 50 may be too high", "train.clip.norm=1"],
        ),
        (
            {", activation: tanh": "", "lr: 0.1": "lr: 5", "[3.0]": "[3.0e+5]"},
            ["inputs are as large as 3e+05: `data: {standardize: true}`", "the learning rate 5 may be too high"],
        ),
        (  # a step of several batches, and a rate that follows a measure
            {
                ", activation: tanh": "",
                "lr: 0.1": "lr: 3",
                "full": "1, accumulate: 2, average: {ema: 0.9}}\nschedule: {plateau: {factor: 0.9, patience: 2}",
                "source: ": "split: {validation: 1}, source: ",
            },
            ["it begins in", "weights are as large as", "may be too high"],
        ),
    ],
    ids=["log", "exp", "division", "derivative", "rate", "data", "gathered"],
)
def test_the_layer_and_the_cause_are_told(changes: dict[str, str], told: list[str], tmp_path: Path) -> None:
    text = BREAKS.replace("ROWS", ROWS)
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new, 1)
    spec = tmp_path / "breaks.yaml"
    spec.write_text(text)
    with pytest.raises(NotFiniteError) as raised:
        api.train(spec, out=tmp_path / "run")
    shown = raised.value.render()
    for words in told:
        assert (words[1:] not in shown) if words.startswith("!") else (words in shown), shown
    run = Run(tmp_path / "run")
    epochs = [line["epoch"] for line in read_metrics(run.metrics) if line["split"] == "train"]
    assert epochs == list(range(1, len(epochs) + 1)), "the steps that are taken again are told once"
    assert load_checkpoint(run.state).progress["step"] == 0


def test_json_and_metrics_hold_no_nan(tmp_path: Path) -> None:
    done = netspec("train", DIGITS, "--steps", "3", "--json", "--quiet", "--out", "run", cwd=tmp_path)
    assert done.stderr == ""
    assert printed(done) == json.loads(Run(tmp_path / "run").summary.read_text())
    for line in read_metrics(tmp_path / "run" / "metrics.jsonl"):
        assert json.dumps(line, allow_nan=False)


@posix
def test_an_interrupt_between_two_kernels_is_heeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs are linked when they are first run: that of a step, of the last, smaller batch, of the validation."""
    whole = trained(OWN["dropout_remainder"], tmp_path / "whole")

    class Impatient(Silent):
        def __init__(self, of: int) -> None:
            self.left = of

        def compiling(self, done: int, total: int) -> None:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGINT)

    for number, (of, step) in enumerate(((2, 0), (5, 7), (8, 8))):
        monkeypatch.setattr(objects, "load", counting(objects.load))
        stopped = api.train(OWN["dropout_remainder"], out=tmp_path / f"{number}", progress=Impatient(of))
        monkeypatch.undo()
        assert (stopped.status, stopped.summary["epochs"], stopped.summary["steps"]) == ("interrupted", 0, step)
        assert read_metrics(tmp_path / f"{number}" / "metrics.jsonl") == []
        assert resumed(tmp_path / f"{number}") == whole


def counting(load: Callable[..., Any]) -> Callable[..., Any]:
    """As if every program had three kernels to compile."""

    def slow(kernels: Any, progress: Callable[[int, int], None] | None = None) -> Any:
        for done in range(3) if progress else ():
            progress(done, 3)
        return load(kernels)

    return slow
