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
from netspec.diagnostics import Diagnostic, NetspecError
from netspec.runs.checkpoint import Checkpoint, save_checkpoint, save_weights
from netspec.runs.metrics import Mark, MetricsLog
from netspec.runs.platform import Interrupt, catch_interrupts
from netspec.runs.run import Run, now
from netspec.train.engine import Engine, Measured
from netspec.train.gathering import Gathering, Steps
from netspec.train.opening import Opened
from netspec.train.progress import Progress, TrainPlan, TrainState

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

Status: TypeAlias = Literal["finished", "stopped", "interrupted", "diverged"]

CHUNK_SECONDS = 0.1
"""How long steps run before Python looks up: progress is smooth then, and Ctrl-C answered at once."""

CHECKPOINT_SECONDS = 10.0
"""How much work a crash may cost, unless that would be dear."""

CHECKPOINT_SHARE = 0.05
"""The most of a training's time that checkpoints take: those of large networks on slow disks come less often."""


@dataclass(frozen=True)
class Limits:
    """When to stop before the last epoch."""

    steps: int | None = None
    seconds: float | None = None


@dataclass
class Position:
    """Where a training stands: all that a checkpoint holds beside arrays.

    ``loss`` and ``totals`` are sums over the samples of this epoch, or their real places, in float64 and in the order
    of the steps; ``places`` is how many of these there were, by the lengths that they belong to.
    ``batch_in_step`` batches are gathered for the next step. ``schedule`` is what the schedule remembers of what it was
    told.
    """

    epoch: int = 0
    step_in_epoch: int = 0
    batch_in_step: int = 0
    step: int = 0
    seconds: float = 0.0
    samples: int = 0
    loss: float = 0.0
    totals: dict[str, float] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    epoch_seconds: float = 0.0
    best: dict[str, Any] | None = None
    watched: float | None = None
    waited: int = 0
    schedule: dict[str, float] = field(default_factory=dict)
    metrics: Mark = field(default_factory=lambda: Mark(bytes=0, sha256=""))


@dataclass(frozen=True)
class Where:
    """A batch: its epoch, its place in that and the step that it is part of, which is counted from 1."""

    epoch: int
    batch: int
    step: int


