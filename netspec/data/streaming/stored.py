"""Columns that lie in files: read by stretches of rows, never as a whole."""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from netspec.data.faults import data_error, unreadable

if TYPE_CHECKING:
    from netspec.data.table import Array

SPAN_BYTES: Final = 1 << 22
"""What is read at once where only some rows of a stretch are wanted."""


class Column(Protocol):
    """A column in files."""

    @property
    def rows(self) -> int: ...

    @property
    def row_bytes(self) -> int:
        """About how much memory a row takes."""

    def read(self, start: int, stop: int) -> Array:
        """The rows from ``start`` to before ``stop``."""


class File:
    """A file that is read at any place, by several threads at once; one that changes under the reader is told.

    A file that is replaced by another of its name stays readable as it was; one that is written to or cut does not.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._turns = path, threading.Lock()
        try:
            self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise unreadable(path, error) from None
        weakref.finalize(self, os.close, self._descriptor)
        self._state = self._stat()

    @property
    def bytes(self) -> int:
        return self._state[0]

    @property
    def state(self) -> tuple[int, int]:
        """Its size and when it was last written, when it was opened."""
        return self._state

    def read_into(self, memory: memoryview, offset: int) -> None:
        """Fill ``memory`` with what stands at ``offset``.

        Raises:
            DataError: if the file is not what it was when it was opened, or cannot be read.
        """
        try:
            at = 0
            while at < len(memory):
                count = self._read(memory[at:], offset + at)
                if count == 0:
                    break
                at += count
            if at < len(memory) or self._stat() != self._state:
                raise self._changed()
        except OSError as error:
            raise unreadable(self.path, error) from None

    def _read(self, memory: memoryview, offset: int) -> int:
        """Without the interpreter's lock, and where the system allows it without a position in common."""
        if hasattr(os, "preadv"):
            return os.preadv(self._descriptor, [memory], offset)
        with self._turns:
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            found = os.read(self._descriptor, len(memory))
        memory[: len(found)] = found
        return len(found)

    def _stat(self) -> tuple[int, int]:
        found = os.fstat(self._descriptor)
        return found.st_size, found.st_mtime_ns

    def _changed(self) -> Exception:
        message = f"{self.path.name} has been changed or cut short while it was read"
        helps = ["a training that streams its data needs them to stay as they are", "begin again once they do"]
        return data_error("changed-data", message, notes=[str(self.path)], helps=helps)


@dataclass(frozen=True)
class Extent:
    """A stretch of rows that follow each other in a file, from ``offset`` on, as numbers of type ``dtype``."""

    file: File
    offset: int
    rows: int
    dtype: str


