"""One training from its spec to its summary: what is opened, written and measured around the loop."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec import __version__
from netspec.data.fitting import Fitted
from netspec.diagnostics import DataError, Diagnostic, NetspecError
from netspec.runs.checkpoint import load_checkpoint, load_fitted, load_weights, save_fitted
from netspec.runs.folder import RunChoiceError, create_run, find_run
from netspec.runs.machine import machine_facts
from netspec.runs.metrics import cut_metrics
from netspec.runs.run import Run
from netspec.spec.document import Document, load
from netspec.spec.resolved import resolved
from netspec.train.engine import Engine
from netspec.train.loop import Limits, NotFiniteError, Status, Trainer
from netspec.train.opening import Opened, check_trainable, open_spec
from netspec.train.progress import Progress

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]


def run_named(text: str) -> Run:
    """The run that a user names."""
    return find_run(text)


def document_of(run: Run) -> Document:
    """The resolved spec of a run."""
    return load(run.spec, base=Path(run.read_record()["base"]))


def best_weights(run: Run) -> dict[str, Array]:
    """The weights that a run is used with.

    Raises:
        DataError: if it has none yet.
    """
    if not run.best.exists():
        message = f"`{run.path}` has no weights yet: its training is {run.status()} and has not finished a step"
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
            except NotFiniteError:
                self._finish("diverged", begun, measure=False)
                raise
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
        rows = self.opened.dataset.splits.get("test")
        if rows is None or not len(rows):
            return None
        if self.trainer.best:
            self.engine.load(self.trainer.best)
        measured = self.engine.evaluate(rows)
        return {"loss": measured.loss, **measured.metrics}


def begin(
    document: Document,
    overrides: Sequence[str],
    out: Path | None,
    threads: int | None,
    weights: Path | None,
    progress: Progress,
    limits: Limits,
) -> Session:
    """Open data, compile, and only then make the run folder: a spec or data with a fault leave nothing behind."""
    check_trainable(document)
    opened = open_spec(document)
    _check_measured(document, opened)
    _check_batch(document, opened)
    engine = _engine(opened, threads, progress)
    if weights is not None:
        engine.load(_fitting(load_weights(weights).arrays, opened, weights))
    engine.executable("step")
    run = create_run(document.name, out)
    with ExitStack() as held:
        held.enter_context(run.lock())
        run.write_record(
            netspec=__version__,
            arguments=sys.argv[1:],
            overrides=list(overrides),
            base=str(document.base.resolve()),
            seed=document.train.seed,
            status="begun",
            fingerprint=opened.dataset.fingerprint,
            arithmetic=_arithmetic(),
            **machine_facts(),
        )
        run.keep_source(dict(document.sources))
        run.write_spec(resolved(document))
        fitted = opened.dataset.fitted
        save_fitted(*run.fitted, fitted.to_arrays(), fitted.to_json())
        trainer = Trainer(engine, opened, run, progress, limits)
        return Session(run, document, opened, engine, trainer, progress, held.pop_all())


def go_on(name: str, threads: int | None, progress: Progress, limits: Limits) -> Session:
    """A run at its checkpoint, ready to go on to the same bits.

    Raises:
        DataError: if the data are not those that it began with.
    """
    run = run_named(name)
    with ExitStack() as held:
        held.enter_context(run.lock())
        record = run.read_record()
        document = document_of(run)
        if not run.state.exists():
            message = f"there is no checkpoint in `{run.path}`: the training ended before its first"
            raise DataError(Diagnostic("missing-file", message, helps=("train anew",)))
        checkpoint = load_checkpoint(run.state)
        opened = open_spec(document, fitted=fitted_of(run))
        if record.get("fingerprint") != opened.dataset.fingerprint:
            message = f"the data of `{run.path}` have changed since the run began"
            raise DataError(Diagnostic("changed-data", message, helps=("bring the old data back, or train anew",)))
        if record.get("arithmetic") != _arithmetic():
            was, now = record.get("arithmetic"), _arithmetic()
            progress.remark(f"this run was trained with `{was}`, here it is `{now}`: its bits will be others")
        engine = _engine(opened, threads, progress)
        trainer = Trainer(engine, opened, run, progress, limits)
        trainer.resume(checkpoint)
        if trainer.is_done and record.get("status") == "finished":
            raise _finished(run)
        cut_metrics(run.metrics, trainer.at.epoch)
        return Session(run, document, opened, engine, trainer, progress, held.pop_all())


def _check_measured(document: Document, opened: Opened) -> None:
    """Whether the split that selects or stops is there; without this the setting would do nothing.

    Raises:
        DataError: if it is not.
    """
    chosen_by = {"train.select": document.train.select, "train.early_stop": document.train.early_stop}
    watched = document.schedule.watched if document.schedule else None
    for key, chosen in {**chosen_by, "schedule": watched}.items():
        if chosen is not None and chosen.split is not None and chosen.split not in opened.dataset.splits:
            message = f"`{key}` measures the split `{chosen.split}`, and the data have none"
            helps = (f"set rows aside: `data: {{split: {{{chosen.split}: 0.2}}}}`",)
            raise DataError(Diagnostic("unknown-split", message, helps=helps))


def _check_batch(document: Document, opened: Opened) -> None:
    """Whether there are rows for one batch; the default size alone gives way to fewer.

    Raises:
        DataError: if there are not.
    """
    batch, rows = document.train.batch, len(opened.dataset.splits["train"])
    if isinstance(batch, int) and batch > rows and batch != type(document.train).model_fields["batch"].default:
        message = f"`train.batch` is {batch}, and the split `train` has {rows} rows"
        helps = (f"ask for at most {rows}", "or for all of them in one step: `batch: full`")
        raise DataError(Diagnostic("too-few-rows", message, document.spans.get("train"), helps=helps))


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
        opened.dataset.columns,
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