class NotFiniteError(NetspecError):
    """The loss or a weight is no finite number any more; the last good checkpoint stays.

    ``where`` is the batch whose step showed it; None if there was none.
    """

    def __init__(
        self, *diagnostics: Diagnostic, sources: Mapping[str, str] | None = None, where: Where | None = None
    ) -> None:
        super().__init__(*diagnostics, sources=sources)
        self.where = where


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
        self.steps = Steps(len(self.rows), self.batch, self.train.accumulate)
        self.feed, self.visit = opened.feed(), opened.visit
        self.at = Position()
        self.best: dict[str, Array] = {}
        self._begun = time.perf_counter()
        self._saved, self._saving = time.perf_counter(), 0.0
        self._seconds_a_step = 0.0
        self._interrupt = Interrupt()

    @property
    def _batches(self) -> int:
        """Batches of this epoch that are done."""
        return self.at.step_in_epoch * self.train.accumulate + self.at.batch_in_step

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on where a checkpoint was taken."""
        weights = {k: v for k, v in checkpoint.arrays.items() if not k.startswith("best/")}
        self.engine.load(weights)
        self.best = {k.removeprefix("best/"): v for k, v in checkpoint.arrays.items() if k.startswith("best/")}
        self.at = Position(**checkpoint.progress)

    def fit(self) -> Status:
        """Train to the last epoch or to a limit; the run folder then holds a checkpoint of the end."""
        threads = self.engine.threads("step", self.engine.lengths.largest(self.batch))
        name, train, steps = self.document.name, self.train, self.steps.steps
        plan = TrainPlan(name, str(self.run.path), train.epochs, steps, self.batch, threads, train.accumulate)
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
        self._tell_of_patience()
        return "finished" if self.is_done or stop is None else stop

    def _epochs(self, log: MetricsLog) -> Status | None:
        """All epochs that are left, or why there are some."""
        stop: Status | None = None
        while stop is None and not self.is_done:
            stop = self._epoch(log)
            # After Ctrl-C there is no time to measure: the epoch ends when the run goes on.
            if self.at.step_in_epoch == self.steps.steps and stop != "interrupted":
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

    def upcoming(self) -> tuple[Array, float]:
        """The rows and the learning rate of the next batch."""
        return self.feed.take(self.at.epoch, self._batches, 1)[0], float(self._rates(1)[0])

    def batches_to_come(self) -> list[tuple[Array, Gathering | None]]:
        """The batches that are left of this step, each with its place in it; of data in memory."""
        done, at = self._batches, self.at
        many = min(self.train.accumulate - at.batch_in_step, self.steps.batches - done)
        batches: list[tuple[Array, Gathering | None]] = []
        for number in range(done, done + many):
            rows = self.feed.take(at.epoch, number, 1)[0]
            batches.append((rows, self.steps.gathering(at.epoch, number, 1) if self.train.accumulate > 1 else None))
        return batches

    def used(self) -> dict[str, Array]:
        """The weights that are measured and kept: averages where the spec asks for them, once there is one."""
        return self.engine.averages() if self._averages else self.engine.weights()

    @property
    def _averages(self) -> bool:
        return self.train.average is not None and self.at.step > 0

    def save(self, log: MetricsLog) -> None:
        """Write the checkpoint; metrics go before it, so that it is never ahead of them."""
        begun = time.perf_counter()
        self.at.metrics = log.sync()
        weights = self.engine.present(averages=self._averages)
        for averages in {False, self._averages}:
            self._refuse_not_finite(self.engine.present(averages=averages))
        if self.at.step or self.is_done:  # before the first step there is nothing to use, only to go on from
            save_weights(self.run.last, weights, self.at.step)
            save_weights(self.run.best, self.best or weights, (self.at.best or {}).get("step", self.at.step))
        arrays = self.engine.state() | {f"best/{key}": array for key, array in self.best.items()}
        save_checkpoint(self.run.state, Checkpoint(arrays, dict(vars(self.at))))
        self._saved = time.perf_counter()
        self._saving = self._saved - begun

    def _epoch(self, log: MetricsLog) -> Status | None:
        """The steps left of this epoch; None when they are done."""
        return self.advance(self.steps.batches, lambda: self._save_in_time(None, log))

    def advance(self, end: int, after: Callable[[], None] = lambda: None) -> Status | None:
        """Train on the batches of this epoch up to the ``end``-th, with ``after`` after each chunk of them.

        None when they are done.
        """
        while self._batches < end and self.at.step_in_epoch < self.steps.steps:
            begin = time.perf_counter()
            rows = self.feed.take(self.at.epoch, self._batches, self._chunk(end - self._batches))
            stop = self._steps(rows, time.perf_counter() - begin)
            if stop is not None:
                return stop
            after()
        return None

    def _save_in_time(self, stop: Status | None, log: MetricsLog) -> None:
        """So that a crash costs seconds of work, in an epoch of hours too; what stops is saved anyway."""
        apart = max(CHECKPOINT_SECONDS, self._saving / CHECKPOINT_SHARE)
        if stop is None and time.perf_counter() - self._saved > apart:
            self.save(log)

    def _chunk(self, left: int) -> int:
        """How many batches to take before looking up."""
        count = min(left, self.engine.capacity(self.batch))
        if self.limits.steps is not None:
            steps = self.limits.steps - self.at.step
            count = min(count, steps * self.train.accumulate - self.at.batch_in_step)
        first_guess = 8
        fitting = int(CHUNK_SECONDS / self._seconds_a_step) + 1 if self._seconds_a_step else first_guess
        return max(min(count, fitting), 1)

    def _steps(self, rows: Array, waited: float) -> Status | None:
        """Train on ``rows``, which took ``waited`` seconds to come."""
        import numpy as np

        count, batch = rows.shape
        lr, at, done = self._rates(count), self.at, self._batches
        gathering = self.steps.gathering(at.epoch, done, count) if self.train.accumulate > 1 else None
        loss, sums, seconds = self.engine.train(rows, at.step, lr, gathering)
        if not np.isfinite(loss).all():
            bad = int(np.flatnonzero(~np.isfinite(loss))[0])
            step = at.step + (at.batch_in_step + bad) // self.train.accumulate + 1
            raise self._diverged(Where(at.epoch, done + bad, step), float(lr[bad]))
        counts = self.engine.counts(rows)
        for value, many in zip(loss.tolist(), counts[self.engine.loss_places].tolist(), strict=True):
            at.loss += value * many
        for places in counts.keys() - {""}:
            at.places[places] = at.places.get(places, 0) + int(counts[places].sum())
        for name, values in sums.items():
            total = at.totals.get(name, 0.0)
            for value in values.tolist():
                total += value
            at.totals[name] = total
        steps, at.batch_in_step = self.steps.done(done + count)
        at.step, at.step_in_epoch, at.samples = at.step + steps - at.step_in_epoch, steps, at.samples + count * batch
        at.seconds, at.epoch_seconds = at.seconds + waited + seconds, at.epoch_seconds + waited + seconds
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

        at, n = self.at, self.train.accumulate
        return np.array([self._rate(at.step + (at.batch_in_step + i) // n, at.epoch) for i in range(count)], np.float64)

    def _rate(self, step: int, epoch: int) -> float:
        optimizer, schedule = self.document.optimizer, self.document.schedule
        assert optimizer is not None
        if schedule is None:
            return optimizer.lr
        moment = Moment(step, self.steps.steps * self.train.epochs, epoch, self.train.epochs)
        return schedule.rate(optimizer.lr, moment, self.at.schedule)

    def _state(self) -> TrainState:
        at = self.at
        loss, metrics = self._so_far()
        speed = at.samples / at.epoch_seconds if at.epoch_seconds else 0.0
        return TrainState(at.epoch + 1, at.step_in_epoch, loss, metrics, speed)

    def _so_far(self) -> tuple[float, dict[str, float]]:
        """Loss and metrics of the steps of this epoch."""
        at = self.at
        counts = {"": at.samples, **at.places}
        return at.loss / counts[self.engine.loss_places], self.engine.metrics(at.totals, counts)

    def _end_epoch(self, log: MetricsLog) -> None:
        at = self.at
        train = Measured(at.samples, *self._so_far())
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
        at.step_in_epoch, at.samples, at.epoch_seconds = 0, 0, 0.0
        at.loss, at.totals, at.places = 0.0, {}, {}
        self.engine.forget()

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
            at.best, self.best = facts, self.used()

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
            measured[split] = self._evaluated(split)
        elif metric not in {"loss", *known.metrics, *known.tables}:
            found = self._evaluated(split)
            measured[split] = replace(known, metrics={**found.metrics, **known.metrics}, tables=found.tables)
        return measured[split]

    def _evaluated(self, split: str) -> Measured:
        """What the weights give that are used, which may be averages; those in training stay as they are."""
        if self.train.average is None:
            return self.engine.evaluate(self.visit(split))
        weights = self.engine.weights()
        self.engine.load(self.used())
        try:
            return self.engine.evaluate(self.visit(split))
        finally:
            self.engine.load(weights)

    def _is_better(self, metric: str, new: float, old: float) -> bool:
        whats = {binding.name: binding.what for binding in self.document.metrics}
        what = whats.get(metric)
        if isnan(old):  # anything is better, and no comparison says so
            return True
        return new > old if isinstance(what, Metric) and what.better == "higher" else new < old

    def _is_patient_no_more(self) -> bool:
        stop = self.train.early_stop
        return stop is not None and self.at.waited >= stop.patience

    def _tell_of_patience(self) -> None:
        """Fewer epochs than the spec says are not to be wondered at."""
        stop = self.train.early_stop
        if stop is not None and self._is_patient_no_more() and self.at.epoch < self.train.epochs:
            epochs = "1 epoch" if stop.patience == 1 else f"{stop.patience} epochs"
            what = f"the {stop.metric} on the split `{stop.split}` has not got better for {epochs}"
            self.progress.remark(f"stopped before epoch {self.train.epochs}: {what} (`early_stop`)")

    def _refuse_not_finite(self, weights: Mapping[str, Array]) -> None:
        """The loss of a step is that before its update: what the last update broke, no loss has told yet."""
        import numpy as np

        for key, array in weights.items():
            if not np.isfinite(array).all():
                if not self.at.step:
                    raise NotFiniteError(Diagnostic("not-finite", f"`{key}` begins with numbers that are not finite"))
                lr = float(self._rates(1)[0])
                raise self._diverged(self._last(), lr, f"`{key}` holds numbers that are not finite")

    def _last(self) -> Where:
        """The batch that was trained on last."""
        at = self.at
        if self._batches:
            return Where(at.epoch, self._batches - 1, at.step)
        return Where(at.epoch - 1, self.steps.batches - 1, at.step)

    def _diverged(self, where: Where, lr: float, what: str = "the loss is not a finite number") -> NotFiniteError:
        message = f"step {where.step}: {what}"
        optimizer = self.document.optimizer
        assert optimizer is not None
        lower = min(lr / 10, float(type(optimizer).model_fields["lr"].default))
        helps = [f"the learning rate {lr:g} may be too high: try `--set optimizer.{optimizer.kind}.lr={lower:g}`"]
        notes = [f"the last good checkpoint is that of step {self._saved_step()}"] if self.run.state.exists() else []
        diagnostic = Diagnostic("not-finite", message, notes=tuple(notes), helps=tuple(helps))
        return NotFiniteError(diagnostic, where=where)

    def _saved_step(self) -> int:
        from netspec.runs.checkpoint import load_checkpoint

        return int(load_checkpoint(self.run.state).progress["step"])
