"""Which warnings a spec is spared: by its section `lint`, by a comment on the line, by the settings of the project."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from netspec.diagnostics import LINE_BREAK, WARNINGS, Diagnostic, Report, Span, suggestion
from netspec.spec.tree import Entry, List, Scalar, describe, is_broken, shorten
from netspec.spec.validation import Place, as_map, unknown_key

KEYS: Final[Mapping[str, str]] = {"ignore": "The codes of the warnings that are not told, in a list."}
"""What the section `lint` holds."""

_COMMENT: Final = re.compile(r"(?:^|\s)#\s*netspec:\s*ignore\b(?:\[([^\]]*)\])?")
_MARK: Final = "netspec:"


def read_ignored(entry: Entry | None, report: Report) -> tuple[Scalar, ...]:
    """The codes that the section names, each with its place."""
    section = as_map(entry.value, "lint", report) if entry else None
    if entry is None or section is None:
        return ()
    for key, inner in section.entries.items():
        if key not in KEYS:
            unknown_key(key, inner.key_span, list(KEYS), Place("`lint`", entry.key_span), report)
    node = section.get("ignore")
    if node is None or is_broken(node):
        return ()
    if not isinstance(node, List):
        helps = [f"a list of it alone is `[{node.value}]`"] if isinstance(node, Scalar) else []
        report.error("wrong-type", f"`ignore` takes a list of codes, got {describe(node)}", node.span, helps=helps)
        return ()
    codes = []
    for item in node.items:
        if isinstance(item, Scalar) and isinstance(item.value, str):
            codes.append(item)
        elif not is_broken(item):
            report.error("wrong-type", f"a code is text, got {describe(item)}", item.span)
    return tuple(codes)


def check_ignored(codes: Iterable[Scalar], report: Report) -> None:
    """Whether the codes are those of warnings."""
    for code in codes:
        fault = unknown_code(str(code.value))
        if fault is not None:
            report.error("unknown-code", fault[0], code.span, helps=fault[1])


def unknown_code(code: str) -> tuple[str, list[str]] | None:
    """Why ``code`` cannot be ignored, with advice; None if it can."""
    from netspec.spec.lints import codes

    known = codes()
    if code in WARNINGS:
        return None
    if code in known:
        return f"`{code}` is an error, and only warnings can be ignored", []
    near = suggestion(code, WARNINGS)
    helps = [f"did you mean `{near}`?"] if near else [f"there are {', '.join(f'`{c}`' for c in sorted(WARNINGS))}"]
    return f"there is no warning `{shorten(code)}`", helps


def without(diagnostics: Iterable[Diagnostic], codes: Collection[str]) -> list[Diagnostic]:
    """What is left without the warnings of ``codes``; errors stay."""
    return [d for d in diagnostics if d.severity == "error" or d.code not in codes]


def without_commented(diagnostics: Iterable[Diagnostic], sources: Mapping[str, str]) -> list[Diagnostic]:
    """What is left without the warnings whose line says `# netspec: ignore[CODE]`; wrong comments are warned of."""
    ignored: set[tuple[str, int, str]] = set()
    wrong = []
    for span, codes in _comments(sources):
        if not codes:
            helps = ("as in `# netspec: ignore[no-seed]`",)
            wrong.append(Diagnostic("unknown-code", "the comment names no warning", span, "warning", helps=helps))
        for code in codes:
            ignored.add((span.file, span.line, code))
            if (fault := unknown_code(code)) is not None:
                wrong.append(Diagnostic("unknown-code", fault[0], span, "warning", helps=tuple(fault[1])))
    kept = [d for d in diagnostics if d.severity == "error" or not _is_commented(d, ignored)]
    return kept + wrong


def _is_commented(diagnostic: Diagnostic, ignored: Collection[tuple[str, int, str]]) -> bool:
    span = diagnostic.span
    return span is not None and (span.file, span.line, diagnostic.code) in ignored


def _comments(sources: Mapping[str, str]) -> Iterator[tuple[Span, list[str]]]:
    """The comments of all files, each with the codes that it names."""
    for file, text in sources.items():
        if _MARK not in text:
            continue
        for number, line in enumerate(LINE_BREAK.split(text), 1):
            for found in _COMMENT.finditer(line):
                start = found.start() + len(found[0]) - len(found[0].lstrip())
                span = Span(file, number, start + 1, number, found.end() + 1)
                yield span, [code.strip() for code in (found[1] or "").split(",") if code.strip()]
