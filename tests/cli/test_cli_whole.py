"""The program as users run it, on real specs: files, streams, exit codes, resume, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).parents[2]
XOR = str(CHECKOUT / "specs" / "xor.yaml")
DIGITS = str(CHECKOUT / "specs" / "digits.yaml")
HEAVY = {"numpy", "numba", "llvmlite", "scipy", "sklearn", "rich", "safetensors"}
# Long enough that no machine finishes it before it is interrupted.
ENDLESS = ("--set", "train.epochs=1000000000")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    monkeypatch.setenv("NETSPEC_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def netspec(*arguments: str, code: int = 0, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "netspec", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, **options)
    assert done.returncode == code, done.stderr
    return done


def test_validate_loads_nothing_heavy() -> None:
    program = f"""
import atexit, sys
sys.argv = ["netspec", "validate", {XOR!r}]
from netspec.cli.main import main
atexit.register(lambda: print(sorted({HEAVY!r} & sys.modules.keys())))
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{XOR}: ok", "[]"]


def test_validate_explains_what_is_wrong(folder: Path) -> None:
    text = "netspec: 1\nnetwork:\n  inputs: {x: [2]}\n  layers:\n    - dens: 2\n"
    (folder / "bad.yaml").write_text(text)
    done = netspec("validate", "bad.yaml", code=1)
    assert "bad.yaml:5:7: error[unknown-kind]" in done.stderr
    assert "did you mean `dense`" in done.stderr
    piped = netspec("validate", "-", code=1, input=text)
    assert piped.stdout.startswith("<stdin>: ")
    assert piped.stderr.startswith("<stdin>:")


def test_a_training_leaves_what_the_contract_says(folder: Path) -> None:
    done = netspec("train", XOR, "--json", "--set", "train.epochs=20")
    run = folder / "runs" / "xor-0001"
    assert {path.name for path in run.iterdir()} >= {
        "run.json",
        "source",
        "spec.yaml",
        "fitted.safetensors",
        "fitted.json",
        "state.safetensors",
        "best.safetensors",
        "last.safetensors",
        "metrics.jsonl",
        "summary.json",
    }
    summary = json.loads(done.stdout)
    assert summary == json.loads((run / "summary.json").read_text())
    assert {"version", "run", "status", "epochs", "seconds", "best", "test"} <= summary.keys()
    assert summary["status"] == "finished"
    record = json.loads((run / "run.json").read_text())
    assert {"version", "arguments", "overrides", "base", "seed", "status", "processor", "versions"} <= record.keys()
    assert record["status"] == "finished"
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    keys = {"epoch", "step", "split", "loss", "metrics", "lr", "seconds", "samples_per_second", "time"}
    assert all(keys <= line.keys() for line in lines)
    assert (run / "source" / "xor.yaml").read_text() == Path(XOR).read_text()


def test_the_resolved_spec_trains_to_the_same_bits(folder: Path) -> None:
    netspec("train", XOR, "--quiet", "--set", "train.epochs=20", "--out", "a")
    netspec("train", str(folder / "a" / "spec.yaml"), "--quiet", "--out", "b")
    assert (folder / "a" / "last.safetensors").read_bytes() == (folder / "b" / "last.safetensors").read_bytes()


def test_a_stopped_run_resumes_to_the_same_bits(folder: Path) -> None:
    netspec("train", XOR, "--quiet", "--set", "train.epochs=40", "--out", "whole")
    netspec("train", XOR, "--quiet", "--set", "train.epochs=40", "--out", "parts", "--steps", "13")
    netspec("train", "--quiet", "--resume", "parts")
    for name in ("last.safetensors", "best.safetensors"):
        assert (folder / "whole" / name).read_bytes() == (folder / "parts" / name).read_bytes()


def test_evaluate_and_predict_use_the_run(folder: Path) -> None:
    netspec("train", XOR, "--quiet")
    assert "accuracy" in netspec("evaluate", "@last").stdout
    netspec("evaluate", "xor", "--check")
    facts = json.loads(netspec("evaluate", "xor-0001", "--json").stdout)
    assert facts["splits"]["train"]["metrics"]["accuracy"] == 1.0


def test_out_must_be_empty_and_runs_must_exist(folder: Path) -> None:
    (folder / "full").mkdir()
    (folder / "full" / "x").write_text("")
    assert "error[folder-not-empty]" in netspec("train", XOR, "--out", "full", code=2).stderr
    assert "error[unknown-run]" in netspec("evaluate", "@last", code=2).stderr
    assert "error[unknown-run]" in netspec("train", "--resume", "xor-0007", code=2).stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent in another way there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_saves_and_ends_within_a_second(folder: Path, number: int) -> None:
    command = [sys.executable, "-m", "netspec", "train", XOR, "--out", "run", *ENDLESS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as training:
        metrics = folder / "run" / "metrics.jsonl"
        deadline = time.monotonic() + 60
        while not (metrics.exists() and metrics.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.05)
        training.send_signal(number)
        began = time.monotonic()
        try:
            out, err = training.communicate(timeout=30)
        finally:
            training.kill()  # nothing, if it has ended
        took = time.monotonic() - began
    assert training.returncode == 130, err
    assert took < 5  # a second on a quiet machine
    assert "Traceback" not in err
    assert "netspec train --resume run" in out
    assert json.loads((folder / "run" / "run.json").read_text())["status"] == "interrupted"
    assert (folder / "run" / "state.safetensors").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent in another way there")
def test_a_killed_training_resumes_or_says_that_nothing_was_saved(folder: Path) -> None:
    command = [sys.executable, "-m", "netspec", "train", XOR, "--out", "run", *ENDLESS, "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as training:
        metrics = folder / "run" / "metrics.jsonl"
        while not (metrics.exists() and metrics.stat().st_size) and training.poll() is None:
            time.sleep(0.05)
        os.kill(training.pid, signal.SIGKILL)
        training.wait()
    done = subprocess.run(
        [sys.executable, "-m", "netspec", "train", "--resume", "run", "--max-seconds", "0.2", "--quiet"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    assert "internal" not in done.stderr
    if done.returncode == 1:
        assert "error[missing-file]" in done.stderr
