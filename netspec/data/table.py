"""Columns of data in memory, stored as compactly as they came, with their types and the source's own splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from netspec.data.faults import data_error
from netspec.data.fieldtype import FieldType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

_SAMPLE_BLOCK = 1 << 14
_SAMPLE_BLOCKS = 64
_VECTOR = 16


@dataclass(frozen=True)
class Place:
    """Where a stretch of rows came from, so that a message can name file and line of a row.

    ``numbers`` are those of the rows, by default counted from 1; in a text file, of the lines that they end on.
    """

    file: str
    first: int
    numbers: Array | None = None
    unit: Literal["row", "line"] = "line"

    def name(self, row: int) -> str:
        own = row - self.first
        unit, number = ("row", own + 1) if self.numbers is None else (self.unit, int(self.numbers[own]))
        return f"{self.file}, {unit} {number}"

    def kept(self, rows: Array, first: int) -> Place:
        """The place of some of its rows, which now begin at ``first``."""
        own = rows - self.first
        if self.numbers is None:
            return Place(self.file, first, own + 1, "row")
        return replace(self, first=first, numbers=self.numbers[own])


@dataclass(frozen=True)
class Table:
    """Named columns ``[rows, *shape]``; ``splits`` are those the source comes with, ``train`` alone if it has none.

    Columns are C-contiguous and never written to: they may be mapped from a file. A text column is an array of str
    objects.
    """

    columns: Mapping[str, Array]
    types: Mapping[str, FieldType]
    splits: Mapping[str, range]
    places: tuple[Place, ...]
    fingerprint: str

    @property
    def rows(self) -> int:
        return next((len(column) for column in self.columns.values()), 0)

    def place(self, row: int) -> str:
        """``mpg.csv, line 34``."""
        inside = [place for place in self.places if place.first <= row]
        return inside[-1].name(row) if inside else f"row {row + 1}"

    def kept(self, chosen: Array) -> Table:
        """The rows where ``chosen``, ``bool[rows]``, is true; the fingerprint stays that of the whole."""
        import numpy as np

        rows = np.flatnonzero(chosen)
        ends = [*(place.first for place in self.places[1:]), self.rows]
        inside = [rows[(rows >= place.first) & (rows < end)] for place, end in zip(self.places, ends, strict=True)]
        places = [
            place.kept(own, int(np.searchsorted(rows, place.first)))
            for place, own in zip(self.places, inside, strict=True)
            if len(own)
        ]
        splits = {
            name: range(*(int(i) for i in np.searchsorted(rows, (own.start, own.stop))))
            for name, own in self.splits.items()
        }
        columns = {name: column[rows] for name, column in self.columns.items()}
        return replace(self, columns=columns, splits=splits, places=tuple(places))


def make_table(
    columns: Mapping[str, Array],
    types: Mapping[str, FieldType],
    *,
    splits: Mapping[str, range] | None = None,
    places: tuple[Place, ...] = (),
    origin: str,
) -> Table:
    """A table with its fingerprint.

    Args:
        columns: arrays of equal length.
        types: the type of each column, in the same order.
        splits: the source's own; by default all rows are ``train``.
        places: where the rows came from.
        origin: what to call the source in a message.

    Raises:
        DataError: if columns differ in length or there are no rows.
    """
    import numpy as np

    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"`{name}` has {rows}" for name, rows in lengths.items())
        raise data_error("unequal-rows", f"the fields of {origin} differ in their number of rows: {listed}")
    rows = next(iter(lengths.values()), 0)
    if rows == 0:
        raise data_error("no-rows", f"{origin} has no rows")
    kept = {name: np.ascontiguousarray(column) for name, column in columns.items()}
    return Table(kept, dict(types), dict(splits or {"train": range(rows)}), places, fingerprint(kept))


def fingerprint(columns: Mapping[str, Array]) -> str:
    """A SHA-256 over names, types, shapes and content.

    Content is read whole up to 1 MiB a column and sampled in 64 blocks beyond: hashing all of MNIST would cost a warm
    start 40 ms, and what this is for, telling one data set from another, needs no more.
    """
    import hashlib

    digest = hashlib.sha256()
    for name in sorted(columns):
        column = columns[name]
        digest.update(f"{name} {column.dtype.str} {column.shape}\n".encode())
        if column.dtype.hasobject:
            digest.update("\0".join(column.tolist()).encode())
            continue
        content: Any = column.reshape(-1).view("uint8")
        step = max(_SAMPLE_BLOCK, -(-len(content) // _SAMPLE_BLOCKS))
        for start in range(0, len(content), step):
            digest.update(content[start : start + _SAMPLE_BLOCK])
        digest.update(content[-_SAMPLE_BLOCK:])
    return digest.hexdigest()


def readable_beyond(column: Array) -> Array:
    """The column in C order, moved where it must be so that kernels can load whole vectors to the end of its last row.

    Where a row is not whole vectors of 16 elements, 16 more elements (zeros) lie behind the last one.
    """
    import numpy as np

    column = np.ascontiguousarray(column)
    if (column.size // max(1, len(column))) % _VECTOR == 0:
        return column
    moved = np.zeros(column.size + _VECTOR, column.dtype)
    moved[: column.size] = column.reshape(-1)
    return moved[: column.size].reshape(column.shape)
