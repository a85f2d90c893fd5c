"""Annotations of GitHub Actions: commands in the log that show each finding at its line of a pull request.

Reference: GitHub Docs, Workflow commands for GitHub Actions, "Setting an error message".
"""

from __future__ import annotations

from netspec.cli.findings import Finding, Results
from netspec.cli.formats.format import Format


def write(results: Results) -> str:
    """A line for each finding."""
    return "".join(_command(found, results) + "\n" for found in results.findings())


def _command(found: Finding, results: Results) -> str:
    d = found.diagnostic
    properties = {}
    if d.span is not None:
        properties = {"file": results.path(d.span.file), "line": d.span.line, "endLine": d.span.end_line}
        if d.span.line == d.span.end_line:  # GitHub refuses columns of what goes over several lines
            properties |= {"col": d.span.column, "endColumn": d.span.end_column}
    properties["title"] = f"netspec {d.code}"
    said = ",".join(f"{name}={_escaped(str(value), ':,')}" for name, value in properties.items())
    text = "\n".join([d.message, *(f"note: {note}" for note in d.notes), *(f"help: {help_}" for help_ in d.helps)])
    return f"::{d.severity} {said}::{_escaped(text)}"


def _escaped(text: str, more: str = "") -> str:
    """Text with what would end it written as its number; `%`, which begins those numbers, first."""
    for character in f"%\r\n{more}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text


FORMAT = Format(write)
