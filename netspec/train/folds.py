"""Cross-validation: a training for each part of the rows as test split, each a run inside one folder."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from netspec import __version__
from netspec.diagnostics import DataError, Diagnostic
from netspec.runs.folder import RunChoiceError, create_run
from netspec.runs.machine import machine_facts
from netspec.runs.run import Run
from netspec.spec.document import Document
from netspec.spec.folds import with_folds
from netspec.spec.resolved import resolved
from netspec.train.loop import Limits, NotFiniteError
from netspec.train.opening import Opened, open_spec
from netspec.train.progress import Progress, Silent, TrainPlan, TrainState
from netspec.train.session import Session, begin, document_of, fold_name, go_on, open_to_train


@dataclass
class Folds:
    """A cross-validation that is ready to begin or to go on; ``document`` says into how many parts rows are cut.

    Every fold is a run with files of its own, `fold-01` to `fold-10`. The folder of all holds the record, the spec and
    the summary, but neither weights nor a checkpoint.
    """

    document: Document
    overrides: Sequence[str]
    out: Path | None
    threads: int | None
    weights: Path | None
    progress: Progress
    limits: Limits
    offline: bool
    run: Run | None = None
    """The folder of all; None until the first fold is ready to begin."""
    fingerprint: str = ""
    held: ExitStack = field(default_factory=ExitStack)
    """What is held until all is trained: the lock of the folder."""

    @property
    def count(self) -> int:
        assert self.document.data is not None
        assert self.document.data.split.folds is not None
        return self.document.data.split.folds

    def train(self) -> dict[str, Any]:
        """Train what is left of every fold, and write the summary of all.

        Raises:
            NetspecError: if a fold's loss stops being finite, or its data have changed; the folds before it stay.
        """
        begun = time.perf_counter()
        lines: list[dict[str, Any]] = []
        with self.held:
            try:
                status = self._folds(lines, begun)
            except BaseException as error:
                if self.run is None:  # refused before anything was written
                    raise
                if not isinstance(error, KeyboardInterrupt):
                    self._finish("diverged" if isinstance(error, NotFiniteError) else "failed", lines, begun)
                    raise
                status = "interrupted"  # between two trainings, which answer it themselves
            return self._finish(status, lines, begun)

    def _folds(self, lines: list[dict[str, Any]], begun: float) -> str:
        for fold in range(1, self.count + 1):
            summary = self._done(fold)
            if summary is None:
                limits = self._left(begun)
                if limits is None:
                    return "stopped"
                summary = self._session(fold, limits).train()
                if summary["status"] == "interrupted":
                    return "interrupted"
            lines.append({"fold": fold, **{key: value for key, value in summary.items() if key != "version"}})
            self.progress.fold(lines[-1], self.count)
        return "finished" if all(line["status"] == "finished" for line in lines) else "stopped"

    def _left(self, begun: float) -> Limits | None:
        """The limits of the next training: its own steps, and what is left of the time of all."""
        if self.limits.seconds is None:
            return self.limits
        left = self.limits.seconds - (time.perf_counter() - begun)
        return replace(self.limits, seconds=left) if left > 0 else None

    def _place(self, fold: int) -> Path:
        return self._made().path / fold_name(fold, self.count)

    def _done(self, fold: int) -> dict[str, Any] | None:
        """The summary of a fold that is trained to its end."""
        if self.run is None:
            return None
        run = Run(self._place(fold))
        summary = run.read_summary() if run.summary.exists() else {}
        return summary if summary.get("status") == "finished" else None

    def _session(self, fold: int, limits: Limits) -> Session:
        """A fold ready to begin, or at its checkpoint."""
        progress = _OneFold(self.progress, fold, self)
        if self.run is not None and Run(self._place(fold)).state.exists():
            return go_on(Run(self._place(fold)), self.threads, progress, limits, offline=self.offline)
        document = with_folds(self.document, self.count, fold)
        session = begin(
            document, self.overrides, lambda: self._empty(fold), self.threads, self.weights, progress, limits,
            offline=self.offline,
        )  # fmt: skip
        if self.fingerprint and self.fingerprint != session.opened.dataset.fingerprint:
            session.held.close()
            message = f"the data of `{self._made().path}` have changed since its first fold began"
            raise DataError(Diagnostic("changed-data", message, helps=("bring the old data back, or train anew",)))
        return session

    def _empty(self, fold: int) -> Path:
        """The folder of a fold, without what a process left there that was killed before its first checkpoint."""
        import shutil

        path = self._place(fold)
        if path.exists():
            shutil.rmtree(path)
        return path

    def _made(self) -> Run:
        """The folder of all, made when the first fold is about to be written."""
        if self.run is None:
            self.run = create_run(self.document.name, self.out)
            self.held.enter_context(self.run.lock())
            self.run.keep_source(dict(self.document.sources))
            spec = self.run.write_spec(resolved(self.document))
            self.run.write_record(
                netspec=__version__,
                arguments=sys.argv[1:],
                overrides=list(self.overrides),
                base=str(self.document.base.resolve()),
                seed=self.document.train.seed,
                status="training",
                folds=self.count,
                weights=None if self.weights is None else str(self.weights.resolve()),
                fingerprint=self.fingerprint,
                spec=spec,
                **machine_facts(),
            )
        return self.run

    def _finish(self, status: str, lines: Sequence[Mapping[str, Any]], begun: float) -> dict[str, Any]:
        run = self._made()
        mean, deviation = _moments([line["test"] for line in lines if line["test"]])
        summary: dict[str, Any] = {
            "version": 1,
            "run": str(run.path),
            "status": status,
            "epochs": sum(line["epochs"] for line in lines),
            "seconds": time.perf_counter() - begun,
            "best": None,
            "test": mean,
            "deviation": deviation,
            "fold_count": self.count,
            "folds": list(lines),
        }
        run.write_summary(summary)
        run.update(status=status)
        self.progress.finished(summary)
        return summary


def begin_folds(
    document: Document,
    folds: int,
    overrides: Sequence[str],
    out: Path | None,
    threads: int | None,
    weights: Path | None,
    progress: Progress,
    limits: Limits,
    *,
    offline: bool = False,
) -> Folds:
    """Open the data of every fold, so that none stops halfway for a fault that could be seen at the start.

    Raises:
        NetspecError: if the spec or the data do not allow it.
    """
    if document.data is None:
        open_spec(document)  # which says so
    opened = open_to_train(with_folds(document, folds, 1), progress, offline=offline)
    document = with_folds(document, folds, stratify=_classes(opened))
    for fold in range(1, folds + 1):
        opened = open_to_train(with_folds(document, folds, fold), progress, offline=offline)
    fingerprint = opened.dataset.fingerprint
    return Folds(document, overrides, out, threads, weights, progress, limits, offline, fingerprint=fingerprint)


def go_on_folds(run: Run, threads: int | None, progress: Progress, limits: Limits, *, offline: bool = False) -> Folds:
    """A cross-validation with the folds that are not trained to their end.

    Raises:
        NetspecError: if there are none, or another process trains them.
    """
    record = run.read_record()
    weights = None if record.get("weights") is None else Path(record["weights"])
    folds = Folds(
        document_of(run), record["overrides"], None, threads, weights, progress, limits, offline, run,
        record["fingerprint"],
    )  # fmt: skip
    with ExitStack() as held:
        held.enter_context(run.lock())
        if run.read_record().get("status") == "finished":
            raise RunChoiceError(Diagnostic("run-finished", f"every fold of `{run.path}` is trained to its end"))
        run.update(status="training")
        folds.held = held.pop_all()
    return folds


def _classes(opened: Opened) -> str | None:
    """The target whose classes every fold should have in one ratio."""
    targets = [binding.target for binding in opened.program.document.losses if binding.target]
    fields = opened.dataset.fields
    return next((name for name in targets if fields[name].kind == "category"), None)


def _moments(measured: Sequence[Mapping[str, float]]) -> tuple[dict[str, float], dict[str, float | None]]:
    """The mean of each measure, and its deviation between folds (over their number less one; None of one fold)."""
    mean: dict[str, float] = {}
    deviation: dict[str, float | None] = {}
    for name in measured[0] if measured else ():
        values = [found[name] for found in measured]
        mean[name] = math.fsum(values) / len(values)
        squares = math.fsum((value - mean[name]) ** 2 for value in values)
        deviation[name] = math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else None
    return mean, deviation


class _OneFold(Silent):
    """What one fold tells, as a part of the whole: its start and its epochs are none of the listener's concern."""

    def __init__(self, whole: Progress, fold: int, folds: Folds) -> None:
        self._whole, self._fold, self._folds = whole, fold, folds

    def started(self, plan: TrainPlan) -> None:
        assert self._folds.run is not None
        self._whole.started(replace(plan, run=str(self._folds.run.path), fold=self._fold, folds=self._folds.count))

    def compiling(self, done: int, total: int) -> None:
        self._whole.compiling(done, total)

    def step(self, state: TrainState) -> None:
        self._whole.step(replace(state, fold=self._fold))

    def remark(self, text: str) -> None:
        self._whole.remark(f"fold {self._fold}: {text}")
