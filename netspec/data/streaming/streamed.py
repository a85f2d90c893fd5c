"""A source whose columns lie in files, and that is gone through piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from netspec.data.fieldtype import FieldType
from netspec.data.streaming.chosen import Chosen
from netspec.data.streaming.stored import Column, StoredColumn
from netspec.data.table import Place, Table, listed

if TYPE_CHECKING:
    from netspec.data.table import Array, Rows

PIECE_BYTES: Final = 1 << 23
"""About what a piece takes in memory."""

_MOST_ROWS: Final = 1 << 16

Wanted: TypeAlias = Callable[[Sequence[str]], Collection[str]]
"""Of all columns of a source those that are read."""


@dataclass(frozen=True)
class Sheets:
    """Where rows come from: a place for each stretch of them; ``lines`` are those that rows of text end on."""

    places: tuple[Place, ...]
    lines: StoredColumn | None = None

    @property
    def origin(self) -> str:
        """The files that the rows come from."""
        return listed(place.file for place in self.places)

    def within(self, start: int, stop: int) -> tuple[Place, ...]:
        """The places of the rows from ``start`` to before ``stop``, counted from ``start``."""
        ends = [place.first for place in self.places[1:]] + [stop]
        found = []
        for place, end in zip(self.places, ends, strict=True):
            low, high = max(place.first, start), min(end, stop)
            if low < high and self.lines is None:
                found.append(replace(place, first=place.first - start))
            elif low < high and self.lines is not None:
                found.append(replace(place, first=low - start, numbers=self.lines.read(low, high)))
        return tuple(found)


@dataclass(frozen=True, eq=False)
class Streamed:
    """The columns of a source in files, their types, and the source's own splits.

    ``columns`` may lack some that nothing reads; ``types`` has all.
    """

    columns: Mapping[str, Column]
    types: Mapping[str, FieldType]
    splits: Mapping[str, range]
    sheets: Sheets
    stays: bool = False
    """Whether the columns lie in the user's own files, where they can be read as long as training goes on."""

    @property
    def rows(self) -> int:
        return max(own.stop for own in self.splits.values())

    def pieces(self, names: Collection[str]) -> Iterator[tuple[int, Table]]:
        """All rows with some columns in tables that are at ease in memory; each with the number of its first row."""
        columns = {name: self.columns[name] for name in names if name in self.columns}
        types = {name: type_ for name, type_ in self.types.items() if name in columns}
        row_bytes = sum(column.row_bytes for column in columns.values())
        step = max(1, min(_MOST_ROWS, PIECE_BYTES // max(1, row_bytes)))
        for start in range(0, self.rows, step):
            stop = min(start + step, self.rows)
            read = {name: column.read(start, stop) for name, column in columns.items()}
            splits = {"train": range(stop - start)}
            yield start, Table(read, types, splits, self.sheets.within(start, stop), "")


@dataclass(frozen=True, eq=False)
class ByPieces:
    """A streamed source as fields are fitted on it."""

    streamed: Streamed

    @property
    def types(self) -> Mapping[str, FieldType]:
        return self.streamed.types

    @property
    def origin(self) -> str:
        return self.streamed.sheets.origin

    def pieces(self, rows: Rows, *names: str) -> Iterator[tuple[Table, Array]]:
        """All rows piece by piece, and those of a split that are among them."""
        import numpy as np

        for start, piece in self.streamed.pieces(names):
            chosen = rows.within(start, start + piece.rows) if isinstance(rows, Chosen) else np.empty(0, np.int64)
            yield piece, chosen
