"""Where in a spec a cursor stands, though the text around it is being written and may be no YAML yet.

A word that nobody writes is put in the place of the one at the cursor, and the text is read with it. If that is no
YAML, it is tried as a key, with the brackets closed that are open on the line, and as the item of a list; and lines
elsewhere that cannot be read are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from netspec.diagnostics import LINE_BREAK, Report, Span
from netspec.spec.tree import Entry, List, Map, Node, Scalar
from netspec.spec.yaml import read_text

MARK: Final = "qzCURSORzq"

Step: TypeAlias = str | int

_BEFORE: Final = re.compile(r"\w*\Z")
_AFTER: Final = re.compile(r"\w*")
_CLOSERS: Final = {"[": "]", "{": "}"}
_QUOTED: Final = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'")
_LINES_LEFT_OUT: Final = 20


@dataclass(frozen=True)
class Cursor:
    """What the cursor is at: ``path`` leads to the map or list that it stands in, or to the value that it is.

    ``word`` is the word there, ``start`` and ``end`` its offsets; ``siblings`` are the other keys of the map. ``lead``
    is what has to stand before it, ``in_line`` is whether it stands on the line of its key or inside of brackets.
    """

    root: Map
    text: str
    """The text with the mark that was read."""
    path: tuple[Step, ...]
    role: Literal["key", "value"]
    word: str
    start: int
    end: int
    siblings: tuple[str, ...] = ()
    lead: str = ""
    in_line: bool = True
    in_flow: bool = False
    has_colon: bool = False


def locate(text: str, offset: int, file: str) -> Cursor | None:
    """What stands at ``offset``; None where that cannot be said."""
    before = _BEFORE.search(text, 0, offset)
    word_start = before.start() if before else offset
    after = _AFTER.match(text, offset)
    word_end = after.end() if after else offset
    word = text[word_start:word_end]
    for marked, lead in _variants(text, word_start, word_end):
        root, read = _read(marked, marked.index(MARK), file)
        found = None if root is None else _find(root, (), None)
        if isinstance(root, Map) and found is not None:
            path, role, siblings, in_line = found
            line = text[:offset].rpartition("\n")[2]
            has_colon = text[word_end : word_end + 1] == ":"
            in_flow = bool(_open_brackets(line))
            in_line = in_line or in_flow
            return Cursor(
                root, read, path, role, word, word_start, word_end, siblings, lead, in_line, in_flow, has_colon
            )
    return None


def _variants(text: str, start: int, end: int) -> Iterator[tuple[str, str]]:
    """The text with the mark in it, and what was put before the mark."""
    before, after = text[:start], text[end:]
    rest = LINE_BREAK.split(after, maxsplit=1)[0]
    yield before + MARK + after, ""
    is_last = not rest.strip() or rest.lstrip()[0] in ",}]#"
    if is_last:
        yield f"{before}{MARK}: {after}", ""
    closers = "".join(_CLOSERS[bracket] for bracket in reversed(_open_brackets(before.rpartition("\n")[2] + rest)))
    if closers:
        tail = after[len(rest) :]
        yield before + MARK + rest + closers + tail, ""
        yield f"{before}{MARK}: {rest}{closers}{tail}", ""
    if is_last and not before.rpartition("\n")[2].strip():
        yield f"{before}- {MARK}{after}", "- "


def _open_brackets(line: str) -> list[str]:
    """The brackets that are opened on a line and not closed there."""
    found: list[str] = []
    for character in _QUOTED.sub("", line).partition(" #")[0].replace("${", ""):
        if character in _CLOSERS:
            found.append(character)
        elif found and character == _CLOSERS[found[-1]]:
            found.pop()
    return found


def _read(text: str, at: int, file: str) -> tuple[Node | None, str]:
    """The tree of a text that holds the mark, and what was read: lines elsewhere that are no YAML are left out."""
    own = len(LINE_BREAK.split(text[:at])) - 1
    lines = re.split(f"({LINE_BREAK.pattern})", text)
    rest = ["" if i != 2 * own and _open_brackets(line) else line for i, line in enumerate(lines)]
    root = _without_faults(lines, own, file)
    if root is None:  # a bracket that is never closed makes faults of what follows
        lines = rest
        root = _without_faults(lines, own, file)
    return root, "".join(lines)


def _without_faults(lines: list[str], own: int, file: str) -> Node | None:
    """The tree of lines, with the ends between them; those with faults are emptied, except for ``own``."""
    for _ in range(_LINES_LEFT_OUT):
        report = Report()
        root = read_text("".join(lines), file, report)
        fault = report.diagnostics[-1] if root is None else None
        if fault is None or fault.span is None:
            return root
        line = fault.span.line - 1
        if fault.code != "yaml-syntax" or line == own or not lines[2 * line].strip():
            return None
        lines[2 * line] = ""
    return None


_Found: TypeAlias = tuple[tuple[Step, ...], Literal["key", "value"], tuple[str, ...], bool]


def _find(node: Node, path: tuple[Step, ...], key: Entry | None) -> _Found | None:
    """The path of the mark below ``node``."""
    if isinstance(node, Scalar):
        is_here = isinstance(node.value, str) and MARK in node.value
        return (path, "value", (), key is not None and key.key_span.line == node.span.line) if is_here else None
    if isinstance(node, List):
        below = (_find(item, (*path, index), None) for index, item in enumerate(node.items))
        return next((found for found in below if found is not None), None)
    for entry in node.entries.values():
        if MARK in entry.key:
            return path, "key", tuple(other for other in node.entries if MARK not in other), False
        if (found := _find(entry.value, (*path, entry.key), entry)) is not None:
            return found
    return None


def path_at(node: Node, file: str, line: int, column: int) -> tuple[Step, ...] | None:
    """The path of the key or scalar that stands at a line and column, from 1, of ``file``."""
    if isinstance(node, Scalar):
        return () if _holds(node.span, file, line, column) else None
    below: list[tuple[Step, Node]]
    if isinstance(node, List):
        below = list(enumerate(node.items))
    else:
        for entry in node.entries.values():
            if _holds(entry.key_span, file, line, column):
                return (entry.key,)
        below = [(entry.key, entry.value) for entry in node.entries.values()]
    for step, value in below:
        found = path_at(value, file, line, column)
        if found is not None:
            return (step, *found)
    return None


def _holds(span: Span, file: str, line: int, column: int) -> bool:
    is_inside = (span.line, span.column) <= (line, column) <= (span.end_line, span.end_column)
    return span.file == file and is_inside
