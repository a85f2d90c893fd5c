"""All that can be found wrong with a spec without its data, at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netspec.diagnostics import Report
from netspec.spec.document import Document, examine
from netspec.spec.expectations import Expect
from netspec.spec.lowering import Model, check_shapes, count, lower
from netspec.tensortype import Dim, Size, show_shape


@dataclass(frozen=True)
class Checked:
    """A spec, what is wrong with it, and the facts of `expect` that wait for the data."""

    document: Document | None
    report: Report
    waiting: tuple[str, ...] = ()


def check(spec: Path | str, overrides: Sequence[str] = (), *, base: Path | None = None) -> Checked:
    """Read a spec, fit its shapes together and hold it to the static facts that it expects; raises nothing."""
    document, report = examine(spec, overrides, base=base)
    if document is None:
        return Checked(None, report)
    was_sound = not report.failed
    model = check_shapes(document, report)
    waiting: list[str] = []
    if was_sound and not report.failed:
        whole, predictor = facts(model), facts(lower(document, "predict"))
        waiting = check_facts(document.expect, whole, predictor, report)
    return Checked(document, report, tuple(waiting))


def facts(model: Model) -> dict[str, Any]:
    """The static facts of a model that are seen without compiling it: ``parameters``, ``frozen``, ``output``."""
    found: dict[str, Any] = {
        "parameters": count(model.trained),
        "frozen": count(p for p in model.parameters.values() if p.frozen),
    }
    if len(model.outputs) == 1:
        found["output"] = next(iter(model.outputs.values())).type.shape[1:]
    return found


def check_facts(expect: Expect, whole: Mapping[str, Any], predictor: Mapping[str, Any], report: Report) -> list[str]:
    """Hold facts to what `expect` says of them; those that are not known yet are returned, as text.

    Args:
        expect: The section.
        whole: Facts of the network as it trains, by name.
        predictor: Facts of the predictor alone.
        report: Where facts that are otherwise go, as `expectation-failed`.
    """
    waiting = []
    for fact in expect.facts:
        known = (predictor if fact.predict else whole).get(fact.name)
        if known is None or _is_symbolic(known):
            shown = "" if known is None else f", it is {show_shape(known) if isinstance(known, tuple) else known}"
            waiting.append(f"`{fact.name}` is not known yet{shown}")
            continue
        if isinstance(fact.expected, tuple):
            is_so = tuple(known) == fact.expected
            expected, found = show_shape(fact.expected), show_shape(known)
        else:
            is_so = fact.expected.holds(known)
            expected, found = f"{fact.expected.sign} {fact.expected.value:,.10g}", f"{known:,}"
        if not is_so:
            name = f"predict.{fact.name}" if fact.predict else fact.name
            message = f"`{name}` is {found}, and the spec expects {expected}"
            report.error("expectation-failed", message, fact.span)
    return waiting


def _is_symbolic(known: Dim | tuple[Dim, ...]) -> bool:
    return any(isinstance(n, Size) for n in known) if isinstance(known, tuple) else isinstance(known, Size)
