"""Data that are streamed, as training and measuring take them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from netspec.data.batches import Feed, Visit
from netspec.data.faults import told_at
from netspec.data.fieldtype import FieldType
from netspec.data.fitting import Fitted
from netspec.data.section import Stream
from netspec.data.streaming.chosen import Chosen
from netspec.data.streaming.feed import StreamedFeed, cut
from netspec.data.streaming.prepared import Prepared, sample_of
from netspec.data.streaming.preparing import Wish, prepare
from netspec.data.streaming.sharing import chosen_rows
from netspec.data.streaming.window import Window
from netspec.data.table import Table

if TYPE_CHECKING:
    from netspec.data.table import Array

BUFFER_BYTES: Final = 64_000_000
MEASURED_BYTES: Final = 4_000_000
MEASURED_ROWS: Final = 64
"""At least so many rows are in memory to be measured: as many as are evaluated at once."""


class StreamedDataset:
    """The fields of a spec's data in files; only the rows that are in use are in memory."""

    def __init__(self, prepared: Prepared, buffer: int | None) -> None:
        self._prepared, self._asked_buffer = prepared, buffer
        self._names: Collection[str] = prepared.columns
        self._batch = 1
        self.splits: Mapping[str, Chosen] = chosen_rows(prepared.codes)

    @property
    def fields(self) -> Mapping[str, FieldType]:
        return self._prepared.types

    @property
    def fitted(self) -> Fitted:
        return self._prepared.fitted

    @property
    def fingerprint(self) -> str:
        """Of the files, whatever fields are made of them."""
        return self._prepared.fingerprint

    def fingerprints(self) -> dict[str, str]:
        """Of every field as it was made, sampled."""
        return {name: sample_of(column) for name, column in self._prepared.columns.items()}

    @property
    def columns(self) -> Mapping[str, Array]:
        """The rows that are in memory, of the fields that are read."""
        return self._window.arrays

    @property
    def arrays(self) -> dict[str, Array]:
        """The same by the keys under which the graphs read fields; none whose rows differ in length is streamed."""
        return dict(self.columns)

    def place(self, row: int) -> str:
        """Where a row that is in memory comes from, by its place in the columns: ``big.csv, row 3041``."""
        return Table({}, {}, {}, self._prepared.places, "").place(int(self._window.rows[row]))

    def dtype(self, name: str) -> Any:
        """What a field is held as."""
        return self._prepared.columns[name].dtype

    def prepare(self, names: Collection[str], batch: int) -> None:
        """Say before any row is read which fields are, and in batches of how many rows at most."""
        self._names, self._batch = names, batch

    def feed(self, seed: int, batch: int, *, shuffle: bool) -> Feed:
        """The batches that a training goes through."""
        train = self.splits["train"]
        parts = cut(len(train), self._buffer, batch, self._row_bytes)
        return StreamedFeed(self._window, train, parts, seed, batch, shuffle=shuffle)

    def visit(self, split: str) -> Visit:
        """The rows of a split, to be measured."""
        return _Visit(self._window, self.splits[split])

    def first(self, split: str, count: int) -> Array:
        """The first rows of a split, ``int64[n]``, as places in the columns; no more than can be in memory."""
        return self._window.first(self.splits[split], count)

    def middle(self, name: str) -> float:
        """Midway between the least and the largest value of a single number in training: where it is cut in two."""
        return self._prepared.middles[name]

    @property
    def _row_bytes(self) -> int:
        return max(1, sum(self._prepared.columns[name].row_bytes for name in self._names))

    @property
    def _buffer(self) -> int:
        """The rows that the order is drawn from, where there are as many."""
        return min(self._asked_buffer or max(1, BUFFER_BYTES // self._row_bytes), len(self.splits["train"]))

    @cached_property
    def _window(self) -> Window:
        columns = {name: self._prepared.columns[name] for name in self._names}
        parts = cut(len(self.splits["train"]), self._buffer, self._batch, self._row_bytes)
        most = max(len(rows) for rows in self.splits.values())
        measured = max(self._batch, MEASURED_ROWS, min(MEASURED_BYTES // self._row_bytes, most))
        return Window(columns, parts.buffer, measured)


class _Visit:
    """A split that is read while it is measured."""

    def __init__(self, window: Window, rows: Chosen) -> None:
        self._window, self._rows = window, rows

    def __len__(self) -> int:
        return len(self._rows)

    def batches(self, batch: int) -> Iterator[Array]:
        return self._window.visit(self._rows, batch)


def open_stream(wish: Wish, told: Callable[[str], None]) -> StreamedDataset:
    """The data of a section that streams them.

    Raises:
        DataError: if the data are wrong, or cannot be streamed.
        EnvironmentFault: if the cache folder cannot be written.
    """
    for path, error in wish.section.not_streamed():
        with told_at(wish.span(path)):
            raise error
    stream = wish.section.stream
    return StreamedDataset(prepare(wish, told), stream.buffer if isinstance(stream, Stream) else None)
