"""`netspec train FOLDER`: every spec, one after the other, whatever becomes of each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import Result

from netspec.diagnostics import Diagnostic, NetspecError
from netspec.train.opening import NothingToTrainError

Run = Callable[..., Result]

SUMMARY = {"version": 1, "epochs": 20, "seconds": 1.2, "best": None, "test": {"loss": 0.08, "accuracy": 0.97}}


@pytest.fixture
def trained(api: SimpleNamespace, tmp_path: Path) -> list[tuple[str, Path | None]]:
    """A folder of specs, and what `api.train` was asked to train; what becomes of a spec is what it is called."""
    folder = tmp_path / "specs"
    for name in ("a", "b_fails", "inner/a", "inner/unit", "inner/z"):
        path = folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("netspec: 1\n")
    (folder / "shared.yaml").write_text("blocks: {}\n")
    asked: list[tuple[str, Path | None]] = []

    def train(spec: Path, *, out: Path | None, **options: Any) -> SimpleNamespace:
        asked.append((spec.relative_to(folder).as_posix() if spec.is_absolute() else spec.as_posix(), out))
        status = api.becomes.get(spec.stem, "finished")
        if isinstance(status, Exception):
            raise status
        run = out or Path("runs") / f"{spec.stem}-0001"
        return SimpleNamespace(run=run, summary={**SUMMARY, "run": str(run), "status": status}, status=status)

    api.train, api.becomes = train, {}
    api.becomes["b_fails"] = NetspecError(Diagnostic("missing-file", "there is no `b.csv`"))
    api.becomes["unit"] = NothingToTrainError(Diagnostic("missing-key", "training needs `optimizer`"))
    return asked


def test_all_are_trained_and_one_that_fails_stops_none(run: Run, trained: list[tuple[str, Path | None]]) -> None:
    done = run("train", "specs", "--steps", "3")
    assert done.exit_code == 1
    assert trained == [(f"specs/{name}.yaml", None) for name in ("a", "b_fails", "inner/a", "inner/unit", "inner/z")]
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["spec", "status", "epochs", "time", "result", "run"]
    assert lines[1].split(maxsplit=5) == [
        "specs/a.yaml", "finished", "20", "1.2", "s", "test loss 0.0800, accuracy 0.9700  runs/a-0001",
    ]  # fmt: skip
    assert [line.split()[1] for line in lines[1:]] == ["finished", "failed", "finished", "skipped", "finished"]
    said = done.stderr.splitlines()
    assert said[:3] == ["1/5  specs/a.yaml", "2/5  specs/b_fails.yaml", "error[missing-file]: there is no `b.csv`"]
    assert said[-1] == (
        "3 specs trained, 1 failed, 1 with nothing to train (neither `optimizer` nor `train`); "
        "1 other YAML file skipped (first key is not `netspec`)"
    )


def test_the_totals_are_broken_between_words(
    run: Run, trained: list[tuple[str, Path | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netspec.cli.streams.width_of", lambda _: 80)
    lines = run("train", "specs").stderr.splitlines()
    assert lines[-2].startswith("3 specs trained, 1 failed")
    assert max(map(len, lines[-2:])) <= 80


def test_all_well_is_exit_code_0(run: Run, api: SimpleNamespace, trained: list[Any]) -> None:
    del api.becomes["b_fails"]
    assert run("train", "specs").exit_code == 0


def test_a_fault_of_netspec_itself_is_told_as_such(run: Run, api: SimpleNamespace, trained: list[Any]) -> None:
    api.becomes["a"] = AssertionError("a bug")
    done = run("train", "specs")
    assert done.exit_code == 3
    assert len(trained) == 5
    assert "error[internal-error]: AssertionError: a bug" in done.stderr


def test_every_run_has_a_place_below_out(run: Run, trained: list[tuple[str, Path | None]]) -> None:
    run("train", "specs", "--out", "out")
    assert [out and out.as_posix() for _, out in trained] == [
        f"out/{name}" for name in ("a", "b_fails", "inner/a", "inner/unit", "inner/z")
    ]


def test_json_is_a_line_a_spec(run: Run, trained: list[Any]) -> None:
    done = run("train", "specs", "--json", "--quiet")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["version"], line["spec"], line["status"]) for line in lines] == [
        (1, "specs/a.yaml", "finished"),
        (1, "specs/b_fails.yaml", "failed"),
        (1, "specs/inner/a.yaml", "finished"),
        (1, "specs/inner/unit.yaml", "skipped"),
        (1, "specs/inner/z.yaml", "finished"),
    ]
    assert lines[0]["test"] == SUMMARY["test"]
    assert lines[1]["error"] == "there is no `b.csv`"
    assert done.stderr == "error[missing-file]: there is no `b.csv`\n"


def test_quiet_shows_faults_alone(run: Run, trained: list[Any]) -> None:
    done = run("train", "specs", "--quiet")
    assert (done.stdout, done.stderr) == ("", "error[missing-file]: there is no `b.csv`\n")


def test_ctrl_c_ends_all(run: Run, api: SimpleNamespace, trained: list[Any]) -> None:
    api.becomes["a"] = "interrupted"
    done = run("train", "specs")
    assert done.exit_code == 130
    assert len(trained) == 1
    assert [line.split()[1] for line in done.stdout.splitlines()[1:]] == ["interrupted"]
    assert "0 specs trained, 1 interrupted, 4 not begun" in done.stderr
