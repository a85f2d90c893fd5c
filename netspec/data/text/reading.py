"""Whole texts as one row of tokens, in which windows are cut: their splits, their lines, where a token stands."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.data.faults import data_error
from netspec.data.splits import Stretches
from netspec.data.table import Place
from netspec.data.text.cutting import Interner, Unit
from netspec.data.text.encoding import read_text
from netspec.data.text.vocabulary import END

if TYPE_CHECKING:
    from netspec.data.table import Array


@dataclass(frozen=True)
class TokenPlace(Place):
    """Rows that begin at tokens of a file, whose lines are known by the tokens that they begin with."""

    starts: Array | None = None
    """The first token of each row."""
    begins: Array | None = None
    """The first token of each line; ``lines`` are the numbers of these lines."""
    lines: Array | None = None

    def name(self, row: int, column: str | None = None) -> str:
        assert self.starts is not None
        return self.of_token(row, int(self.starts[row - self.first]))

    def of_token(self, row: int, position: int) -> str:
        assert self.begins is not None
        assert self.lines is not None
        line = int(self.begins.searchsorted(position, side="right")) - 1
        return f"{self.file}, line {int(self.lines[max(line, 0)])}"

    def kept(self, rows: Array, first: int) -> Place:
        assert self.starts is not None
        return replace(self, first=first, starts=self.starts[rows - self.first])


@dataclass(frozen=True, eq=False)
class _File:
    name: str
    start: int
    begins: Array
    """The first token of each line that has one."""
    lines: Array
    """The numbers of these lines."""


class Text:
    """The tokens of some texts one behind the other, with what is needed to cut rows and to name places."""

    def __init__(self, unit: Unit, *, lower: bool, end: bool) -> None:
        self._unit, self._lower, self._end = unit, lower, end
        self._tokens = Interner()
        self.values: Array
        """The tokens as numbers, ``int32[n]``."""
        self.names: tuple[str, ...] = ()
        """What the numbers stand for."""
        self.splits: dict[str, range] = {}
        self._files: list[_File] = []

    def read(self, files: Mapping[str, Sequence[Path]], encoding: str, what: str) -> None:
        """Read the files of each split.

        Raises:
            DataError: if a file is empty or not in the encoding.
        """
        for split, paths in files.items():
            start = len(self._tokens)
            for path in paths:
                self._add(path.name, read_text(path, encoding, what))
            self.splits[split] = range(start, len(self._tokens))
            if not self.splits[split]:
                raise data_error("no-rows", f"{', '.join(path.name for path in paths)} holds no text")
        self.values, self.names = self._tokens.values, self._tokens.names

    def divide(self, split: Stretches | None) -> None:
        """Take stretches of the whole text for the splits.

        Raises:
            DataError: if there are too few tokens.
        """
        if split is None:
            return
        names = ", ".join(file.name for file in self._files)
        self.splits = split.stretches(len(self.values), names, "tokens")

    def without(self, dropped: Array) -> Text:
        """The text without some of its tokens, ``bool[n]``: rows are cut in what is left."""
        import numpy as np

        new = np.concatenate([[0], np.cumsum(~dropped)])
        found = copy(self)
        found.values = self.values[~dropped]
        found.splits = {name: range(int(new[own.start]), int(new[own.stop])) for name, own in self.splits.items()}
        found._files = [replace(f, start=int(new[f.start]), begins=new[f.begins]) for f in self._files]
        return found

    def _add(self, name: str, text: str) -> None:
        import numpy as np

        tokens, start = self._tokens, len(self._tokens)
        begins, lines = array("q"), array("q")
        text = text.lower() if self._lower else text
        for number, line in enumerate(text.split("\n"), 1):
            at = len(tokens)
            if self._unit == "character":
                tokens.add(line)
                tokens.add("\n")
            elif words := line.split():
                tokens.add([*words, END] if self._end else words)
            if len(tokens) > at:
                begins.append(at)
                lines.append(number)
        if self._unit == "character":  # behind the last line there is no end of one
            tokens.take_back()
            if begins[-1] == len(tokens):
                begins.pop()
                lines.pop()
        self._files.append(_File(name, start, np.asarray(begins, np.int64), np.asarray(lines, np.int64)))

    def lines(self) -> Array:
        """The first token of each line, ``int64[lines]``."""
        import numpy as np

        return np.concatenate([file.begins for file in self._files])

    def places(self, starts: Array, row: int = 0, shift: int = 0) -> tuple[Place, ...]:
        """The places of rows that begin at these tokens, ascending.

        Args:
            starts: the tokens, ``int64[rows]``.
            row: which row of the table is the first of them.
            shift: how many tokens stand before this text in the columns.
        """
        import numpy as np

        edges = np.searchsorted(starts, [*(file.start for file in self._files), len(self.values)]).tolist()
        return tuple(
            TokenPlace(
                file.name,
                row + first,
                starts=starts[first:stop] + shift if shift else starts[first:stop],
                begins=file.begins + shift if shift else file.begins,
                lines=file.lines,
            )
            for file, first, stop in zip(self._files, edges, edges[1:], strict=False)
            if stop > first
        )
