"""Holding results to what the spec's ``expect`` says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec.data.rows import encode_rows, table_of_rows
from netspec.data.table import Place
from netspec.diagnostics import Report
from netspec.spec.document import Document
from netspec.spec.expectations import Example, check_example
from netspec.train.engine import Engine
from netspec.train.opening import Opened

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]


def hold(
    document: Document,
    opened: Opened,
    engine: Engine,
    kept: Mapping[str, Mapping[str, Array]],
    splits: Mapping[str, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Every expectation of metrics and examples: what is expected, what is, and the verdict ``ok`` or ``broken``."""
    held: list[dict[str, Any]] = []
    for split, comparisons in document.expect.metrics.items():
        facts = splits.get(split)
        values = {} if facts is None else {**facts, **facts["metrics"]}
        for name, comparison in comparisons.items():
            value = values.get(name)
            good = value is not None and comparison.holds(value)
            held.append(_line(f"{split}.{name}", str(comparison), "not measured" if value is None else value, good))
    for number, example in enumerate(document.expect.examples, 1):
        given = _output(example, document, opened, engine, kept)
        report = Report()
        check_example(example, given, report)
        what = f"example {number}" + (" before training" if example.at == "init" else "")
        held.append(_line(what, f"{example.output} within {example.within:g}", given, not report.failed))
    return held


def _line(what: str, expected: str, actual: Any, good: bool) -> dict[str, Any]:
    return {"what": what, "expected": expected, "actual": actual, "verdict": "ok" if good else "broken"}


def _output(
    example: Example, document: Document, opened: Opened, engine: Engine, kept: Mapping[str, Mapping[str, Array]]
) -> Any:
    """What the network gives for an example, as nested lists, with the weights that it names."""
    import numpy as np

    assert document.data is not None
    inputs = [given.name for given in document.network.inputs]
    table = table_of_rows([dict(example.input)], Place("expect", 0))
    arrays = encode_rows(table, document.data.fields, opened.dataset.fitted, inputs)
    other = Engine(opened.program, arrays, opened.constants, seed=document.train.seed, threads=1)
    if example.at != "init":
        other.load(kept.get(example.at) or engine.weights())
    outputs = other.predict(np.zeros(1, np.int64))
    other.close()
    return next(iter(outputs.values()))[0].tolist()
