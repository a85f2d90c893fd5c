"""Colour and bars appear on terminals only, and NO_COLOR and FORCE_COLOR are honoured."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from netspec.cli import streams
from netspec.cli.commands.evaluate import describe
from netspec.cli.commands.train import closing_words
from netspec.cli.progress import Bar, Lines, Quiet, epoch_line, is_shown, progress_for, speed
from netspec.train.progress import TrainPlan, TrainState

CHECKOUT = Path(__file__).parents[2]
PLAN = TrainPlan(name="x", run="runs/x-0001", epochs=2, steps_per_epoch=10, batch=4, threads=1)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)


def test_colour_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not streams.has_colour(io.StringIO())
    assert streams.has_colour(Terminal())
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert streams.has_colour(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not streams.has_colour(Terminal())
    assert streams.is_terminal(Terminal())
    monkeypatch.setenv("TERM", "dumb")
    assert not streams.is_terminal(Terminal())


def test_diagnostics_are_coloured_without_changing_their_words(monkeypatch: pytest.MonkeyPatch) -> None:
    import click

    text = "a.yaml:3:7: error[no-rows]: x\n  |\n3 |  - dense\n  |    ^^^^^\n  = help: y\n"
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    streams.diagnostics(text)
    assert "\x1b[" in terminal.getvalue()
    assert click.unstyle(terminal.getvalue()) == text


def test_each_stream_gets_its_progress() -> None:
    assert isinstance(progress_for(Terminal(), quiet=True).inner, Quiet)
    assert isinstance(progress_for(Terminal()).inner, Bar)
    assert type(progress_for(io.StringIO()).inner) is Lines


@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
def test_a_training_goes_on_when_its_watcher_is_gone(kind: type[io.StringIO]) -> None:
    class Gone(kind):  # type: ignore[misc, valid-type] - the base is the test's parameter
        def write(self, _: str) -> int:
            raise BrokenPipeError

    progress = progress_for(Gone())
    progress.started(PLAN)
    progress.compiling(1, 2)
    progress.step(TrainState(epoch=1, step_in_epoch=5, loss=0.5, metrics={}, samples_per_second=1.0))
    progress.epoch({"epoch": 1, "split": "train", "loss": 0.5})
    progress.close()


def test_a_count_of_kernels_is_taken_away_when_compiling_fails() -> None:
    terminal = Terminal()
    bar = Bar(terminal)
    bar.compiling(5, 14)
    bar.close()
    assert terminal.getvalue().split("\r")[-2:] == [" " * len("compiling 14 kernels, first time only: 5"), ""]


def test_a_remark_follows_the_epoch_that_it_is_about() -> None:
    stream = io.StringIO()
    lines = Lines(stream)
    lines.epoch({"epoch": 1, "split": "train", "loss": 0.5})
    lines.remark("stopped")
    lines.close()
    assert [line.split()[0] for line in stream.getvalue().splitlines()] == ["epoch", "note:"]


def test_a_long_training_has_about_a_hundred_lines() -> None:
    shown = [epoch for epoch in range(1, 5001) if is_shown(epoch, 5000, 100)]
    assert len(shown) == 101
    assert (shown[0], shown[-1]) == (1, 5000)
    assert all(is_shown(epoch, 100, 100) for epoch in range(1, 101))


@pytest.mark.parametrize(
    ("value", "text"),
    [(950.4, "950 samples/s"), (81_234, "81 k samples/s"), (1.26e6, "1.3 M samples/s"), (3.4e8, "340 M samples/s")],
)
def test_speed_is_short(value: float, text: str) -> None:
    assert speed(value) == text


def test_the_bar_shows_what_people_watch_and_leaves_only_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("netspec.cli.progress._REDRAW_SECONDS", 0.0)
    terminal = Terminal()
    bar = Bar(terminal)
    bar.started(PLAN)
    bar.compiling(5, 14)
    bar.compiling(14, 14)
    for epoch in (1, 2):
        for step in (5, 10):
            state = {"epoch": epoch, "step_in_epoch": step, "loss": 0.25, "metrics": {"accuracy": 0.875}}
            bar.step(TrainState(**state, samples_per_second=183_456.0))
        bar.epoch({"epoch": epoch, "split": "train", "loss": 0.25, "metrics": {}})
    bar.close()
    bar.close()
    text = terminal.getvalue()
    for shown in (
        "compiling 14 kernels, first time only: 5",
        "loss 0.2500",
        "accuracy 0.8750",
        "183 k samples/s",
        "left",
        "1/2",
    ):
        assert shown in text
    assert text.count("epoch 1/2") == 1
    assert text.endswith("epoch 2/2  loss 0.2500\n")
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h")  # the cursor comes back


def test_rich_waits_for_the_first_step() -> None:
    program = """
