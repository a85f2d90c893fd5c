"""The loop around the compiled epoch: chunks of steps, evaluation, selection, checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import isnan
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from netspec.catalog.metrics import Collected, Metric
from netspec.catalog.schedules import Moment
from netspec.catalog.schedules.schedule import Watched
from netspec.data.batches import epoch_order
from netspec.diagnostics import Diagnostic, NetspecError
from netspec.runs.checkpoint import Checkpoint, save_checkpoint, save_weights
from netspec.runs.metrics import MetricsLog
from netspec.runs.platform import Interrupt, catch_interrupts
from netspec.runs.run import Run, now
from netspec.train.engine import Engine, Measured
from netspec.train.opening import Opened
from netspec.train.progress import Progress, TrainPlan, TrainState

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

Status: TypeAlias = Literal["finished", "stopped", "interrupted", "diverged"]

CHUNK_SECONDS = 0.1
"""How long steps run before Python looks up: progress is smooth then, and Ctrl-C answered at once."""

CHECKPOINT_SECONDS = 10.0
"""How much work a crash may cost."""


@dataclass(frozen=True)
class Limits:
    """When to stop before the last epoch."""

    steps: int | None = None
    seconds: float | None = None


@dataclass
class Position:
    """Where a training stands: all that a checkpoint holds beside arrays.

    ``loss`` and ``totals`` are sums over the samples of this epoch, in float64 and in the order of the steps.
    ``schedule`` is what the schedule remembers of what it was told.
    """

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    samples: int = 0
    loss: float = 0.0
    totals: dict[str, float] = field(default_factory=dict)
    epoch_seconds: float = 0.0
    best: dict[str, Any] | None = None
    watched: float | None = None
    waited: int = 0
    schedule: dict[str, float] = field(default_factory=dict)


class NotFiniteError(NetspecError):
    """The loss or a weight is no finite number any more; the last good checkpoint stays."""


class _Interrupted(Exception):  # noqa: N818  no fault
    """Ctrl-C, noticed between two kernels that are compiled; the training is as the last step left it."""


class Trainer:
    """Trains an engine on a dataset and keeps the run folder."""

    def __init__(self, engine: Engine, opened: Opened, run: Run, progress: Progress, limits: Limits) -> None:
        self.engine, self.run, self.progress, self.limits = engine, run, progress, limits
        self.dataset, self.batch = opened.dataset, opened.batch
        self.document = engine.program.document
        self.train = self.document.train
        self.rows = opened.dataset.splits["train"]
        self.at = Position()
        self.best: dict[str, Array] = {}
        self._begun = time.perf_counter()
        self._saved = time.perf_counter()
        self._seconds_a_step = 0.0
        self._interrupt = Interrupt()

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.rows) // self.batch)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on where a checkpoint was taken."""
        weights = {k: v for k, v in checkpoint.arrays.items() if not k.startswith("best/")}
        self.engine.load(weights)
        self.best = {k.removeprefix("best/"): v for k, v in checkpoint.arrays.items() if k.startswith("best/")}
        self.at = Position(**checkpoint.progress)

    def fit(self) -> Status:
        """Train to the last epoch or to a limit; the run folder then holds a checkpoint of the end."""
        threads = self.engine.threads("step", self.batch)
        plan = TrainPlan(
            self.document.name, str(self.run.path), self.train.epochs, self.steps_per_epoch, self.batch, threads
        )
        self.progress.started(plan)
        with catch_interrupts() as self._interrupt, MetricsLog(self.run.metrics) as log:
            if not self.run.state.exists():
                self.save(log)  # whatever happens from here on, there is something to go on from
            self.engine.compiling = self._told_of_compiling(self.engine.compiling)
            try:
                stop = self._epochs(log)
            except _Interrupted:
                stop = "interrupted"
            self.save(log)
        return "finished" if self.is_done or stop is None else stop

    def _epochs(self, log: MetricsLog) -> Status | None:
        """All epochs that are left, or why there are some."""
        stop: Status | None = None
        while stop is None and not self.is_done:
            stop = self._epoch(log)
            # After Ctrl-C there is no time to measure: the epoch ends when the run goes on.
            if self.at.step_in_epoch == self.steps_per_epoch and stop != "interrupted":
                self._end_epoch(log)
            self._save_in_time(stop, log)
        return stop

    def _told_of_compiling(self, told: Callable[[int, int], None] | None) -> Callable[[int, int], None]:
        """Tell how far the kernels are; and stop between two of them, for all together can take seconds."""

        def compiling(done: int, total: int) -> None:
            if self._interrupt.requested:
                raise _Interrupted
            if told is not None:
                told(done, total)

        return compiling

    @property
    def is_done(self) -> bool:
        """Whether no epoch is left, or the patience of `early_stop` is at its end."""
        return self.at.epoch >= self.train.epochs or self._is_patient_no_more()

    def save(self, log: MetricsLog | None = None) -> None:
        """Write the checkpoint; metrics go before it, so that it is never ahead of them."""
        if log is not None:
            log.sync()
        weights = self.engine.weights()
        self._refuse_not_finite(weights)
        if self.at.step or self.is_done:  # before the first step there is nothing to use, only to go on from
            save_weights(self.run.last, weights, self.at.step)
            save_weights(self.run.best, self.best or weights, (self.at.best or {}).get("step", self.at.step))
        arrays = {**self.engine.state(), **{f"best/{key}": array for key, array in self.best.items()}}
        save_checkpoint(self.run.state, Checkpoint(arrays, dict(vars(self.at))))
        self._saved = time.perf_counter()

    def _epoch(self, log: MetricsLog) -> Status | None:
        """The steps left of this epoch; None when they are done."""
        order = epoch_order(self.rows, self.train.seed, self.at.epoch, shuffle=self.train.shuffle)
        whole = len(order) // self.batch
        while self.at.step_in_epoch < self.steps_per_epoch:
            first = self.at.step_in_epoch
            count = self._chunk(whole - first) if first < whole else 1
            start = first * self.batch
            rows = order[start : start + count * self.batch].reshape(count, -1)
            stop = self._steps(rows)
            if stop is not None:
                return stop
            self._save_in_time(stop, log)
        return None

    def _save_in_time(self, stop: Status | None, log: MetricsLog) -> None:
        """So that a crash costs seconds of work, in an epoch of hours too; what stops is saved anyway."""
        if stop is None and time.perf_counter() - self._saved > CHECKPOINT_SECONDS:
            self.save(log)

    def _chunk(self, left: int) -> int:
        """How many steps to take before looking up."""
        count = min(left, self.engine.capacity(self.batch))
        if self.limits.steps is not None:
            count = min(count, self.limits.steps - self.at.step)
        first_guess = 8
        fitting = int(CHUNK_SECONDS / self._seconds_a_step) + 1 if self._seconds_a_step else first_guess
        return max(min(count, fitting), 1)

    def _steps(self, rows: Array) -> Status | None:
        import numpy as np

        count, batch = rows.shape
        lr = self._rates(count)
        loss, sums, seconds = self.engine.train(rows, self.at.step, lr)
        at = self.at
        if not np.isfinite(loss).all():
            raise self._diverged(at.step + int(np.flatnonzero(~np.isfinite(loss))[0]) + 1, float(lr[0]))
        for value in loss.tolist():
            at.loss += value * batch
        for name, values in sums.items():
            total = at.totals.get(name, 0.0)
            for value in values.tolist():
                total += value
            at.totals[name] = total
        at.step, at.step_in_epoch, at.samples = at.step + count, at.step_in_epoch + count, at.samples + count * batch
        at.seconds, at.epoch_seconds = at.seconds + seconds, at.epoch_seconds + seconds
        self._seconds_a_step = seconds / count
        self.progress.step(self._state())
        if self._interrupt.requested:
            return "interrupted"
        if self.limits.steps is not None and at.step >= self.limits.steps:
            return "stopped"
        if self.limits.seconds is not None and time.perf_counter() - self._begun >= self.limits.seconds:
            return "stopped"
        return None

    def _rates(self, count: int) -> Array:
        import numpy as np

        return np.array([self._rate(self.at.step + i, self.at.epoch) for i in range(count)], np.float64)

    def _rate(self, step: int, epoch: int) -> float:
        optimizer, schedule = self.document.optimizer, self.document.schedule
        assert optimizer is not None
        if schedule is None:
            return optimizer.lr
        moment = Moment(step, self.steps_per_epoch * self.train.epochs, epoch, self.train.epochs)
        return schedule.rate(optimizer.lr, moment, self.at.schedule)

    def _state(self) -> TrainState:
        at = self.at
        metrics = self.engine.metrics(at.totals, at.samples)
        speed = at.samples / at.epoch_seconds if at.epoch_seconds else 0.0
        return TrainState(at.epoch + 1, at.step_in_epoch, at.loss / at.samples, metrics, speed)

    def _end_epoch(self, log: MetricsLog) -> None:
        at = self.at
        train = Measured(at.samples, at.loss / at.samples, self.engine.metrics(at.totals, at.samples))
        measured, took = {"train": train}, {"train": at.epoch_seconds}
        # Measure first: whoever interrupts that finds the epoch as it was, and measures it when the run goes on.
        if "validation" in self.dataset.splits:
            begin = time.perf_counter()
            self._measured("validation", measured)
            took["validation"] = time.perf_counter() - begin
        for split, metric in self._asked():
            self._measured(split, measured, metric)
        at.epoch += 1
        for split, seconds in took.items():
            self._tell(log, split, measured[split], seconds)
        self._select(measured)
        self._watch(measured)
        self._tell_schedule(measured)
        at.step_in_epoch, at.samples, at.loss, at.totals, at.epoch_seconds = 0, 0, 0.0, {}, 0.0

    def _tell(self, log: MetricsLog, split: str, measured: Measured, seconds: float) -> None:
        line = {
            "epoch": self.at.epoch,
            "step": self.at.step,
            "split": split,
            "loss": measured.loss,
            **measured.facts(),
            "lr": self._rate(self.at.step - 1, self.at.epoch - 1),
            "seconds": seconds,
            "samples_per_second": measured.rows / seconds if seconds else 0.0,
            "time": now(),
        }
        log.append(line)
        self.progress.epoch(line)

    def _select(self, measured: dict[str, Measured]) -> None:
        """Keep the weights of the best epoch; without a validation split those of the last."""
        select = self.train.select
        split, metric = (select.split, select.metric) if select else ("validation", "loss")
        chooses = select is not None or split in self.dataset.splits
        found = self._measured(split if chooses else "train", measured)
        at = self.at
        values = {"loss": found.loss, **found.metrics}
        facts = {"epoch": at.epoch, "step": at.step, "split": split if chooses else "train", "metrics": values}
        if not chooses:
            at.best, self.best = facts, {}
        elif at.best is None or self._is_better(metric, values[metric], at.best["metrics"][metric]):
            at.best, self.best = facts, self.engine.weights()

    def _watch(self, measured: dict[str, Measured]) -> None:
        """Count the epochs without a better value of what `early_stop` names."""
        stop = self.train.early_stop
        if stop is None:
            return
        found = self._measured(stop.split, measured)
        value = {"loss": found.loss, **found.metrics}[stop.metric]
        at = self.at
        if at.watched is None or self._is_better(stop.metric, value, at.watched):
            at.watched, at.waited = value, 0
        else:
            at.waited += 1

    def _tell_schedule(self, measured: dict[str, Measured]) -> None:
        """Give a schedule that watches a measure its value after this epoch."""
        schedule = self.document.schedule
        if schedule is not None and schedule.watched is not None:
            metric, split = schedule.watched.metric, self._watched_split(schedule.watched)
            found = self._measured(split, measured)
            value = {"loss": found.loss, **found.metrics}[metric]
            higher = self._is_better(metric, 1.0, 0.0)
            self.at.schedule = dict(schedule.tell(self.at.schedule, value, higher_is_better=higher))

    def _watched_split(self, watched: Watched) -> str:
        return watched.split or ("validation" if "validation" in self.dataset.splits else "train")

    def _asked(self) -> list[tuple[str, str]]:
        """The splits and metrics that the end of an epoch needs; of the training rows all, if there are no others."""
        chosen = [(c.split, c.metric) for c in (self.train.select, self.train.early_stop) if c is not None]
        watched = self.document.schedule.watched if self.document.schedule else None
        asked = [*chosen, *([(self._watched_split(watched), watched.metric)] if watched else [])]
        if "validation" in self.dataset.splits:
            return asked
        return asked + [("train", b.name) for b in self.document.metrics if isinstance(b.what, Collected)]

    def _measured(self, split: str, measured: dict[str, Measured], metric: str = "loss") -> Measured:
        """What the current weights give on a split; measured once an epoch.

        Of the training rows the sums of the epoch are told, and what sums cannot tell is measured if it is asked for.
        """
        known = measured.get(split)
        if known is None:
            measured[split] = self.engine.evaluate(self.dataset.splits[split])
        elif metric not in {"loss", *known.metrics, *known.tables}:
            found = self.engine.evaluate(self.dataset.splits[split])
            measured[split] = replace(known, metrics={**found.metrics, **known.metrics}, tables=found.tables)
        return measured[split]

    def _is_better(self, metric: str, new: float, old: float) -> bool:
        whats = {binding.name: binding.what for binding in self.document.metrics}
        what = whats.get(metric)
        if isnan(old):  # anything is better, and no comparison says so
            return True
        return new > old if isinstance(what, Metric) and what.better == "higher" else new < old

    def _is_patient_no_more(self) -> bool:
        stop = self.train.early_stop
        return stop is not None and self.at.waited >= stop.patience

    def _refuse_not_finite(self, weights: Mapping[str, Array]) -> None:
        """The loss of a step is that before its update: what the last update broke, no loss has told yet."""
        import numpy as np

        for key, array in weights.items():
            if not np.isfinite(array).all():
                lr = float(self._rates(1)[0])
                raise self._diverged(self.at.step, lr, f"`{key}` holds numbers that are not finite")

    def _diverged(self, step: int, lr: float, what: str = "the loss is not a finite number") -> NotFiniteError:
        message = f"step {step}: {what}"
        helps = [
            f"the learning rate {lr:g} may be too high: try `--set optimizer.{self._optimizer_kind()}.lr={lr / 10:g}`"
        ]
        notes = [f"the last good checkpoint is that of step {self._saved_step()}"] if self.run.state.exists() else []
        return NotFiniteError(Diagnostic("not-finite", message, notes=tuple(notes), helps=tuple(helps)))

    def _optimizer_kind(self) -> str:
        assert self.document.optimizer is not None
        return self.document.optimizer.kind

    def _saved_step(self) -> int:
        from netspec.runs.checkpoint import load_checkpoint

        return int(load_checkpoint(self.run.state).progress["step"])
