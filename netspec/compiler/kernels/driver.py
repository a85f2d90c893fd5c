"""The driver: one compiled function that walks any network's table of kernel calls.

A program is one array of int64: a header, then rows of four words, then the kernels' argument words.

=========  ==========================  ================  ======================
row        word 0                      word 1            word 3
=========  ==========================  ================  ======================
CALL       address of the kernel       its arguments     0
BARRIER    0                           0                 0
LOOP       how often                   rows that follow  address of its counters
STEPPED    address of the kernel       its block         address of its counters
PARTS      how many                    rows that follow  1, or -1: the last first
=========  ==========================  ================  ======================

Word 2 names the kind. Calls get the thread's share of their work, one part of as many as there are threads. Below PARTS
there are more of them, and a thread runs the rows that follow for one of its parts after the other: what a row has
written is then still in the cache when the next one reads it. Loops do not nest, nor do parts. Counters (of steps, of a
loop) stand a cache line apart for each thread.

A STEPPED call stands in a loop, and some of its arguments move on from round to round. Its block is the address of the
first thread's arguments, how far apart those of two threads lie, how many words move, and for each of these its place,
its first value and its step; a thread writes these words before it calls.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from netspec.compiler.kernels.kernel import Kernel

if TYPE_CHECKING:
    import numpy as np

CALL, BARRIER, LOOP, PARTS, STEPPED = 0, 1, 2, 3, 4
# Words of the header. The barrier's two counters stand apart from all else and from each other, as processors fetch
# cache lines in pairs.
STEPS, ROWS, FIRST_ROW, CLOCK, TICKS, ARRIVED, GENERATION, HEADER = 0, 1, 2, 3, 4, 16, 32, 48
ROW_WORDS = 4
BLOCK_HEAD = 3  # words of the block of a stepped call before what it says of each word
LINE = 8  # words of a cache line
MAXIMUM_THREADS = 256
# A processor that is never idle is given no thread that waits for another. Some 200 us: one nap makes the others wait
# for 60 to 120, and if they napped for that, naps would follow one another (LeNet-5's step: 612 us in place of 536).
YIELDS_BEFORE_NAP = 500
SPINS_BEFORE_YIELD = 2000  # a pure spin collapsed where another process kept a core busy
# What gives the rest of a time slice to another thread.
YIELD = "SwitchToThread" if sys.platform == "win32" else "sched_yield"
# What sleeps for the shortest time there is: milliseconds there, microseconds here.
NAP = "Sleep" if sys.platform == "win32" else "usleep"


def driver_kernel() -> Kernel:
    """The driver as a kernel, compiled once for all networks; its arguments are those of a `Crew`."""

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.crew_emit import emit_crew

        return emit_crew()

    return Kernel("driver", f"driver {YIELD} {NAP}", build)


@dataclass(frozen=True)
class Program:
    """A table that is ready to run. ``kept`` holds what its words point to."""

    words: np.ndarray[Any, np.dtype[np.int64]]
    labels: tuple[str, ...]
    kept: tuple[object, ...] = field(repr=False)
    counters: np.ndarray[Any, np.dtype[np.int64]] | None = None

    @cached_property
    def address(self) -> int:
        """That of the words: to ask NumPy for it takes a tenth of a small prediction."""
        return int(self.words.ctypes.data)

    def ticks(self, threads: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Processor ticks ``[threads, rows]`` spent in each row so far; needs a program made with ``ticks=True``."""
        if self.counters is None:
            raise ValueError("this program counts no ticks")
        return self.counters[:threads, : len(self.labels)]


