"""What a person sees while a network trains: a bar on a terminal, a line an epoch elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TextIO

import click

from netspec.cli.streams import diagnostics, has_colour, is_terminal, width_of
from netspec.cli.table import counted, duration, measure
from netspec.train.progress import Silent

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from netspec.train.progress import TrainPlan, TrainState

_REDRAW_SECONDS: Final = 0.1

_BAR_WIDTH: Final = 45
"""What the bar, the epoch, the speed and the time left need of a line; metrics have the rest."""


class Quiet(Silent):
    """Shows nothing."""

    def close(self) -> None: ...


class Lines:
    """A line an epoch, with all splits on it, for logs and pipes; of a very long training only every so manieth."""

    most_lines = 100

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._epochs, self._folds = 0, 1
        self._has_begun = False
        self._splits: list[Mapping[str, Any]] = []
        self._compiling = False

    def warned(self, text: str) -> None:
        diagnostics(text)

    def started(self, plan: TrainPlan) -> None:
        self._epochs, self._folds = plan.epochs, plan.folds
        if plan.fold == 1 or not self._has_begun:
            self._say(opening(plan))
        self._has_begun = True

    def compiling(self, done: int, total: int) -> None:
        if total and not self._compiling:
            self._compiling = True
            self._say(f"compiling {counted(total, 'kernel')}, first time only")

    def step(self, state: TrainState) -> None:
        self._flush()

    def epoch(self, line: Mapping[str, Any]) -> None:
        """Gather the splits of an epoch, which come one by one, and print the epoch before."""
        if self._splits and self._splits[0]["epoch"] != line["epoch"]:
            self._flush()
        self._splits.append(line)

    def fold(self, line: Mapping[str, Any], folds: int) -> None:
        self._say(fold_line(line, folds))

    def finished(self, summary: Mapping[str, Any]) -> None:
        self.close()

    def remark(self, text: str) -> None:
        self._flush()  # what is remarked on comes first
        self._say(f"note: {text}")

    def close(self) -> None:
        """Print what is still held back; must come however the training ends."""
        self._flush()

    def _flush(self) -> None:
        if self._splits:
            epoch = int(self._splits[0]["epoch"])
            if is_shown(epoch, self._epochs, self.most_lines):
                self._say(epoch_line(self._splits, self._epochs, width_of(self._stream)))
            self._splits = []

    def _say(self, text: str) -> None:
        click.echo(text, file=self._stream)
        self._stream.flush()  # a log is followed while it grows


class Bar(Lines):
    """A bar an epoch with loss, metrics, speed and time left; finished epochs scroll away above it.

    Rich is imported at the first step: its 50 ms would delay the start. It draws only when called, as a thread of its
    own would take time from those that train.
    """

    most_lines = 40

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._steps = 1
        self._rich: RichProgress | None = None
        self._task: TaskID | None = None
        self._drawn = 0.0
        self._began = time.monotonic()
        self._first_step: tuple[float, int] | None = None
        self._counting = ""

    def started(self, plan: TrainPlan) -> None:
        super().started(plan)
        self._steps = max(plan.steps_per_epoch, 1)

    def compiling(self, done: int, total: int) -> None:
        # While the bar stands it keeps the line; what is compiled then, for the first evaluation, takes a moment.
        if total and self._rich is None:
            text = f"compiling {counted(total, 'kernel')}, first time only: {done}"
            self._count(text if done < total else "")

    def step(self, state: TrainState) -> None:
        super().step(state)
        now = time.monotonic()
        if self._first_step is None:
            self._first_step = (now, self._position(state))
        if now - self._drawn < _REDRAW_SECONDS:
            return
        self._drawn = now
        progress, task = self._bar()
        facts = [f"loss {measure(state.loss)}", *(f"{name} {measure(v)}" for name, v in state.metrics.items())]
        room = (width_of(self._stream) or 80) - _BAR_WIDTH
        while len(facts) > 1 and len("  ".join(facts)) > room:
            facts.pop()
        progress.update(
            task,
            completed=state.step_in_epoch,
            epoch=f"fold {state.fold}/{self._folds}, " * (self._folds > 1) + f"{state.epoch}/{self._epochs}",
            facts="  ".join(facts),
            speed=speed(state.samples_per_second),
            left=self._left(state, now),
        )
        progress.refresh()

    def close(self) -> None:
        """Take the bar away and give the cursor back."""
        self._count("")
        if self._rich is not None and self._task is not None:
            self._rich.remove_task(self._task)
            self._rich.refresh()
            self._rich.stop()
            self._rich = None
        super().close()

    def _count(self, text: str) -> None:
        """Write over the last count; with nothing, take it away."""
        if text or self._counting:
            blanks = " " * max(0, len(self._counting) - len(text))
            self._stream.write(f"\r{text}{blanks}" + ("" if text else "\r"))
            self._stream.flush()
            self._counting = text

    def _position(self, state: TrainState) -> int:
        epochs = (state.fold - 1) * self._epochs + state.epoch - 1
        return epochs * self._steps + state.step_in_epoch

    def _left(self, state: TrainState, now: float) -> str:
        """Time left of the whole training, from the speed since it began."""
        began, first = self._first_step or (now, 0)
        done = self._position(state) - first
        if done <= 0:
            return ""
        left = self._folds * self._epochs * self._steps - self._position(state)
        return f"{duration((now - began) / done * left)} left"

    def _bar(self) -> tuple[RichProgress, TaskID]:
        if self._rich is None or self._task is None:
            self._rich = _new_bar(_console(self._stream))
            self._rich.start()
            self._task = self._rich.add_task("", total=self._steps, epoch="", facts="", speed="", left="")
        return self._rich, self._task

    def _say(self, text: str) -> None:
        if self._rich is None:
            super()._say(text)
        else:
            self._rich.console.print(text, markup=False, highlight=False, soft_wrap=True)


class Unwatched:
    """Shows what ``inner`` shows until its terminal or reader is gone: no training ends because nobody looks."""

    def __init__(self, inner: Quiet | Lines) -> None:
        self.inner = inner

    def warned(self, text: str) -> None:
        self._try(lambda: self.inner.warned(text))

    def started(self, plan: TrainPlan) -> None:
        self._try(lambda: self.inner.started(plan))

    def compiling(self, done: int, total: int) -> None:
        self._try(lambda: self.inner.compiling(done, total))

    def step(self, state: TrainState) -> None:
        self._try(lambda: self.inner.step(state))

    def epoch(self, line: Mapping[str, Any]) -> None:
        self._try(lambda: self.inner.epoch(line))

    def fold(self, line: Mapping[str, Any], folds: int) -> None:
        self._try(lambda: self.inner.fold(line, folds))

    def finished(self, summary: Mapping[str, Any]) -> None:
        self._try(lambda: self.inner.finished(summary))

    def remark(self, text: str) -> None:
        self._try(lambda: self.inner.remark(text))

    def close(self) -> None:
        self._try(self.inner.close)

    def _try(self, show: Callable[[], None]) -> None:
        try:
            show()
        except OSError:
            self.inner = Quiet()


def progress_for(stream: TextIO, *, quiet: bool = False) -> Unwatched:
    """What suits ``stream``: nothing if ``quiet``, a bar on a terminal, else lines."""
    if quiet:
        return Unwatched(Quiet())
    return Unwatched(Bar(stream) if is_terminal(stream) else Lines(stream))


def opening(plan: TrainPlan) -> str:
    """The first line: what begins, and where its files go."""
    steps = f"{counted(plan.epochs, 'epoch')} of {counted(plan.steps_per_epoch, 'step')}"
    steps = f"{counted(plan.folds, 'fold')} of {steps}" if plan.folds > 1 else steps
    batch = f"{plan.accumulate} batches of {plan.batch}" if plan.accumulate > 1 else f"batch {plan.batch}"
    return f"{plan.name}: {steps}, {batch}, {counted(plan.threads, 'thread')}, in {plan.run}"


def is_shown(epoch: int, epochs: int, most: int) -> bool:
    """Whether an epoch gets a line: all of a short training, about ``most`` of a long one, always first and last."""
    every = max(1, -(-epochs // most))
    return epoch in (1, epochs) or epoch % every == 0


def epoch_line(splits: list[Mapping[str, Any]], epochs: int, width: int | None = None) -> str:
    """One epoch: loss and metrics of each split, and the speed, unless it would break a line of ``width``.

    Splits for which a line is too short have lines of their own.
    """
    first = splits[0]
    begin = f"epoch {first['epoch']:>{len(str(epochs))}}/{epochs}"
    told: list[list[str]] = []
    for line in splits:
        facts = [f"loss {measure(line.get('loss'))}"]
        facts[0] = f"{line['split']} {facts[0]}" if line["split"] != "train" else facts[0]
        told.append(facts + [f"{name} {measure(value)}" for name, value in (line.get("metrics") or {}).items()])
    text = "  ".join([begin, *(" ".join(facts) for facts in told)])
    pace = f"  {speed(first['samples_per_second'])}" if first.get("samples_per_second") else ""
    if width is None or len(text + pace) <= width:
        return text + pace
    return text if len(text) <= width else _wrapped(begin, told, width)


def _wrapped(begin: str, told: Sequence[Sequence[str]], width: int) -> str:
    """Facts in lines of ``width``, those of each split from a new line on, and none broken in two."""
    margin, lines = " " * len(begin), list[str]()
    for facts in told:
        line = margin
        for fact in facts:
            gap = "  " if line == margin else " "
            if line != margin and len(line) + len(gap) + len(fact) > width:
                lines.append(line)
                line, gap = margin, "  "
            line += gap + fact
        lines.append(line)
    return begin + "\n".join(lines)[len(begin) :]


def fold_line(line: Mapping[str, Any], folds: int) -> str:
    """One fold: its epochs and what its test gives."""
    facts = [f"{name} {measure(value)}" for name, value in (line.get("test") or {}).items()]
    number = f"{line['fold']:>{len(str(folds))}}/{folds}"
    return f"fold {number}  {counted(line['epochs'], 'epoch')}  test {' '.join(facts)}  {duration(line['seconds'])}"


def speed(samples_per_second: float) -> str:
    """950 samples/s, 81 k samples/s, 1.3 M samples/s."""
    for limit, scale, unit in ((1e6, 1e6, "M "), (1e4, 1e3, "k ")):
        if samples_per_second >= limit:
            value = samples_per_second / scale
            return f"{value:.1f} {unit}samples/s" if value < 10 else f"{value:.0f} {unit}samples/s"
    return f"{samples_per_second:.0f} samples/s"


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    return Console(file=stream, no_color=not has_colour(stream), highlight=False)


def _new_bar(console: Console) -> RichProgress:
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.fields[epoch]}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[facts]}"),
        TextColumn("{task.fields[speed]}", justify="right"),
        TextColumn("{task.fields[left]}", justify="right"),
        console=console,
        auto_refresh=False,
        expand=True,
    )
