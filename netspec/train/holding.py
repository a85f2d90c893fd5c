"""Holding results to what the spec's ``expect`` says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec.data.rows import encode_rows, table_of_rows
from netspec.data.table import Place
from netspec.diagnostics import ChoiceError, Diagnostic, Report, Span
from netspec.pipeline import Kind
from netspec.spec.check import facts
from netspec.spec.document import Document
from netspec.spec.expectations import Example, Fact, check_example
from netspec.train.engine import Engine
from netspec.train.opening import Opened

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class Held:
    """An expectation: of what, what it is to be, what it is, and whether that is so."""

    what: str
    expected: str
    actual: Any
    good: bool
    span: Span

    def facts(self) -> dict[str, Any]:
        """As `evaluate --json` tells it."""
        verdict = "ok" if self.good else "broken"
        return {"what": self.what, "expected": self.expected, "actual": self.actual, "verdict": verdict}


def measure(document: Document, opened: Opened, engine: Engine, only: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Rows, loss and metrics of the splits of the data, or of some of them only.

    Raises:
        ChoiceError: if the data have no such split.
    """
    known = list(opened.dataset.splits)
    missing = next((split for split in only if split not in known), None)
    if missing is not None:
        helps = (f"there are {', '.join(f'`{split}`' for split in known)}",)
        raise ChoiceError(Diagnostic("unknown-split", f"the data have no split `{missing}`", helps=helps))
    found = {}
    for split in only or known:
        measured = engine.evaluate(opened.visit(split))
        loss = {"loss": measured.loss} if document.losses else {}
        found[split] = {"rows": measured.rows, **loss, **measured.facts()}
    return found


def hold(
    document: Document,
    opened: Opened,
    engine: Engine,
    kept: Mapping[str, Mapping[str, Array]],
    splits: Mapping[str, Mapping[str, Any]],
) -> list[Held]:
    """Every expectation of the document; what is expected of a split of the data that was not measured is left out."""
    held = [_fact(fact, opened, engine) for fact in document.expect.facts]
    for split, comparisons in document.expect.metrics.items():
        measured = splits.get(split)
        if measured is None and split in opened.dataset.splits:
            continue
        values = {} if measured is None else {**measured, **measured["metrics"]}
        for name, comparison in comparisons.items():
            value = values.get(name)
            good = value is not None and comparison.holds(value)
            actual = "not measured" if value is None else value
            held.append(Held(f"{split}.{name}", str(comparison), actual, good, comparison.span))
    for number, example in enumerate(document.expect.examples, 1):
        given = _output(example, document, opened, engine, kept)
        report = Report()
        check_example(example, given, report)
        what = f"example {number}" + (" before training" if example.at == "init" else "")
        expected = f"{example.output} within {example.within:g}"
        held.append(Held(what, expected, given, not report.failed, example.span))
    return held


def _fact(fact: Fact, opened: Opened, engine: Engine) -> Held:
    """A static fact; the data are open, so none is unknown."""
    program = opened.program
    document = program.document
    refs = document.network.outputs.values() if fact.predict else program.values
    known = facts(program.model, program.values, refs)
    kind: Kind = "predict" if fact.predict or document.optimizer is None else "step"
    batch = 1 if fact.predict else opened.batch
    if fact.name == "peak_bytes":
        made, sizes = engine.executable(kind, few=program.few(kind, batch)), engine.lengths.largest(batch)
        known["peak_bytes"] = made.peak_bytes(sizes, engine.threads(kind, sizes), None if kind == "step" else 1)
    value, expected = known[fact.name], fact.expected
    good = tuple(value) == expected if isinstance(expected, tuple) else expected.holds(value)
    shown = list(expected) if isinstance(expected, tuple) else expected
    what = f"predict.{fact.name}" if fact.predict else fact.name
    return Held(what, str(shown), list(value) if isinstance(value, tuple) else value, good, fact.span)


def _output(
    example: Example, document: Document, opened: Opened, engine: Engine, kept: Mapping[str, Mapping[str, Array]]
) -> Any:
    """What the network gives for an example, as nested lists, with the weights that it names."""
    import numpy as np

    assert document.data is not None
    inputs = [given.name for given in document.network.inputs]
    table = table_of_rows([dict(example.input)], Place("expect", 0))
    arrays = encode_rows(table, document.data.linked_fields(), opened.dataset.fitted, inputs)
    other = Engine(opened.program, arrays, opened.constants, seed=document.train.seed, threads=1)
    if example.at != "init":
        other.load(kept.get(example.at) or engine.weights())
    outputs = other.predict(np.zeros(1, np.int64))
    other.close()
    return next(iter(outputs.values()))[0].tolist()
