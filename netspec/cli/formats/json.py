"""One JSON object for other programs; `docs/ci.md` says what its keys mean."""

from __future__ import annotations

import json
from typing import Any, Final

from netspec.cli.findings import Case, Finding, Results
from netspec.cli.formats.format import Format
from netspec.diagnostics import Note, Span

VERSION: Final = 1
"""Keys may be added without a change of it; none is taken away, and none changes its meaning."""


def write(results: Results) -> str:
    """One line. Everything beyond ASCII is escaped, so that no encoding of a terminal or file can spoil it."""
    cases = [_case(case, results) for case in results.cases]
    facts = {
        "version": VERSION,
        "command": results.command,
        "passed": results.passed,
        "strict": results.strict,
        "totals": {
            "cases": len(cases),
            "failed": results.failed,
            "errors": sum(case.errors for case in results.cases),
            "warnings": sum(case.warnings for case in results.cases),
            "hidden": sum(sum(case.hidden.values()) for case in results.cases),
            "other_files": results.others,
        },
        "cases": cases,
    }
    return json.dumps(facts) + "\n"


def _case(case: Case, results: Results) -> dict[str, Any]:
    return {
        "name": case.name,
        "passed": not results.fails(case),
        "errors": case.errors,
        "warnings": case.warnings,
        "hidden": dict(case.hidden),
        "remarks": list(case.remarks),
        "seconds": round(case.seconds, 6),
        **({"data": dict(case.data)} if case.data else {}),
        "findings": [_finding(found, results) for found in case.findings],
    }


def _finding(found: Finding, results: Results) -> dict[str, Any]:
    d = found.diagnostic
    return {
        "code": d.code,
        "severity": d.severity,
        "message": d.message,
        **_place(d.span, results),
        "text": found.line,
        "notes": [
            {"message": str(note), **_place(note.span if isinstance(note, Note) else None, results)} for note in d.notes
        ],
        "helps": list(d.helps),
        "fingerprint": found.fingerprint,
    }


def _place(span: Span | None, results: Results) -> dict[str, Any]:
    """Where it stands; of what has no place, nothing but nulls."""
    if span is None:
        return dict.fromkeys(("file", "line", "column", "end_line", "end_column"))
    return {**span._asdict(), "file": results.path(span.file)}


FORMAT = Format(write, (".json",))
