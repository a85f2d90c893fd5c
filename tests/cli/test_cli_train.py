"""`netspec train`: its arguments reach the api, its output goes where it belongs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import Result

from netspec.train.progress import TrainPlan, TrainState

Run = Callable[..., Result]

EPOCHS = 3
SUMMARY: dict[str, Any] = {
    "version": 1,
    "run": "digits-0001",
    "status": "finished",
    "epochs": 20,
    "seconds": 1.234,
    "best": {"epoch": 17, "split": "validation", "metrics": {"loss": 0.0712, "accuracy": 0.9812}},
    "test": {"loss": 0.081, "accuracy": 0.9778},
}


@pytest.fixture
def calls(api: SimpleNamespace) -> list[dict[str, Any]]:
    """What `api.train` was called with; it plays a short training."""
    made: list[dict[str, Any]] = []

    def train(spec: Path | None, *, progress: Any, **options: Any) -> SimpleNamespace:
        made.append({"spec": spec, **options})
        progress.started(TrainPlan("digits", "runs/digits-0001", EPOCHS, 10, 64, 2))
        progress.compiling(0, 14)
        progress.compiling(14, 14)
        for epoch in range(1, EPOCHS + 1):
            for step in (5, 10):
                state: dict[str, Any] = {
                    "epoch": epoch,
                    "step_in_epoch": step,
                    "loss": 0.5,
                    "metrics": {"accuracy": 0.9},
                }
                progress.step(TrainState(**state, samples_per_second=1e5))
            line = {"epoch": epoch, "loss": 0.5, "metrics": {"accuracy": 0.9}, "samples_per_second": 123456.0}
            progress.epoch({**line, "split": "train"})
            progress.epoch({**line, "split": "validation"})
        progress.finished(SUMMARY)
        return SimpleNamespace(run=Path("runs/digits-0001"), summary=SUMMARY, status=api.status)

    api.status = "finished"
    api.train = train
    return made


def test_results_on_stdout_and_a_line_an_epoch_on_stderr(run: Run, calls: list[dict[str, Any]]) -> None:
    done = run("train", "digits.yaml")
    assert done.exit_code == 0
    assert "accuracy 0.9778" in done.stdout
    assert "runs/digits-0001" in done.stdout
    assert "netspec predict runs/digits-0001 INPUT" in done.stdout
    lines = done.stderr.splitlines()
    assert lines[0] == "digits: 3 epochs of 10 steps, batch 64, 2 threads, in runs/digits-0001"
    assert lines[1] == "compiling 14 kernels, first time only"
    assert lines[2] == (
        "epoch 1/3  loss 0.5000 accuracy 0.9000  validation loss 0.5000 accuracy 0.9000  123 k samples/s"
    )
    assert len(lines) == 2 + EPOCHS
    assert "\x1b" not in done.stderr
    assert "\r" not in done.stderr


def test_json_is_the_summary_alone(run: Run, calls: list[dict[str, Any]]) -> None:
    assert json.loads(run("train", "digits.yaml", "--json").stdout) == SUMMARY


def test_quiet_says_nothing(run: Run, calls: list[dict[str, Any]]) -> None:
    done = run("train", "digits.yaml", "--quiet")
    assert (done.exit_code, done.output) == (0, "")


def test_arguments_reach_the_api(run: Run, calls: list[dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"")
    text = "--set train.epochs=5 --set a=[1,b] --out out --threads 2 --weights w.safetensors"
    text += " --steps 7 --max-seconds 1.5 --folds 3 --offline"
    assert run("train", "digits.yaml", *text.split()).exit_code == 0
    assert run("train", "--resume", "@last").exit_code == 0
    first, second = calls
    assert first == {
        "spec": Path("digits.yaml"),
        "overrides": ("train.epochs=5", "a=[1,b]"),
        "out": Path("out"),
        "threads": 2,
        "resume": None,
        "weights": Path("w.safetensors"),
        "steps": 7,
        "max_seconds": 1.5,
        "folds": 3,
        "offline": True,
    }
    assert (second["spec"], second["resume"]) == (None, "@last")


@pytest.mark.parametrize("named", ["@last", "digits", "digits-0001", "runs/digits-0001"])
def test_a_run_stands_for_its_best_weights(run: Run, calls: list[dict[str, Any]], tmp_path: Path, named: str) -> None:
    (tmp_path / "runs" / "digits-0001").mkdir(parents=True)
    (tmp_path / "runs" / "digits-0001" / "run.json").write_text("{}")
    assert run("train", "digits.yaml", "--weights", named).exit_code == 0
    weights = Path(calls[0]["weights"])
    assert (tmp_path / weights).resolve() == tmp_path / "runs" / "digits-0001" / "best.safetensors"
    assert "error[unknown-run]" in run("train", "digits.yaml", "--weights", "lenet").stderr
    (tmp_path / "runs" / "digits-0001" / "run.json").write_text('{"version": 1, "folds": 3}')
    assert "holds 3 folds, each a run of its own" in run("train", "digits.yaml", "--weights", named).stderr


@pytest.mark.parametrize(("status", "code"), [("finished", 0), ("stopped", 0), ("interrupted", 130), ("diverged", 1)])
def test_the_status_decides_the_exit_code(
    run: Run, api: SimpleNamespace, calls: list[dict[str, Any]], status: str, code: int
) -> None:
    api.status = status
    assert run("train", "digits.yaml").exit_code == code


def test_without_a_spec_those_of_the_folder_are_listed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "xor.yaml").write_text("# a comment\n\nnetspec: 1\n")
    (tmp_path / "other.yaml").write_text("name: x\n")
    done = run("train")
    assert done.exit_code == 2
    assert "digits.yaml" in done.stderr
    assert str(Path("specs/xor.yaml")) in done.stderr
    assert "other.yaml" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "digts.yaml"], "did you mean `digits.yaml`?"),
        (["train", "digits"], "did you mean `digits.yaml`?"),
        (["train", "specs/digits.yaml"], "did you mean `digits.yaml`?"),
        (["train", "empty"], "`empty` holds no spec; 1 other YAML file skipped (first key is not `netspec`)"),
        (["train", ".", "--weights", "digits.yaml"], "name its spec instead of a folder"),
        (["train", ".", "--resume", "@last"], "leave out SPEC"),
        (["train", "digits.yaml", "--set", "epochs"], "KEY=VALUE"),
        (["train", "digits.yaml", "--set", "=5"], "KEY=VALUE"),
        (["train", "digits.yaml", "--threads", "0"], "--threads"),
        (["train", "digits.yaml", "--resume", "@last"], "leave out SPEC"),
        (["train", "--resume", "@last", "--out", "x"], "leave out --out"),
        (["train", "digits.yaml", "--weights", "none.safetensors"], "none.safetensors"),
    ],
)
def test_wrong_usage_is_explained(run: Run, arguments: list[str], says: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "other.yaml").write_text("a: 1")
    done = run(*arguments)
    assert done.exit_code == 2
    assert says in done.stderr
