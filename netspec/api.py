"""The public face of netspec in Python: what the commands do, as functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec.diagnostics import Diagnostic, NetspecError, in_order, render
from netspec.spec.check import check
from netspec.spec.document import Document

if TYPE_CHECKING:
    import numpy.typing as npt

    from netspec.inspection import Compiled
    from netspec.train.engine import Engine
    from netspec.train.gradients import CheckedGradient
    from netspec.train.opening import Opened
    from netspec.train.progress import Progress

    Array: TypeAlias = npt.NDArray[Any]

__all__ = ["compile", "evaluate", "gradcheck", "predict", "train", "validate"]


# --- validate ---


@dataclass(frozen=True)
class Validated:
    """What is wrong with one spec."""

    name: str
    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, str]
    waiting: tuple[str, ...] = ()
    """Facts of `expect` that were skipped, each with the reason."""

    @property
    def errors(self) -> int:
        return sum(d.severity == "error" for d in self.diagnostics)

    @property
    def warnings(self) -> int:
        return len(self.diagnostics) - self.errors

    def render(self) -> str:
        """All diagnostics as text."""
        return "\n".join(render(d, self.sources) for d in self.diagnostics)


def validate(specs: Sequence[str | Path], *, stdin: str | None = None) -> list[Validated]:
    """Check specs completely, without their data.

    Args:
        specs: Files; ``-`` stands for the text ``stdin``.
        stdin: The text of a spec.
    """
    results = []
    for spec in specs:
        name = "<stdin>" if spec == "-" else str(spec)
        checked = check(stdin or "", name=name) if spec == "-" else check(Path(spec))
        faults = tuple(in_order(checked.report.diagnostics))
        results.append(Validated(name, faults, dict(checked.report.sources), checked.waiting))
    return results


def _sound(spec: Path | str, overrides: Sequence[str] = ()) -> Document:
    """A spec in which nothing is wrong that can be seen without its data.

    Raises:
        SpecError: with every fault.
    """
    checked = check(spec, overrides)
    checked.report.raise_if_failed()
    assert checked.document is not None
    return checked.document


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
    program = static_program(checked.document, checked.report)
    return Compiled(program, threads)


# --- train ---


@dataclass(frozen=True)
class TrainResult:
    """A training that ended; ``summary`` is what `summary.json` holds."""

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
        progress: Who is told how it goes.

    Raises:
        NetspecError: if the spec, the data or the machine do not allow it; the run then holds its last checkpoint.
    """
    from netspec.train.loop import Limits
    from netspec.train.progress import Silent
    from netspec.train.session import begin, go_on

    listener = progress or Silent()
    limits = Limits(steps, max_seconds)
    if resume is not None:
        session = go_on(resume, threads, listener, limits)
    else:
        assert spec is not None
        session = begin(_sound(spec, overrides), overrides, out, threads, weights, listener, limits)
    summary = session.train()
    return TrainResult(session.run.path, summary, str(summary["status"]))


# --- evaluate ---


@dataclass(frozen=True)
class Evaluated:
    """Loss and metrics of every split, and what `expect` says of them."""

    name: str
    splits: Mapping[str, Mapping[str, Any]]
    expect: tuple[Mapping[str, Any], ...] = ()

    @property
    def passed(self) -> bool:
        return all(held["verdict"] == "ok" for held in self.expect)

    def summary(self) -> dict[str, Any]:
        """As `evaluate --json` prints it."""
        found: dict[str, Any] = {"name": self.name, "splits": dict(self.splits)}
        return {**found, "expect": list(self.expect), "passed": self.passed} if self.expect else found


