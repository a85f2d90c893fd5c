"""The rows that are in memory, of data that are not; kernels read them while others are fetched."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from netspec.compiler.codegen.memory import allocate
from netspec.data.streaming.stored import StoredColumn

if TYPE_CHECKING:
    from netspec.data.table import Array, Rows

T = TypeVar("T")

HALVES: Final = 2


class Window:
    """Memory for rows of some columns: two halves for training and two for measuring.

    One half is read by kernels while the other is filled by a thread of its own. What is in a half does not depend on
    when it was filled, so neither do results.
    """

    def __init__(self, columns: Mapping[str, StoredColumn], training: int, measuring: int) -> None:
        import numpy as np

        self._columns, self.training, self.measuring = columns, training, measuring
        rows = HALVES * (training + measuring)
        self.rows = np.zeros(rows, np.int64)
        """The row of the data at each place."""
        self.arrays = {name: _array(column, rows) for name, column in columns.items()}
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="netspec-reader")

    @property
    def bytes(self) -> int:
        return sum(array.nbytes for array in self.arrays.values())

    def train_half(self, number: int) -> int:
        """The first place of a half for training."""
        return number % HALVES * self.training

    def measure_half(self, number: int) -> int:
        """The first place of a half for measuring."""
        return HALVES * self.training + number % HALVES * self.measuring

    def later(self, task: Callable[[], T]) -> Future[T]:
        """Do something on the reader's thread, after what it was given before."""
        return self._reader.submit(task)

    def fill(self, place: int, rows: Array) -> None:
        """Read rows, which ascend, to ``place`` and behind."""
        self.rows[place : place + len(rows)] = rows
        for name, column in self._columns.items():
            column.take(rows, self.arrays[name][place : place + len(rows)])

    def visit(self, rows: Rows, batch: int) -> Iterator[Array]:
        """Rows one part after the other, as places ``int64[steps, batch]``."""
        import numpy as np

        at_once = self.measuring // batch * batch
        starts = range(0, len(rows), at_once)
        coming = self._measured(rows, 0, at_once) if starts else None
        for number, start in enumerate(starts):
            assert coming is not None
            coming.result()
            if number + 1 < len(starts):
                coming = self._measured(rows, number + 1, at_once)
            count = min(at_once, len(rows) - start)
            places = self.measure_half(number) + np.arange(count)
            whole = count // batch * batch
            if whole:
                yield places[:whole].reshape(-1, batch)
            if whole < count:
                yield places[whole:].reshape(1, -1)

    def first(self, rows: Rows, count: int) -> Array:
        """The places of the first rows, in memory until rows are measured."""
        import numpy as np

        wanted = rows[: min(count, self.measuring)]
        self.fill(self.measure_half(0), wanted)
        return self.measure_half(0) + np.arange(len(wanted))

    def _measured(self, rows: Rows, number: int, at_once: int) -> Future[None]:
        start = number * at_once
        return self.later(lambda: self.fill(self.measure_half(number), rows[start : start + at_once]))


def _array(column: StoredColumn, rows: int) -> Array:
    """Memory for rows in which whole vectors can be read to the end."""
    shape = (rows, *column.features)
    memory: Array = allocate(column.dtype.itemsize * math.prod(shape)).view(column.dtype).reshape(shape)
    return memory
