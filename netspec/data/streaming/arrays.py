"""NumPy's array files as columns that stay in them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.data.faults import data_error
from netspec.data.fieldtype import FieldType
from netspec.data.paths import SPLITS
from netspec.data.sources.npy import read_npy_header
from netspec.data.sources.npz import Header, array_type, text_of
from netspec.data.stacking import places_of, refuse_other_rows, refuse_other_shape
from netspec.data.streaming.stored import SPAN_BYTES, Column, Extent, File, StoredColumn
from netspec.data.streaming.streamed import Sheets, Streamed

if TYPE_CHECKING:
    from netspec.data.table import Array


@dataclass(frozen=True)
class _Part:
    """An array file and its header."""

    path: Path
    header: Header

    @property
    def rows(self) -> int:
        return self.header.shape[0]

    @property
    def sample(self) -> tuple[int, ...]:
        return self.header.shape[1:]

    def extent(self) -> Extent:
        return Extent(File(self.path), self.header.offset, self.rows, self.header.dtype.str)


@dataclass(frozen=True, eq=False)
class _Narrowed(StoredColumn):
    """Numbers that are read as float32, unless it cannot hold one of them: that is told with its own digits."""

    wide: str = ""

    def read(self, start: int, stop: int) -> Array:
        import numpy as np

        narrow = super().read(start, stop)
        if self.wide == self.type or np.isfinite(narrow.sum(dtype=np.float64)):
            return narrow
        return StoredColumn(self.extents, self.wide, self.features).read(start, stop)


@dataclass(frozen=True, eq=False)
class _Texts:
    """Strings of fixed width or dates, given out as str objects."""

    stored: StoredColumn
    name: str
    origin: str

    @property
    def rows(self) -> int:
        return self.stored.rows

    @property
    def row_bytes(self) -> int:
        return 64 + self.stored.row_bytes

    def read(self, start: int, stop: int) -> Array:
        return text_of(self.name, self.stored.read(start, stop), self.origin)


def streamed_arrays(files: Mapping[str, Mapping[str, Sequence[Path]]]) -> Streamed:
    """The fields of array files, each from files of its own by split; nothing but their headers is read.

    Whole numbers, one a row, are gone through once, for their largest says how many classes they are.

    Raises:
        DataError: if a file is no array or cut short, or fields do not fit together.
    """
    parts = {
        name: {split: [_part(path) for path in by_split[split]] for split in SPLITS if split in by_split}
        for name, by_split in files.items()
    }
    sizes = {
        name: {split: sum(part.rows for part in found) for split, found in by_split.items()}
        for name, by_split in parts.items()
    }
    refuse_other_rows(sizes)
    columns: dict[str, Column] = {}
    types: dict[str, FieldType] = {}
    for name, by_split in parts.items():
        columns[name], types[name] = _column(name, [part for found in by_split.values() for part in found])
    splits, start = {}, 0
    first = next(iter(sizes))
    for split, rows in sizes[first].items():
        splits[split] = range(start, start + rows)
        start += rows
    return Streamed(columns, types, splits, Sheets(places_of(files, sizes[first])), stays=True)


def _part(path: Path) -> _Part:
    header = read_npy_header(path)
    if header.is_column_major and len(header.shape) > 1:
        message = f"{path.name} is stored column by column, and only rows that lie together can be streamed"
        raise data_error("cannot-stream", message, helps=["save it again by `numpy.save(path, array.copy(order='C'))`"])
    return _Part(path, header)


def _column(name: str, parts: Sequence[_Part]) -> tuple[Column, FieldType]:
    import numpy as np

    first = parts[0]
    for other in parts[1:]:
        refuse_other_shape(name, first.sample, first.path.name, other.sample, other.path.name)
    rows = sum(part.rows for part in parts)
    if not rows:
        raise data_error("no-rows", f"the field `{name}` has no rows in {first.path.name}")
    extents, dtype = tuple(part.extent() for part in parts), np.result_type(*(part.header.dtype for part in parts))
    whole = StoredColumn(extents, dtype.str, first.sample)
    type_, held = array_type(name, dtype, (rows, *first.sample), lambda: _ends(whole), first.path.name)
    if type_.kind == "text":
        return _Texts(whole, name, first.path.name), type_
    is_wider = dtype.kind == "f" and dtype.itemsize > held.itemsize
    return _Narrowed(extents, held.str, first.sample, dtype.str if is_wider else held.str), type_


def _ends(column: StoredColumn) -> tuple[int, int]:
    low, high = math.inf, -math.inf
    step = SPAN_BYTES // column.row_bytes
    for i in range(0, column.rows, step):
        part = column.read(i, min(i + step, column.rows))
        low, high = min(low, int(part.min())), max(high, int(part.max()))
    return int(low), int(high)
