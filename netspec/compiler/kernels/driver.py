"""The driver: one compiled function that walks any network's table of kernel calls, and the threads that run it.

A program is one array of int64: a header, then rows of four words, then the kernels' argument words.

=========  ==========================  ================  ======================
row        word 0                      word 1            word 3
=========  ==========================  ================  ======================
CALL       address of the kernel       its arguments     0
BARRIER    0                           0                 0
LOOP       how often                   rows that follow  address of its counters
=========  ==========================  ================  ======================

Word 2 names the kind. Loops do not nest. Counters (of steps, of a loop) stand a cache line apart for each thread.
"""

from __future__ import annotations

import ctypes
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from netspec.compiler.kernels.kernel import Kernel

if TYPE_CHECKING:
    import numpy as np

CALL, BARRIER, LOOP = 0, 1, 2
# Words of the header. The barrier's two counters stand apart from all else and from each other, as processors fetch
# cache lines in pairs.
STEPS, ROWS, FIRST_ROW, CLOCK, TICKS, ARRIVED, GENERATION, HEADER = 0, 1, 2, 3, 4, 16, 32, 48
ROW_WORDS = 4
LINE = 8  # words of a cache line
MAXIMUM_THREADS = 256
YIELDS_BEFORE_NAP = 64  # a processor that is never idle is given no thread that waits for another
SPINS_BEFORE_YIELD = 2000  # a pure spin collapsed where another process kept a core busy
# What gives the rest of a time slice to another thread.
YIELD = "SwitchToThread" if sys.platform == "win32" else "sched_yield"
# What sleeps for the shortest time there is: milliseconds there, microseconds here.
NAP = "Sleep" if sys.platform == "win32" else "usleep"


def driver_kernel() -> Kernel:
    """The driver as a kernel: ``(program, thread, threads, 0)``, compiled once for all networks."""

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.driver_emit import emit_driver

        return emit_driver()

    return Kernel("driver", f"driver {YIELD} {NAP}", build)


@dataclass(frozen=True)
class Program:
    """A table that is ready to run. ``kept`` holds what its words point to."""

    words: np.ndarray[Any, np.dtype[np.int64]]
    labels: tuple[str, ...]
    kept: tuple[object, ...] = field(repr=False)
    counters: np.ndarray[Any, np.dtype[np.int64]] | None = None

    def ticks(self, threads: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Processor ticks ``[threads, rows]`` spent in each row so far; needs a program made with ``ticks=True``."""
        if self.counters is None:
            raise ValueError("this program counts no ticks")
        return self.counters[:threads, : len(self.labels)]


class Table:
    """Builds a program row by row.

    ``clock`` is the address of the step counters, known from the start, as kernels' words hold it.
    """

    def __init__(self) -> None:
        self._kept: list[object] = []
        self._rows: list[list[int]] = []
        self._labels: list[str] = []
        self._words: list[Sequence[int]] = []
        self._in_loop = False
        self.clock = self._counters()

    def call(self, address: int, words: Sequence[int], label: str = "") -> None:
        """A row that calls the kernel at `address`."""
        self._add(address, len(self._words), CALL, 0, label or "call")
        self._words.append(words)

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
        self._in_loop = True
        yield clock
        self._in_loop = False
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
        array, _ = _lines(place + LINE)
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
        array, address = _lines(MAXIMUM_THREADS * LINE)
        self._kept.append(array)
        return address


def _lines(words: int) -> tuple[np.ndarray[Any, np.dtype[np.int64]], int]:
    """Zeroed words that begin at a cache line, and their address."""
    import numpy as np

    raw = np.zeros(words + LINE, np.int64)
    first = -raw.ctypes.data // 8 % LINE
    array = raw[first : first + words]
    return array, array.ctypes.data


class Crew:
    """Threads that run programs by the driver at an address.

    One thread is the caller itself. More are all in the background and stay for the next run, since a caller that
    Ctrl-C interrupts before it has entered the driver would leave the others waiting at a barrier for ever.
    """

    def __init__(self, driver: int, threads: int) -> None:
        if not 1 <= threads <= MAXIMUM_THREADS:
            raise ValueError(f"between 1 and {MAXIMUM_THREADS} threads, got {threads}")
        self.threads = threads
        # ctypes releases the GIL around the call.
        self._enter = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(driver)
        self._inboxes: list[queue.SimpleQueue[_Job | None]] = []
        self._process = 0
        self._busy = threading.Lock()

    def run(self, program: Program, steps: int) -> float:
        """Run `steps` steps; seconds they took.

        An interrupt is raised when the steps are done. Callers from several threads take turns.
        """
        with self._busy:
            program.words[STEPS], program.words[ARRIVED], program.words[GENERATION] = steps, 0, 0
            if self.threads == 1:
                begin = time.perf_counter()
                self._enter(program.words.ctypes.data, 0, 1, 0)
                return time.perf_counter() - begin
            return self._run_together(program)

    def close(self) -> None:
        """End the background threads."""
        for inbox in self._inboxes:
            inbox.put(None)
        self._inboxes = []

    def _run_together(self, program: Program) -> float:
        self._muster()
        job = _Job(program, self.threads)
        interrupt: BaseException | None = None
        try:
            # The first thread calls the others: one step for the caller, which is either done or not when Ctrl-C comes.
            self._inboxes[0].put(job)
        except BaseException as raised:
            interrupt = raised
        while True:
            try:
                if interrupt and job.withdraw():
                    break
                job.finished.wait()
                break
            except BaseException as raised:
                interrupt = interrupt or raised
        if interrupt:
            raise interrupt
        return job.seconds

    def _muster(self) -> None:
        if self._process == os.getpid() and self._inboxes:
            return
        inboxes: list[queue.SimpleQueue[_Job | None]] = [queue.SimpleQueue() for _ in range(self.threads)]
        try:
            for t in range(self.threads):
                threading.Thread(target=self._serve, args=(t, inboxes), name=f"netspec-{t}", daemon=True).start()
        except BaseException:
            for inbox in inboxes:
                inbox.put(None)
            raise
        self._process, self._inboxes = os.getpid(), inboxes

    def _serve(self, thread: int, inboxes: list[queue.SimpleQueue[_Job | None]]) -> None:
        while (job := inboxes[thread].get()) is not None:
            if thread == 0:
                if not job.begin():
                    continue
                for inbox in inboxes[1:]:
                    inbox.put(job)
            begin = time.perf_counter()
            self._enter(job.program.words.ctypes.data, thread, self.threads, thread)
            job.end(time.perf_counter() - begin)
            del job  # or the program would live until the next one comes


class _Job:
    """One run: it holds the program while a thread is in it."""

    def __init__(self, program: Program, threads: int) -> None:
        self.program, self._running = program, threads
        self._lock = threading.Lock()
        self._state = "waiting"
        self.seconds = 0.0
        self.finished = threading.Event()

    def begin(self) -> bool:
        """Whether to run at all."""
        with self._lock:
            if self._state == "waiting":
                self._state = "running"
            return self._state == "running"

    def withdraw(self) -> bool:
        """Whether the run will never begin."""
        with self._lock:
            if self._state == "waiting":
                self._state = "withdrawn"
            return self._state == "withdrawn"

    def end(self, seconds: float) -> None:
        """One thread is done."""
        with self._lock:
            self._running -= 1
            self.seconds = max(self.seconds, seconds)
            if not self._running:
                self.finished.set()
