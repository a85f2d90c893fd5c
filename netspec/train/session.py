"""One training from its spec to its summary: what is opened, written and measured around the loop."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec import __version__
from netspec.data.fitting import Fitted
from netspec.diagnostics import DataError, Diagnostic, NetspecError, Report
from netspec.runs.checkpoint import Checkpoint, load_checkpoint, load_fitted, load_weights, save_fitted
from netspec.runs.folder import RunChoiceError, create_run, find_run
from netspec.runs.machine import machine_facts
from netspec.runs.metrics import cut_metrics
from netspec.runs.run import Run
from netspec.spec.document import Document, load
from netspec.spec.resolved import resolved
from netspec.spec.rows import check_rows
from netspec.train.diagnosis import explain
from netspec.train.engine import Engine
from netspec.train.loop import Limits, NotFiniteError, Status, Trainer
from netspec.train.memory import check_training
from netspec.train.opening import Opened, check_batches, check_trainable, open_spec, rows_of
from netspec.train.progress import Progress
from netspec.train.samedata import check_same, data_facts

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]


def run_named(text: str) -> Run:
    """The run that a user names.

    Raises:
        RunChoiceError: if there is none, or it is a cross-validation, whose folds are the runs.
    """
    run = find_run(text)
    count = folds_of(run)
    if count:
        helps = (f"name one of them: `{run.path / fold_name(1, count)}`", f"`{run.summary}` has the measures of all")
        message = f"`{run.path}` holds {count} folds, each a run of its own"
        raise RunChoiceError(Diagnostic("unknown-run", message, helps=helps))
    return run


def folds_of(run: Run) -> int:
    """How many folds a cross-validation has; 0 of any other run."""
    return int(run.read_record().get("folds", 0))


def fold_name(fold: int, count: int) -> str:
    """The folder of a fold, from 1, in that of all: `fold-01`."""
    return f"fold-{fold:0{max(2, len(str(count)))}d}"


def document_of(run: Run) -> Document:
    """The resolved spec of a run."""
    return load(run.spec, base=run.base())


def best_weights(run: Run) -> dict[str, Array]:
    """The weights that a run is used with.

    Raises:
        DataError: if it has none yet.
    """
    if not run.best.exists():
        message = f"there is no `{run.best}`: the training is {run.status()} and had no weights yet, or lost them"
        helps = (f"`netspec train --resume {run.path}` goes on with it",)
        raise DataError(Diagnostic("missing-file", message, helps=helps))
    return load_weights(run.best).arrays


def fitted_of(run: Run) -> Fitted:
    """What a run fitted on its training rows."""
    arrays, facts = load_fitted(*run.fitted)
    return Fitted.from_parts(facts, arrays)


@dataclass(frozen=True)
class Session:
    """A training that is ready to begin, or to go on."""

    run: Run
    document: Document
    opened: Opened
    engine: Engine
    trainer: Trainer
    progress: Progress
    held: ExitStack
    """What is held until the training ends: the lock of the run folder."""

    def train(self) -> dict[str, Any]:
        """Train, measure the best weights, and write the summary.

        Raises:
            NetspecError: if the loss stops being finite; the last good checkpoint stays.
        """
        begun = time.perf_counter()
        with self.held:
            self.run.update(status="training")
            try:
                status = self.trainer.fit()
            except NotFiniteError as fault:
                try:
                    raise explain(fault, self.engine, self.opened, self.run) from None
                except MemoryError:  # every value of a step may be more than a machine holds; the fault itself is told
                    raise fault from None
                finally:
                    self._finish("diverged", begun, measure=False)
            except BaseException:
                with suppress(NetspecError):  # a full disk is what it may have failed of
                    self.run.update(status="failed")
                raise
            return self._finish(status, begun, measure=status != "interrupted")

    def _finish(self, status: Status, begun: float, *, measure: bool) -> dict[str, Any]:
        at = self.trainer.at
        summary: dict[str, Any] = {
            "version": 1,
            "run": str(self.run.path),
            "status": status,
            "epochs": at.epoch,
            "steps": at.step,
            "seconds": time.perf_counter() - begun,
            "best": at.best,
            "test": self._test() if measure else None,
        }
        self.run.write_summary(summary)
        self.run.update(status=status)
        self.engine.close()
        self.progress.finished(summary)
        return summary

    def _test(self) -> dict[str, float] | None:
        """Loss and metrics of the best weights on the test split, if there is one."""
        if not len(self.opened.dataset.splits.get("test", ())):
            return None
        self.engine.load(self.trainer.best or self.trainer.used())
        measured = self.engine.evaluate(self.opened.visit("test"))
        return {"loss": measured.loss, **measured.metrics}


def begin(
    document: Document,
    overrides: Sequence[str],
    out: Path | Callable[[], Path] | None,
    threads: int | None,
    weights: Path | None,
    progress: Progress,
    limits: Limits,
    *,
    offline: bool = False,
) -> Session:
    """Open data, compile, and only then make the run folder: a spec or data with a fault leave nothing behind."""
    opened = open_to_train(document, progress, offline=offline)
    engine = _engine(opened, threads, progress)
    if weights is not None:
        engine.load(_fitting(load_weights(weights).arrays, opened, weights))
    check_training(engine, opened)
    engine.executable("step")
    run = create_run(document.name, out() if callable(out) else out)
    with ExitStack() as held:
        held.enter_context(run.lock())
        run.keep_source(dict(document.sources))
        spec = run.write_spec(resolved(document))
        fitted = opened.dataset.fitted
        save_fitted(*run.fitted, fitted.to_arrays(), fitted.to_json())
        # Last, for it makes the folder a run: one that was killed before is none, and never found by a name.
        run.write_record(
            netspec=__version__,
            arguments=sys.argv[1:],
            overrides=list(overrides),
            base=str(document.base.resolve()),
            seed=document.train.seed,
            status="begun",
            spec=spec,
            arithmetic=_arithmetic(),
            **data_facts(opened.dataset),
            **machine_facts(),
        )
        trainer = Trainer(engine, opened, run, progress, limits)
        return Session(run, document, opened, engine, trainer, progress, held.pop_all())


def open_to_train(document: Document, progress: Progress, *, offline: bool = False) -> Opened:
    """The data of a spec, in which there is all that its training asks for.

    Raises:
        NetspecError: if there is not.
    """
    check_trainable(document)
    opened = open_spec(document, offline=offline, told=progress.remark)
    report = Report(dict(document.sources))
    check_rows(document, rows_of(opened), report)
    report.raise_if_failed()
    check_batches(opened)
    return opened


def go_on(run: Run, threads: int | None, progress: Progress, limits: Limits, *, offline: bool = False) -> Session:
    """A run at its checkpoint, ready to go on to the same bits.

    Raises:
        DataError: if the data are not those that it began with.
    """
    with ExitStack() as held:
        held.enter_context(run.lock())
        record = run.read_record()
        _check_resumable(run)
        document = document_of(run)
        opened = open_spec(document, fitted=fitted_of(run), offline=offline, told=progress.remark)
        check_same(run, record, opened.dataset)
        if record.get("arithmetic") != _arithmetic():
            was, now = record.get("arithmetic"), _arithmetic()
            progress.remark(f"this run was trained with `{was}`, here it is `{now}`: its bits will be others")
        engine = _engine(opened, threads, progress)
        check_training(engine, opened)
        trainer = Trainer(engine, opened, run, progress, limits)
        trainer.resume(_checkpoint(run))
        if trainer.is_done and record.get("status") == "finished":
            raise _finished(run)
        damage = cut_metrics(run.metrics, trainer.at.metrics, trainer.at.epoch)
        if damage is not None:
            progress.remark(damage)
        return Session(run, document, opened, engine, trainer, progress, held.pop_all())


def _check_resumable(run: Run) -> None:
    """Whether a run has a checkpoint.

    Raises:
        DataError: if it has none.
    """
    if not run.state.exists():
        message = f"there is no `{run.state}`: the training ended before its first checkpoint, or the file was lost"
        raise DataError(Diagnostic("missing-file", message, helps=_anew(run)))


def _checkpoint(run: Run) -> Checkpoint:
    """Where a run stands.

    Raises:
        DataError: if the file is damaged.
    """
    try:
        return load_checkpoint(run.state)
    except DataError as error:
        raise DataError(*(replace(d, helps=(*d.helps, *_anew(run))) for d in error.diagnostics)) from error


def _anew(run: Run) -> tuple[str, ...]:
    if not run.last.exists():
        return ("train anew",)
    return (f"`netspec train SPEC --weights {run.last}` begins a new run with the weights of its last checkpoint",)


def _finished(run: Run) -> RunChoiceError:
    helps = (
        f"`netspec evaluate {run.path}` measures it",
        f"to train longer, begin a new run with its weights: `--weights {run.last} --set train.epochs=N`",
    )
    message = f"`{run.path}` is finished: nothing is left to train"
    return RunChoiceError(Diagnostic("run-finished", message, helps=helps))


def _engine(opened: Opened, threads: int | None, progress: Progress) -> Engine:
    return Engine(
        opened.program,
        opened.dataset.arrays,
        opened.constants,
        seed=opened.program.document.train.seed,
        threads=threads,
        compiling=progress.compiling,
    )


def _arithmetic() -> str:
    from netspec.compiler.kernels import processor

    return processor.current().arithmetic


def _fitting(arrays: dict[str, Array], opened: Opened, path: Path) -> dict[str, Array]:
    """The weights of a file, if they are those of the network.

    Raises:
        DataError: if one is missing, unknown, or of another shape.
    """
    wanted = {key: tuple(p.shape) for key, p in opened.program.parameters.items()}
    for key, shape in wanted.items():
        found = arrays.get(key)
        if found is None or found.shape != shape:
            has = "has no" if found is None else f"has {list(found.shape)} for"
            message = f"`{path}` {has} `{key}`, which is {list(shape)} in this network"
            raise DataError(Diagnostic("wrong-weights", message))
    return {key: arrays[key] for key in wanted}