def evaluate(target: str | Path, *, check: bool = False, threads: int | None = None) -> Evaluated:
    """Measure a run with its best weights, or a spec as it is initialised.

    Args:
        target: A spec's file, or a run: a folder, a name or ``@last``.
        check: Hold what the spec's ``expect`` says of metrics and examples.
        threads: How many.
    """
    from netspec.train.holding import hold

    name, document, opened, engine, kept = _engine_of(target, threads)
    splits = {}
    for split, rows in opened.dataset.splits.items():
        measured = engine.evaluate(rows)
        loss = {"loss": measured.loss} if document.losses else {}
        splits[split] = {"rows": measured.rows, **loss, **measured.facts()}
    held = hold(document, opened, engine, kept, splits) if check else ()
    engine.close()
    return Evaluated(name, splits, tuple(held))


def _engine_of(
    target: str | Path, threads: int | None
) -> tuple[str, Document, Opened, Engine, dict[str, dict[str, Array]]]:
    """A spec as initialised or a run with its best weights; and the weights of `best` and `last`."""
    from netspec.runs.checkpoint import load_weights
    from netspec.train.engine import Engine
    from netspec.train.opening import open_spec
    from netspec.train.session import best_weights, document_of, fitted_of, run_named

    path = Path(target)
    kept: dict[str, dict[str, Array]] = {}
    is_meant_as_spec = path.suffix in (".yaml", ".yml") and not path.exists()
    if path.is_file() or is_meant_as_spec:
        document, name, fitted = _sound(path), str(path), None
    else:
        run = run_named(str(target))
        document, name, fitted = document_of(run), run.name, fitted_of(run)
        kept = {"best": best_weights(run), "last": load_weights(run.last).arrays}
    opened = open_spec(document, fitted=fitted)
    engine = Engine(opened.program, opened.dataset.columns, opened.constants, seed=document.train.seed, threads=threads)
    if kept:
        engine.load(kept["best"])
    return name, document, opened, engine, kept


# --- predict ---


@dataclass(frozen=True)
class Predicted:
    """A map for every row: classes and probabilities, or numbers, by name."""

    run: Path
    rows: list[dict[str, Any]] = field(default_factory=list)


def predict(run: str | Path, rows: Path | Sequence[Mapping[str, Any]], *, threads: int | None = None) -> Predicted:
    """Predict for raw rows with a run's best weights.

    Args:
        run: A folder, a name or ``@last``.
        rows: A file (CSV, JSON lines or NPZ), or maps from the names of inputs or columns to values.
        threads: How many.
    """
    from netspec.train.predictor import Predictor
    from netspec.train.session import run_named

    found = run_named(str(run))
    return Predicted(found.path, Predictor(found, threads=threads).predict(rows))


# --- gradcheck ---


@dataclass(frozen=True)
class GradCheck:
    """The gradients of all weights, checked."""

    rows: tuple[CheckedGradient, ...]
    limit: float

    @property
    def passed(self) -> bool:
        return all(row.passed for row in self.rows)

    def summary(self) -> dict[str, Any]:
        """As `gradcheck --json` prints it."""
        weights = [{"name": r.name, "shape": list(r.shape), "error": r.error, "passed": r.passed} for r in self.rows]
        return {"limit": self.limit, "passed": self.passed, "weights": weights}


def gradcheck(spec: Path | str, *, overrides: Sequence[str] = (), rows: int = 17) -> GradCheck:
    """Compare compiled gradients with finite differences in float64, on the first ``rows`` training rows."""
    from netspec.train.engine import Engine
    from netspec.train.gradients import LIMIT, check_gradients
    from netspec.train.opening import open_spec

    document = _sound(spec, overrides)
    if not document.losses:
        raise NetspecError(Diagnostic("missing-key", "there is no loss, and so no gradient", helps=("add `loss`",)))
    opened = open_spec(document)
    engine = Engine(opened.program, opened.dataset.columns, opened.constants, seed=document.train.seed)
    chosen = opened.dataset.splits["train"][:rows]
    checked = check_gradients(engine, dict(opened.dataset.columns), chosen)
    engine.close()
    return GradCheck(tuple(checked), LIMIT)
