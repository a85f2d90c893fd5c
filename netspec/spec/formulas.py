"""Where in the spec a part of a formula stands."""

from __future__ import annotations

from netspec.diagnostics import LINE_BREAK, Report, Span
from netspec.spec.tree import Scalar


def inside(node: Scalar, start: int, end: int, report: Report) -> Span:
    """The place of a part of a text, where the text stands in the file just as it is read."""
    span, text = node.span, str(node.value)
    lines = LINE_BREAK.split(report.sources.get(span.file, ""))
    if span.line != span.end_line or span.line > len(lines):
        return span
    shown = lines[span.line - 1][span.column - 1 : span.end_column - 1]
    at = shown.find(text)
    if at not in (0, 1):
        return span
    column = span.column + at
    return span._replace(column=column + min(start, len(text)), end_column=column + min(end, len(text) + 1))