import sys
from netspec.cli.progress import Bar
from netspec.train.progress import TrainPlan
bar = Bar(sys.stderr)
bar.started(TrainPlan(name="x", run="r", epochs=2, steps_per_epoch=10, batch=4, threads=1))
bar.compiling(1, 2)
bar.close()
print("rich" in sys.modules)
"""
    environment = {**os.environ, "TERM": "xterm"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=CHECKOUT, env=environment, check=True
    )
    assert done.stdout == "False\n"


MANY = {f"layer{i}.gradient_norm": i / 7 for i in range(9)}


@pytest.mark.parametrize("width", [60, 80, 120])
def test_an_epoch_of_many_metrics_is_broken_between_facts(width: int) -> None:
    splits: list[dict[str, Any]] = [
        {"epoch": 3, "split": s, "loss": 0.5, "metrics": MANY} for s in ("train", "validation")
    ]
    lines = epoch_line(splits, 10, width).splitlines()
    assert max(map(len, lines)) <= width
    assert sum("validation" in line for line in lines) == 1
    assert sum(line.count(".gradient_norm 0.1429") for line in lines) == 2
    assert len(epoch_line(splits, 10).splitlines()) == 1


def test_a_table_of_many_metrics_is_turned_where_lines_would_break() -> None:
    splits = {s: {"rows": 10, "loss": 0.5, "metrics": MANY} for s in ("train", "test")}
    wide, narrow = (describe({"splits": splits}, width).splitlines() for width in (None, 80))
    assert [line.split()[0] for line in wide] == ["split", "train", "test"]
    assert [line.split()[0] for line in narrow] == ["split", "rows", "loss", *MANY]
    assert narrow[0].split() == ["split", "train", "test"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_closing_words_of_many_metrics_are_broken_between_facts(width: int) -> None:
    best = {"epoch": 3, "split": "validation", "metrics": MANY}
    summary = {"status": "finished", "epochs": 3, "seconds": 1.0, "best": best, "test": MANY}
    lines = closing_words(summary, "runs/x-0001", width).splitlines()
    assert max(map(len, lines)) <= width
    whole = closing_words(summary, "runs/x-0001", None).splitlines()
    assert [line.split()[0] for line in whole] == ["best", "test", "run", "next", "netspec"]
    assert " ".join(" ".join(lines).split()) == " ".join(" ".join(whole).split())


def test_a_table_of_classes_says_what_stands_where() -> None:
    splits = {"test": {"rows": 9, "loss": 0.5, "tables": {"confusion_matrix": [[4, 1], [0, 1234]]}}}
    named = describe({"splits": splits, "classes": {"confusion_matrix": ["ham", "spam"]}}, 80).splitlines()
    assert named[3] == "test confusion_matrix: a row for each class, a column for each decision"
    assert [line.split() for line in named[4:]] == [["ham", "spam"], ["ham", "4", "1"], ["spam", "0", "1,234"]]
    assert describe({"splits": splits}, 80).splitlines()[4].split() == ["0", "1"]
