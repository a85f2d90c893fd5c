"""What people read: each diagnostic with its line, the verdict on each spec, and how many there were."""

from __future__ import annotations

from collections.abc import Iterator

from netspec.cli.findings import Case, Results
from netspec.cli.formats.format import Format
from netspec.cli.specfiles import others_skipped
from netspec.cli.table import counted
from netspec.diagnostics import render


def diagnostics(case: Case) -> str:
    """Every diagnostic with its line, and a blank line behind each."""
    return "".join(render(found.diagnostic, case.sources) + "\n" for found in case.findings)


def verdict(case: Case) -> str:
    """One line: a name, and how many faults it has."""
    parts = [counted(n, word) for n, word in ((case.errors, "error"), (case.warnings, "warning")) if n]
    hidden = ", ".join(f"{n} {reason}" for reason, n in case.hidden.items())
    return f"{case.name}: {', '.join(parts) or 'ok'}" + (f" ({hidden})" if hidden else "")


def totals(results: Results) -> str:
    """One line: how many were held, how many are wrong, and what was left out."""
    checked, wrong = len(results.cases), results.failed
    word, done = ("spec", "checked") if results.command == "validate" else ("expectation", "held")
    text = f"{counted(checked, word)} {done}, " + (f"{wrong} wrong" if wrong else "all well")
    text = text if checked else f"no {word} found"
    if results.others:
        text += others_skipped(results.others)
        text += ", which --strict forbids" if results.strict else ""
    return text


def _lines(results: Results) -> Iterator[str]:
    for case in results.cases:
        yield diagnostics(case)
        yield from (f"{case.name}: {remark}\n" for remark in case.remarks)
        yield verdict(case) + "\n"
    yield totals(results) + "\n"


def write(results: Results) -> str:
    """All of it, in the order in which a terminal shows it."""
    return "".join(_lines(results))


FORMAT = Format(write, (".txt", ".log"))
