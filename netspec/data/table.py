"""Columns of data in memory, stored as compactly as they came, with their types and the source's own splits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from netspec.data.faults import data_error
from netspec.data.fieldtype import FieldType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from netspec.data.ragged import Column, Ragged

    Array: TypeAlias = NDArray[Any]

_SAMPLE_BLOCK = 1 << 14
_SAMPLE_BLOCKS = 64
_SUMMED_BYTES = 1 << 12  # the last block is sampled, and so is what no sum covers
_VECTOR = 16


@dataclass(frozen=True)
class Place:
    """Where a stretch of rows came from, so that a message can name file and line of a row.

    ``numbers`` are those of the rows, by default counted from 1; in a text file, of the lines that they end on.
    ``files`` are those of columns that lie in files of their own.
    """

    file: str
    first: int
    numbers: Array | None = None
    unit: Literal["row", "line"] = "line"
    files: Mapping[str, str] = field(default_factory=dict)

    def name(self, row: int, column: str | None = None) -> str:
        own = row - self.first
        unit, number = ("row", own + 1) if self.numbers is None else (self.unit, int(self.numbers[own]))
        return f"{self.files.get(column or '', self.file)}, {unit} {number}"

    def of_token(self, row: int, position: int) -> str:
        """Where a token of a row stands, by its place in the values of a ragged column."""
        return self.name(row)

    def kept(self, rows: Array, first: int) -> Place:
        """The place of some of its rows, which now begin at ``first``."""
        own = rows - self.first
        if self.numbers is None:
            return replace(self, first=first, numbers=own + 1, unit="row")
        return replace(self, first=first, numbers=self.numbers[own])


class Rows(Protocol):
    """Rows of a table, ascending: an array ``int64[n]``, or what gives such arrays by slices."""

    def __len__(self) -> int: ...

    def __getitem__(self, wanted: Any, /) -> Any: ...


class Values(Protocol):
    """A column of numbers: an array ``[rows, *features]``, or what is read from files by rows that ascend."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> Any: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Any: ...


class Pieces(Protocol):
    """A table as fields are fitted on it: in memory as a whole, or read piece by piece."""

    @property
    def types(self) -> Mapping[str, FieldType]: ...

    @property
    def origin(self) -> str:
        """The files that the rows come from."""

    def pieces(self, rows: Rows, *names: str) -> Iterator[tuple[Table, Array]]:
        """All rows with at least the columns ``names``, in tables that are in memory, and which of ``rows`` are there.

        The rows are counted from the first of each piece.
        """


@dataclass(frozen=True)
class Table:
    """Named columns ``[rows, *shape]``; ``splits`` are those the source comes with, ``train`` alone if it has none.

    Columns are C-contiguous and never written to: they may be mapped from a file. A text column is an array of str
    objects. Columns whose rows differ in length, and those that are cut into tokens, stand under ``ragged``.
    """

    columns: Mapping[str, Array]
    types: Mapping[str, FieldType]
    splits: Mapping[str, range]
    places: tuple[Place, ...]
    fingerprint: str
    ragged: Mapping[str, Ragged] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return next((n for columns in (self.columns, self.ragged) for n in map(len, columns.values())), 0)

    @property
    def arrays(self) -> dict[str, Array]:
        """All arrays by the keys under which graphs read fields: ``NAME``, of ragged ones `Ragged.arrays`."""
        return dict(self.columns) | {key: a for name, own in self.ragged.items() for key, a in own.arrays(name).items()}

    @property
    def origin(self) -> str:
        """The files that the rows come from."""
        return listed(place.file for place in self.places)

    def pieces(self, rows: Rows, *names: str) -> Iterator[tuple[Table, Array]]:
        """Itself, for it is in memory."""
        yield self, rows[:]

    def place(self, row: int, column: str | None = None) -> str:
        """Where a row, or its cell of a column, stands: ``mpg.csv, line 34``."""
        place = self._place_of(row)
        return f"row {row + 1}" if place is None else place.name(row, column)

    def token_place(self, row: int, column: str, step: int) -> str:
        """Where a token of a row stands, of a column that is cut into tokens or is text."""
        own, place = self.ragged.get(column), self._place_of(row)
        if own is None or place is None:
            return self.place(row, column)
        return place.of_token(row, int(own.places(slice(row, row + 1))[0][step]))

    def _place_of(self, row: int) -> Place | None:
        inside = [place for place in self.places if place.first <= row]
        return inside[-1] if inside else None

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
        ragged = {name: column.chosen(rows) for name, column in self.ragged.items()}
        return replace(self, columns=columns, splits=splits, places=tuple(places), ragged=ragged)


