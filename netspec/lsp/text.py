"""A text and the three ways to name a place in it: offsets, YAML's lines and columns, and the protocol's positions."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, NamedTuple, TypeAlias

from netspec.diagnostics import LINE_BREAK, Span

Encoding: TypeAlias = Literal["utf-8", "utf-16", "utf-32"]
"""What the columns of an editor count: bytes, 16-bit units or code points."""

# The protocol knows three ends of a line; YAML has three more.
_EDITOR_BREAK: Final = re.compile("\r\n|[\r\n]")


class Position(NamedTuple):
    """A line and a column as editors count them, from 0."""

    line: int
    character: int


class Place(NamedTuple):
    """A stretch of a file by the offsets of its code points; ``end`` is exclusive."""

    file: str
    start: int
    end: int


@dataclass(frozen=True)
class Text:
    """A text as an editor holds it, or as it stands in a file."""

    source: str
    encoding: Encoding = "utf-16"

    @cached_property
    def _editor_lines(self) -> list[int]:
        return [0, *(found.end() for found in _EDITOR_BREAK.finditer(self.source))]

    @cached_property
    def _yaml_lines(self) -> list[int]:
        # A byte order mark is no part of what the reader counts.
        start = 1 if self.source.startswith("\ufeff") else 0
        return [start, *(found.end() for found in LINE_BREAK.finditer(self.source))]

    def offset_at(self, position: Position) -> int:
        """The offset of an editor's position; what lies outside of the text is its nearest place."""
        if position.line >= len(self._editor_lines):
            return len(self.source)
        start = self._editor_lines[position.line]
        line = _EDITOR_BREAK.split(self.source[start : self._line_end(position.line)])[0]
        count = 0
        for i, character in enumerate(line):
            if count >= position.character:
                return start + i
            count += self._units(character)
        return start + len(line)

    def position_at(self, offset: int) -> Position:
        """The editor's position of an offset."""
        line = bisect_right(self._editor_lines, offset) - 1
        before = self.source[self._editor_lines[line] : offset]
        return Position(line, sum(map(self._units, before)))

    def offset_of(self, line: int, column: int) -> int:
        """The offset of a line and column of a span, which count from 1."""
        if line > len(self._yaml_lines):
            return len(self.source)
        return min(self._yaml_lines[line - 1] + column - 1, len(self.source))

    def yaml_at(self, offset: int) -> tuple[int, int]:
        """The line and column of an offset as spans count them."""
        line = max(bisect_right(self._yaml_lines, offset), 1)
        return line, offset - self._yaml_lines[line - 1] + 1

    def place_of(self, span: Span) -> Place:
        """A span by its offsets."""
        start = self.offset_of(span.line, span.column)
        return Place(span.file, start, max(start, self.offset_of(span.end_line, span.end_column)))

    def line_of(self, offset: int) -> str:
        """The line around an offset, without its end."""
        number = bisect_right(self._editor_lines, offset) - 1
        return _EDITOR_BREAK.split(self.source[self._editor_lines[number] : self._line_end(number)])[0]

    def _line_end(self, line: int) -> int:
        return self._editor_lines[line + 1] if line + 1 < len(self._editor_lines) else len(self.source)

    def _units(self, character: str) -> int:
        if self.encoding == "utf-8":
            return len(character.encode("utf-8", "replace"))
        return 2 if self.encoding == "utf-16" and ord(character) > 0xFFFF else 1
