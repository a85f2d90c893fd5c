"""The public face of netspec in Python: what the commands do, as functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec.api.evaluation import evaluate
from netspec.api.language import generate, vectors
from netspec.api.sound import sound
from netspec.api.validation import validate
from netspec.api.writing import diff, explain, formatted, gallery, new, new_from_data, templates
from netspec.diagnostics import Diagnostic, NetspecError
from netspec.spec.check import check

if TYPE_CHECKING:
    import numpy.typing as npt

    from netspec.data.known import DataSet
    from netspec.doctor import Examined
    from netspec.export.format import Model
    from netspec.export.write import Exported
    from netspec.inspection import Compiled
    from netspec.runs.run import Run
    from netspec.train.folds import Folds
    from netspec.train.gradients import GradCheck
    from netspec.train.predictor import Predictor
    from netspec.train.preview import Preview
    from netspec.train.progress import Progress
    from netspec.train.session import Session
    from netspec.train.timing import Timing
    from netspec.train.tracing import Trace

    Array: TypeAlias = npt.NDArray[Any]

__all__ = [
    "compile",
    "diff",
    "doctor",
    "evaluate",
    "explain",
    "export",
    "formatted",
    "gallery",
    "generate",
    "gradcheck",
    "new",
    "new_from_data",
    "predict",
    "preview",
    "templates",
    "trace",
    "train",
    "validate",
    "vectors",
]


# --- doctor, new ---


def doctor(*, measure: bool = True) -> Examined:
    """Look over this machine: what it has for netspec, and what stands in the way.

    Args:
        measure: Compile two small kernels and time them, which takes a second.
    """
    from netspec.doctor import examine

    return examine(measure=measure)


# --- data ---


def preview(
    target: Path | DataSet, *, offline: bool = False, told: Callable[[str], None] = lambda text: None
) -> Preview:
    """What the columns of some data hold, and what a spec makes of them.

    Args:
        target: A spec, a file of data, or a data set that is known by name (`netspec.data.known`).
        offline: Download nothing.
        told: Is told what takes long.

    Raises:
        NetspecError: if there are no data, or they are wrong.
    """
    from netspec.data.known import DataSet, source_of_file
    from netspec.train.preview import preview_source, preview_spec

    source = target.source if isinstance(target, DataSet) else source_of_file(target)
    if source is not None:
        return preview_source(source, offline=offline, told=told)
    assert isinstance(target, Path)
    return preview_spec(check(target), offline=offline, told=told)


# --- compile ---


def compile(  # noqa: A001  the verb of the whole; nobody imports it bare
    spec: Path | str, *, overrides: Sequence[str] = (), threads: int | None = None
) -> Compiled:
    """A spec as graphs and kernels, without its data.

    Raises:
        SpecError: with every fault of the spec.
    """
    from netspec.inspection import Compiled
    from netspec.pipeline import static_program

    checked = check(spec, overrides)
    checked.report.raise_if_failed()
    assert checked.document is not None
    return Compiled(static_program(checked.document, checked.report), threads)


def time_kernels(compiled: Compiled, *, progress: Progress | None = None) -> Timing:
    """What each kernel of a training step takes, or of a prediction where nothing is trained; on made-up data.

    Raises:
        ChoiceError: if sizes of the network are known only from the data.
    """
    from netspec.train import timing

    told = progress.compiling if progress else None
    return timing.time_kernels(compiled.program, compiled.kind, threads=compiled.threads, compiling=told)


# --- trace ---


def trace(
    spec: Path | str,
    *,
    overrides: Sequence[str] = (),
    row: int | None = None,
    step: int | None = None,
    layer: str | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Trace:
    """One training step, number by number.

    Args:
        spec: A file, or the text of a spec.
        overrides: ``a.b=c``, put over what the spec says.
        row: Which row of the data, from 1; by default the first of the step's batch.
        step: Which step, from 1; those before it are trained as `train` would. By default the first that trains on
            the row.
        layer: Tell of this layer or block alone.
        threads: How many.
        progress: Who is told how it goes.

    Raises:
        NetspecError: if the spec or the data are wrong, or there is no such layer, step or row.
    """
    from netspec.train import tracing

    document = sound(spec, overrides)
    return tracing.trace(document, row=row, step=step, layer=layer, threads=threads, progress=progress)


# --- train ---


@dataclass(frozen=True)
class TrainResult:
    """A training, or a cross-validation, that ended; ``summary`` is what `summary.json` holds."""

    run: Path
    summary: dict[str, Any]
    status: str


def train(
    spec: Path | str | None = None,
    *,
    overrides: Sequence[str] = (),
    out: Path | None = None,
    threads: int | None = None,
    resume: str | None = None,
    weights: Path | None = None,
    steps: int | None = None,
    max_seconds: float | None = None,
    folds: int | None = None,
    offline: bool = False,
    progress: Progress | None = None,
) -> TrainResult:
    """Train a spec into a new run folder, or go on with a run.

    Args:
        spec: A file, or the text of a spec; None with ``resume``.
        overrides: ``a.b=c``, put over what the spec says.
        out: The run folder itself, new or empty; by default the next number of the spec's name.
        threads: How many; by default as many as there is work for.
        resume: The run to go on with: a folder, a name or ``@last``.
        weights: A safetensors file whose weights training begins with.
        steps: Stop after so many steps.
        max_seconds: Stop after so many seconds.
        folds: Train so many times, each time with another part of the rows as test split.
        offline: Download nothing.
        progress: Who is told how it goes.

    Raises:
        NetspecError: if the spec, the data or the machine do not allow it; the run then holds its last checkpoint.
    """
    from netspec.runs.folder import find_run
    from netspec.train.folds import begin_folds, go_on_folds
    from netspec.train.loop import Limits
    from netspec.train.progress import Silent
    from netspec.train.session import begin, folds_of, go_on

    listener = progress or Silent()
    limits = Limits(steps, max_seconds)
    training: Session | Folds
    if resume is not None:
        run = find_run(resume)
        training = (go_on_folds if folds_of(run) else go_on)(run, threads, listener, limits, offline=offline)
    else:
        assert spec is not None
        document = sound(spec, overrides, listener.warned)
        if folds is None:
            training = begin(document, overrides, out, threads, weights, listener, limits, offline=offline)
        else:
            training = begin_folds(document, folds, overrides, out, threads, weights, listener, limits, offline=offline)
    summary = training.train()
    return TrainResult(Path(summary["run"]), summary, str(summary["status"]))


# --- predict ---


@dataclass(frozen=True)
class Predicted:
    """A map for every row: classes and probabilities, or numbers, by name."""

    run: Path
    rows: list[dict[str, Any]] = field(default_factory=list)


def predict(
    run: str | Path, rows: Path | Sequence[Mapping[str, Any]], *, threads: int | None = None, resize: bool = False
) -> Predicted:
    """Predict for raw rows with a run's best weights.

    Args:
        run: A folder, a name or ``@last``.
        rows: A file (CSV, JSON lines, NPZ, NPY or Parquet), or maps from the names of inputs or columns to values. For
            a network that reads an image also a picture, or a folder or zip archive of pictures.
        threads: How many.
        resize: Make pictures of the size that the network reads, whatever theirs is.
    """
    from netspec.train.predictor import Predictor
    from netspec.train.session import run_named

    found = run_named(str(run))
    return Predicted(found.path, Predictor(found, threads=threads).predict(rows, resize=resize))


# --- export ---


def export(
    run: str | Path,
    formats: Sequence[str],
    out: str | Path | None = None,
    *,
    threads: int | None = None,
    force: bool = False,
) -> list[Exported]:
    """Write a run's best weights in other formats; each is checked against the compiled network before it is kept.

    Args:
        run: A folder, a name or ``@last``.
        formats: Their names, such as ``safetensors`` and ``numpy``.
        out: A folder (a new one ends with a slash), or the files' name; by default the network's name, here.
        threads: How many.
        force: Overwrite files that are there.

    Raises:
        ChoiceError: if there is no such format or run, or a file is there already.
        NetspecError: if a format has no way to say what the network does.
    """
    from netspec.export import write
    from netspec.train.predictor import Predictor
    from netspec.train.session import run_named

    chosen = write.formats_named(formats)
    found = run_named(str(run))
    predictor = Predictor(found, threads=threads)
    return write.export(_model(found, predictor), chosen, out, predictor.outputs, force=force)


def _model(run: Run, predictor: Predictor) -> Model:
    """A run as formats of export see it."""
    from netspec.export.format import Answer, Model
    from netspec.train.opening import predictor_constants

    return Model(
        name=predictor.document.name,
        origin=run.name,
        document=predictor.document,
        resolved=run.spec.read_text(encoding="utf-8"),
        graph=predictor.program.predict,
        weights=predictor.weights,
        constants={
            key: array.reshape(()) if array.size == 1 else array
            for key, array in predictor_constants(predictor.document, predictor.fitted).items()
        },
        fitted=predictor.fitted,
        answers={name: Answer(*predictor.answer(name)) for name in predictor.document.network.outputs},
    )


# --- gradcheck ---


def gradcheck(spec: Path | str, *, overrides: Sequence[str] = (), rows: int = 17) -> GradCheck:
    """Compare compiled gradients with finite differences in float64, on the first ``rows`` training rows."""
    from netspec.train.engine import Engine
    from netspec.train.gradients import LIMIT, GradCheck, check_gradients
    from netspec.train.opening import open_spec

    document = sound(spec, overrides)
    if not document.losses:
        raise NetspecError(Diagnostic("missing-key", "there is no loss, and so no gradient", helps=("add `loss`",)))
    opened = open_spec(document)
    engine = Engine(opened.program, opened.dataset.arrays, opened.constants, seed=document.train.seed)
    chosen = opened.dataset.first("train", rows)
    checked = check_gradients(engine, opened.dataset.arrays, chosen)
    engine.close()
    return GradCheck(tuple(checked), LIMIT)