class Table:
    """Builds a program row by row.

    ``clock`` is the address of the step counters, known from the start, as kernels' words hold it. No more than
    ``threads`` may run the program.
    """

    def __init__(self, threads: int = MAXIMUM_THREADS) -> None:
        self.threads = threads
        self._kept: list[object] = []
        self._rows: list[list[int]] = []
        self._labels: list[str] = []
        self._words: list[Sequence[int]] = []
        self._in_loop, self._counters_of_loop = False, 0
        self.clock = self._counters()

    def call(self, address: int, words: Sequence[int], label: str = "") -> None:
        """A row that calls the kernel at `address`."""
        self._add(address, len(self._words), CALL, 0, label or "call")
        self._words.append(words)

    def stepped(self, address: int, words: Sequence[int], after: Sequence[int], label: str = "") -> None:
        """A row of a loop: its words in the first round and in the second; they go on moving by as much."""
        if not self._in_loop:
            raise ValueError("a stepped call stands in a loop")
        moving = [
            (i, one, other - one) for i, (one, other) in enumerate(zip(words, after, strict=True)) if one != other
        ]
        pitch = -(-len(words) // LINE) * LINE
        arguments, first = lines(pitch * self.threads)
        arguments.reshape(self.threads, pitch)[:, : len(words)] = words
        block, place = lines(BLOCK_HEAD + 3 * len(moving))
        block[:] = [first, 8 * pitch, len(moving), *(word for each in moving for word in each)]
        self._kept += [arguments, block]
        self._add(address, place, STEPPED, self._counters_of_loop, label or "call")

    def barrier(self) -> None:
        """A row at which all threads meet."""
        self._add(0, 0, BARRIER, 0, "barrier")

    @contextmanager
    def loop(self, count: int) -> Iterator[int]:
        """Rows added inside run `count` times; gives the address of the loop's counters (as a clock)."""
        if self._in_loop:
            raise ValueError("loops do not nest")
        clock, at = self._counters(), len(self._rows)
        self._add(count, 0, LOOP, clock, "loop")
        self._in_loop, self._counters_of_loop = True, clock
        yield clock
        self._in_loop = False
        self._rows[at][1] = len(self._rows) - at - 1

    @contextmanager
    def parts(self, count: int, *, backwards: bool = False) -> Iterator[None]:
        """Rows added inside run for one of `count` parts after the other; a barrier among them would never open."""
        at = len(self._rows)
        self._add(count, 0, PARTS, -1 if backwards else 1, "parts")
        yield
        self._rows[at][1] = len(self._rows) - at - 1

    def keep(self, *objects: object) -> None:
        """Hold objects whose memory the words point to for as long as the program lives."""
        self._kept += objects

    def program(self, ticks: bool = False) -> Program:
        """The finished program; ``ticks`` counts the time of each row."""
        import numpy as np

        first = HEADER + ROW_WORDS * len(self._rows)
        offsets, place = [], first
        for words in self._words:
            offsets.append(place)
            place += (len(words) + LINE - 1) // LINE * LINE
        array, _ = lines(place + LINE)
        counters = np.zeros((MAXIMUM_THREADS, max(LINE, len(self._rows))), np.int64) if ticks else None
        array[:GENERATION] = 0
        array[ROWS], array[FIRST_ROW], array[CLOCK] = len(self._rows), array.ctypes.data + 8 * HEADER, self.clock
        array[TICKS] = 0 if counters is None else counters.ctypes.data
        for r, (one, two, kind, three) in enumerate(self._rows):
            second = array.ctypes.data + 8 * offsets[two] if kind == CALL else two
            array[HEADER + ROW_WORDS * r : HEADER + ROW_WORDS * (r + 1)] = one, second, kind, three
        for offset, words in zip(offsets, self._words, strict=True):
            array[offset : offset + len(words)] = words
        return Program(array, tuple(self._labels), tuple(self._kept), counters)

    def _add(self, one: int, two: int, kind: int, three: int, label: str) -> None:
        self._rows.append([one, two, kind, three])
        self._labels.append(label)

    def _counters(self) -> int:
        array, address = lines(MAXIMUM_THREADS * LINE)
        self._kept.append(array)
        return address


def lines(words: int) -> tuple[np.ndarray[Any, np.dtype[np.int64]], int]:
    """Zeroed words that begin at a cache line, and their address."""
    import numpy as np

    raw = np.zeros(words + LINE, np.int64)
    first = -raw.ctypes.data // 8 % LINE
    array = raw[first : first + words]
    return array, array.ctypes.data
