"""SARIF 2.1.0, which GitHub's code scanning and editors show: each finding with its rule, place and related places.

Reference: OASIS 2023, Static Analysis Results Interchange Format (SARIF) Version 2.1.0 Plus Errata 01.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from netspec import __version__
from netspec.cli.findings import Finding, Results
from netspec.cli.formats.format import Format
from netspec.diagnostics import CODES, Note, Span

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT: Final = "%SRCROOT%"  # what GitHub takes for the top of the repository


def write(results: Results) -> str:
    """A log with one run."""
    rules = [
        {"id": code, "shortDescription": {"text": meaning}, "help": {"text": f"`netspec explain {code}` tells more."}}
        for code, meaning in CODES.items()
    ]
    numbers = {code: number for number, code in enumerate(CODES)}
    run = {
        "tool": {"driver": {"name": "netspec", "semanticVersion": __version__, "rules": rules}},
        "columnKind": "unicodeCodePoints",
        # As YAML's reader counts lines.
        "newlineSequences": ["\r\n", "\n", "\r", "\x85", "\u2028", "\u2029"],
        "invocations": [{"executionSuccessful": True}],
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The top of the repository."}}},
        "results": [_result(found, results, numbers) for found in results.findings()],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _result(found: Finding, results: Results, numbers: Mapping[str, int]) -> dict[str, Any]:
    d = found.diagnostic
    related = [note for note in d.notes if isinstance(note, Note)]
    others = [f"note: {note}" for note in d.notes if not isinstance(note, Note)]
    result: dict[str, Any] = {
        "ruleId": d.code,
        "ruleIndex": numbers[d.code],
        "level": d.severity,
        "message": {"text": "\n".join([d.message, *others, *(f"help: {help_}" for help_ in d.helps)])},
        "partialFingerprints": {"netspecLine/v1": found.fingerprint},
    }
    if d.span is not None:
        result["locations"] = [{"physicalLocation": _location(d.span, results, found.line)}]
    if related:
        result["relatedLocations"] = [
            {"id": number, "physicalLocation": _location(note.span, results), "message": {"text": str(note)}}
            for number, note in enumerate(related, 1)
        ]
    return result


def _location(span: Span, results: Results, text: str = "") -> dict[str, Any]:
    region: dict[str, Any] = {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }
    place: dict[str, Any] = {"artifactLocation": _artifact(results.path(span.file)), "region": region}
    if text:
        place["contextRegion"] = {"startLine": span.line, "snippet": {"text": text}}
    return place


def _artifact(path: str) -> dict[str, Any]:
    if Path(path).is_absolute():
        return {"uri": Path(path).as_uri()}
    return {"uri": quote(path), "uriBaseId": _ROOT}


FORMAT = Format(write, (".sarif", ".json"))
