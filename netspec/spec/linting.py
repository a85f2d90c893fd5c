"""Everything that is told of a spec: its faults, and the warnings that nobody wants to be spared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from netspec.diagnostics import Diagnostic, in_order
from netspec.spec.check import Checked
from netspec.spec.ignoring import without, without_commented
from netspec.spec.rows import known_rows
from netspec.spec.settings import settings_of


def diagnose(
    checked: Checked, *, rows: Mapping[str, int] | None = None, more: Iterable[Diagnostic] = ()
) -> list[Diagnostic]:
    """Faults and warnings, in the order of the file; lints are asked where there is no fault.

    Args:
        checked: The spec.
        rows: How many rows each split has, if the data are open.
        more: What else was found, of the data.
    """
    document, report = checked.document, checked.report
    if document is None:
        return in_order(report.diagnostics)
    found = [*report.diagnostics, *more]
    if not report.failed and checked.model is not None:
        from netspec.spec.lints import Subject, findings

        found += findings(Subject(document, checked.model, checked.values, rows or known_rows(document)))
    found = without(found, [str(code.value) for code in document.ignored])
    found = without_commented(found, report.sources)
    if not document.file.startswith(("<", "--")):
        before = len(report.diagnostics)
        settings = settings_of(Path(document.file), report)
        found = [d for d in found if without([d], settings.ignored(d.span.file if d.span else document.file))]
        found += report.diagnostics[before:]
    return in_order(found)