def listed(files: Iterable[str]) -> str:
    """The first of some names, and how many more there are."""
    names = list(dict.fromkeys(files))
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def make_table(
    columns: Mapping[str, Column],
    types: Mapping[str, FieldType],
    *,
    splits: Mapping[str, range] | None = None,
    places: tuple[Place, ...] = (),
    origin: str,
) -> Table:
    """A table with its fingerprint.

    Args:
        columns: arrays and ragged columns of equally many rows.
        types: the type of each column, in the same order.
        splits: the source's own; by default all rows are ``train``.
        places: where the rows came from.
        origin: what to call the source in a message.

    Raises:
        DataError: if columns differ in length or there are no rows.
    """
    import numpy as np

    from netspec.data.ragged import Ragged

    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"`{name}` has {rows}" for name, rows in lengths.items())
        raise data_error("unequal-rows", f"the fields of {origin} differ in their number of rows: {listed}")
    rows = next(iter(lengths.values()), 0)
    if rows == 0:
        raise data_error("no-rows", f"{origin} has no rows")
    dense = {name: np.ascontiguousarray(c) for name, c in columns.items() if not isinstance(c, Ragged)}
    ragged = {name: c for name, c in columns.items() if isinstance(c, Ragged)}
    table = Table(dense, dict(types), dict(splits or {"train": range(rows)}), places, "", ragged)
    content = fingerprint(table.arrays)
    known = dict.fromkeys(column.names for column in ragged.values())
    return replace(table, fingerprint=fingerprint_of_names(content, known) if known else content)


def fingerprint(columns: Mapping[str, Array]) -> str:
    """A SHA-256 over names, types, shapes and content: another if a value changes, or rows change places.

    A column is hashed whole up to 1 MiB. Beyond, where hashing all of MNIST would cost a warm start 40 ms, 64 blocks of
    it are, and of the rest the sum of every 4 KiB: only what changes places within these is not noticed.
    """
    import hashlib

    import numpy as np

    digest = hashlib.sha256()
    for name in sorted(columns):
        column = columns[name]
        digest.update(f"{name} {column.dtype.str} {column.shape}\n".encode())
        if column.dtype.hasobject:
            digest.update("\0".join(column.tolist()).encode())
            continue
        content: Any = np.ascontiguousarray(column).reshape(-1).view("uint8")
        step = max(_SAMPLE_BLOCK, -(-len(content) // _SAMPLE_BLOCKS))
        for start in range(0, len(content), step):
            digest.update(content[start : start + _SAMPLE_BLOCK])
        digest.update(content[-_SAMPLE_BLOCK:])
        if step > _SAMPLE_BLOCK:
            whole = content[: len(content) // _SUMMED_BYTES * _SUMMED_BYTES].view("uint64")
            digest.update(np.add.reduce(whole.reshape(-1, _SUMMED_BYTES // 8), axis=1))
    return digest.hexdigest()


def fingerprint_of_names(content: str, names: Iterable[tuple[str, ...]]) -> str:
    """The fingerprint of columns with what their values stand for."""
    import hashlib

    digest = hashlib.sha256(content.encode())
    for known in dict.fromkeys(names):
        digest.update("\0".join(known).encode() + b"\n")
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
