"""`evaluate` for Python: what a run comes to on data, and whether that is what is expected."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec.api.sound import sound
from netspec.diagnostics import ChoiceError, Diagnostic
from netspec.spec.document import Document

if TYPE_CHECKING:
    import numpy.typing as npt

    from netspec.runs.run import Run
    from netspec.spec.expectations import Expect
    from netspec.train.holding import Held
    from netspec.train.opening import Opened

    Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class Evaluated:
    """Loss and metrics of every split, and what `expect` says of them."""

    name: str
    splits: Mapping[str, Mapping[str, Any]]
    held: tuple[Held, ...] = ()
    """Every expectation with its place and what is so."""
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What the rows and columns of tables stand for, by metric."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """The files that expectations stand in, by name."""

    @property
    def expect(self) -> tuple[dict[str, Any], ...]:
        """Every expectation: what is expected, what is, and the verdict ``ok`` or ``broken``."""
        return tuple(one.facts() for one in self.held)

    @property
    def passed(self) -> bool:
        return all(one.good for one in self.held)

    def summary(self) -> dict[str, Any]:
        """As `evaluate --json` prints it."""
        found: dict[str, Any] = {"name": self.name, "splits": dict(self.splits)}
        found |= {"classes": {name: list(of) for name, of in self.classes.items()}} if self.classes else {}
        return {**found, "expect": list(self.expect), "passed": self.passed} if self.held else found


def evaluate(
    target: str | Path,
    *,
    check: bool = False,
    expect: Sequence[Path] = (),
    data: Path | None = None,
    only: Sequence[str] = (),
    threads: int | None = None,
    offline: bool = False,
    told: Callable[[str], None] = lambda text: None,
) -> Evaluated:
    """Measure a run with its best weights, or a spec as it is initialised.

    Args:
        target: A spec's file, or a run: a folder, a name or ``@last``.
        check: Hold what the spec's own ``expect`` says of metrics and examples.
        expect: Hold what the ``expect`` of these files says, too.
        data: A file of rows to measure as the split `test`, in the place of the run's own data; what was fitted to
            those, such as scaling and classes, is used.
        only: The splits that are measured and held; by default all.
        threads: How many.
        offline: Download nothing.
        told: Is told what takes long.
    """
    from netspec.spec.expectfile import read_expect_file
    from netspec.train.engine import Engine
    from netspec.train.holding import hold, measure

    name, document, run = _target(target)
    files = [read_expect_file(path, document.metrics, document.network) for path in expect]
    asked = [*([document.expect] if check else []), *(found for found, _ in files)]
    opened = _opened(document, run, data, offline=offline, told=told)
    engine = Engine(opened.program, opened.dataset.arrays, opened.constants, seed=document.train.seed, threads=threads)
    kept = _weights(run, asked)
    if kept:
        engine.load(kept["best"])
    splits = measure(document, opened, engine, only)
    held = [one for each in asked for one in hold(replace(document, expect=each), opened, engine, kept, splits)]
    engine.close()
    sources = {name: text for found in (document.sources, *(of for _, of in files)) for name, text in found.items()}
    return Evaluated(name, splits, tuple(held), opened.classes_of_tables(), sources)


def _target(target: str | Path) -> tuple[str, Document, Run | None]:
    """A spec by its file, or a run, with its name."""
    from netspec.train.session import document_of, run_named

    path = Path(target)
    is_meant_as_spec = path.suffix in (".yaml", ".yml") and not path.exists()
    if path.is_file() or is_meant_as_spec:
        return str(path), sound(path), None
    run = run_named(str(target))
    return run.name, document_of(run), run


def _opened(
    document: Document, run: Run | None, data: Path | None, *, offline: bool, told: Callable[[str], None]
) -> Opened:
    """The document with its own data, or with the rows of a file."""
    from netspec.train.opening import open_spec
    from netspec.train.otherdata import open_rows
    from netspec.train.session import fitted_of

    if data is None:
        return open_spec(document, fitted=fitted_of(run) if run else None, offline=offline, told=told)
    if run is None:
        message = "other data are read as those of a run were, and a spec as it is initialised has seen none"
        raise ChoiceError(Diagnostic("unknown-run", message, helps=("name a run instead of the spec",)))
    return open_rows(document, fitted_of(run), data)


def _weights(run: Run | None, asked: Sequence[Expect]) -> dict[str, dict[str, Array]]:
    """The weights of a run that are measured, and those that examples name; none of a spec."""
    from netspec.runs.checkpoint import load_weights
    from netspec.train.session import best_weights

    kept = {"best": best_weights(run)} if run else {}
    if run and any(example.at == "last" for expect in asked for example in expect.examples):
        kept["last"] = load_weights(run.last).arrays
    return kept