@dataclass(frozen=True, eq=False)
class StoredColumn:
    """Numbers ``[rows, *features]`` in files, given out as ``type`` whatever they are stored as.

    Like an array it has a shape and a dtype and can be indexed by rows, which must ascend.
    """

    extents: tuple[Extent, ...]
    type: str
    features: tuple[int, ...] = ()

    @cached_property
    def rows(self) -> int:
        return sum(extent.rows for extent in self.extents)

    @cached_property
    def _begins(self) -> tuple[int, ...]:
        """The first row of each extent."""
        return tuple(accumulate((extent.rows for extent in self.extents[:-1]), initial=0))

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.rows, *self.features)

    @property
    def dtype(self) -> Any:
        import numpy as np

        return np.dtype(self.type)

    @property
    def row_bytes(self) -> int:
        return int(self.dtype.itemsize) * math.prod(self.features)

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, rows: Any) -> Array:
        import numpy as np

        if isinstance(rows, slice):
            return self.read(*rows.indices(self.rows)[:2])
        found = np.empty((len(rows), *self.features), self.dtype)
        self.take(rows, found)
        return found

    def read(self, start: int, stop: int) -> Array:
        import numpy as np

        found = np.empty((max(0, stop - start), *self.features), self.dtype)
        self.read_into(start, found)
        return found

    def read_into(self, start: int, out: Array) -> None:
        """Fill ``out``, C-contiguous, with the rows from ``start`` on."""
        for begin, extent in zip(self._begins, self.extents, strict=True):
            low, high = max(start, begin), min(start + len(out), begin + extent.rows)
            if low < high:
                self._read_extent(extent, low - begin, out[low - start : high - start])

    def take(self, rows: Array, out: Array) -> None:
        """Fill ``out`` with some rows, which ascend."""
        at_once = max(1, SPAN_BYTES // max(1, self.row_bytes))
        at = 0
        while at < len(rows):
            first = int(rows[at])
            end = int(rows.searchsorted(first + at_once))
            stop = int(rows[end - 1]) + 1
            if stop - first == end - at:
                self.read_into(first, out[at:end])
            else:
                out[at:end] = self.read(first, stop)[rows[at:end] - first]
            at = end

    def end_of(self, extent: Extent) -> int:
        """Where an extent ends in its file."""
        import numpy as np

        return extent.offset + extent.rows * int(np.dtype(extent.dtype).itemsize) * math.prod(self.features)

    def _read_extent(self, extent: Extent, first: int, out: Array) -> None:
        import numpy as np

        stored = np.dtype(extent.dtype)
        width = stored.itemsize * math.prod(self.features)
        place = extent.offset + first * width
        if stored == out.dtype:
            extent.file.read_into(_bytes(out), place)
            return
        step = max(1, SPAN_BYTES // max(1, width))
        for i in range(0, len(out), step):
            part = np.empty(out[i : i + step].shape, stored)
            extent.file.read_into(_bytes(part), place + i * width)
            with np.errstate(over="ignore"):  # what does not fit is infinite, and told as such
                out[i : i + step] = part


def _bytes(array: Array) -> memoryview:
    flat: Any = array.reshape(-1)
    return memoryview(flat.view("uint8"))


@dataclass(frozen=True, eq=False)
class StoredText:
    """Strings of any length: their bytes one behind the other, and where each ends."""

    ends: StoredColumn
    content: File

    @property
    def rows(self) -> int:
        return self.ends.rows

    @cached_property
    def row_bytes(self) -> int:
        return 64 + self.content.bytes // max(1, self.rows)

    def read(self, start: int, stop: int) -> Array:
        import numpy as np

        ends = self.ends.read(max(0, start - 1), stop)
        if start == 0:
            ends = np.concatenate([[0], ends])
        memory = bytearray(int(ends[-1] - ends[0]))
        self.content.read_into(memoryview(memory), int(ends[0]))
        cuts = (ends - ends[0]).tolist()
        texts = [memory[a:b].decode() for a, b in pairwise(cuts)]
        found = np.empty(len(texts), dtype=object)
        found[:] = texts
        return found


@dataclass(frozen=True, eq=False)
class NoText:
    """A column without a value in any row."""

    rows: int
    row_bytes: int = 8

    def read(self, start: int, stop: int) -> Array:
        import numpy as np

        return np.full(stop - start, "", dtype=object)


class Writer:
    """A column on its way into a file, ``.npy`` where the number of rows is known beforehand."""

    def __init__(self, path: Path, dtype: Any, features: tuple[int, ...], rows: int | None = None) -> None:
        import numpy as np

        self._path, self._dtype, self._features, self._rows = path, np.dtype(dtype), features, 0
        self._file = path.open("wb")
        if rows is not None:
            header = {"descr": self._dtype.str, "fortran_order": False, "shape": (rows, *features)}
            np.lib.format.write_array_header_1_0(self._file, header)
        self._offset = self._file.tell()

    def write(self, values: Array) -> None:
        """Add rows."""
        import numpy as np

        self._file.write(_bytes(np.ascontiguousarray(values, dtype=self._dtype)))
        self._rows += len(values)

    def close(self) -> None:
        """End the file; what was written stays."""
        self._file.close()

    def column(self) -> StoredColumn:
        """The rows that were written, once the file is closed."""
        extent = Extent(File(self._path), self._offset, self._rows, self._dtype.str)
        return StoredColumn((extent,), self._dtype.str, self._features)


class TextWriter:
    """A column of strings on its way into two files: their bytes, and where each ends."""

    def __init__(self, path: Path) -> None:
        self._ends = Writer(path.with_suffix(".ends"), "<i8", ())
        self._path, self._file, self._bytes = path, path.open("wb"), 0

    def write(self, texts: Sequence[str]) -> None:
        """Add rows."""
        import numpy as np

        encoded = [text.encode() for text in texts]
        ends = self._bytes + np.cumsum([len(text) for text in encoded], dtype=np.int64)
        self._file.write(b"".join(encoded))
        self._ends.write(ends)
        self._bytes = int(ends[-1])

    def close(self) -> None:
        """End the files; what was written stays."""
        self._ends.close()
        self._file.close()

    def column(self) -> StoredText:
        """The rows that were written, once the files are closed."""
        return StoredText(self._ends.column(), File(self._path))
