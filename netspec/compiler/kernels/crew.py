"""The threads that run programs.

The caller is the first of them, and goes straight into compiled code; the others stay in compiled code for a moment
after each run, spinning, so that the next run finds them there: to wake a thread through Python takes some 50 us, and
ResNet-20 predicts a picture in 400. Who has waited in vain goes back to Python and sleeps there.

Each of the others has a word that says where it is.

======  ===========================================================  ==========================
word    meaning                                                      who changes it
======  ===========================================================  ==========================
OUT     in Python, asleep or about to be                             the thread, when it comes in
IN      in compiled code, waiting for a run                          the thread, when it gives up; the first one
TAKEN   it will be in the run that is about to begin, and must stay  the first one
RUN     in the program                                               the thread, at the end
======  ===========================================================  ==========================

The first thread takes all others before it lets any run, so an interrupt finds either nobody in the program or all.
"""

from __future__ import annotations

import ctypes
import os
import queue
import threading
import time

from netspec.compiler.kernels.driver import ARRIVED, GENERATION, MAXIMUM_THREADS, STEPS, Program, lines

# Words of a crew; the states follow, two cache lines apart, as processors fetch them in pairs.
PROGRAM, MISSING, STATES, STATE_WORDS = 0, 1, 16, 16
OUT, IN, TAKEN, RUN = 0, 1, 2, 3
STAY = 500  # yields, some 200 us, before a thread leaves compiled code, or the first one stops waiting for it


class Crew:
    """Threads that run programs by the driver at an address; they stay until `close`."""

    def __init__(self, driver: int, threads: int) -> None:
        if not 1 <= threads <= MAXIMUM_THREADS:
            raise ValueError(f"between 1 and {MAXIMUM_THREADS} threads, got {threads}")
        self.threads = threads
        # ctypes releases the GIL around the call.
        self._enter = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(driver)
        self._words, self._address = lines(STATES + STATE_WORDS * threads)
        self._inboxes: list[queue.SimpleQueue[bool]] = []
        self._process = 0
        self._busy = threading.Lock()

    def run(self, program: Program, steps: int) -> float:
        """Run `steps` steps; seconds they took.

        An interrupt is raised when the steps are done, or before they begin. Callers from several threads take turns.
        """
        with self._busy:
            self._muster()
            program.words[STEPS], program.words[ARRIVED], program.words[GENERATION] = steps, 0, 0
            self._words[PROGRAM] = program.address
            begin = time.perf_counter()
            try:
                self._lead()
            except BaseException:
                self._release()
                raise
            return time.perf_counter() - begin

    def close(self) -> None:
        """End the background threads."""
        for inbox in self._inboxes:
            inbox.put(False)
        self._inboxes = []

    def _lead(self) -> None:
        """Enter the driver until all threads were there."""
        patience = 0
        while True:
            self._enter(self._address, 0, self.threads, patience)
            if not self._words[MISSING]:
                return
            patience = STAY
            for thread, inbox in enumerate(self._inboxes, 1):
                if self._words[STATES + STATE_WORDS * thread] == OUT and inbox.empty():
                    inbox.put(True)

    def _release(self) -> None:
        """Let go those who were taken for a run that did not begin."""
        for thread in range(1, self.threads):
            place = STATES + STATE_WORDS * thread
            if self._words[place] == TAKEN:
                self._words[place] = IN

    def _muster(self) -> None:
        """Start the threads, and again in a process that was forked from another."""
        if self.threads == 1 or (self._process == os.getpid() and self._inboxes):
            return
        inboxes: list[queue.SimpleQueue[bool]] = [queue.SimpleQueue() for _ in range(1, self.threads)]
        self._words[:] = 0
        try:
            for thread, inbox in enumerate(inboxes, 1):
                threading.Thread(
                    target=self._serve, args=(thread, inbox), name=f"netspec-{thread}", daemon=True
                ).start()
        except BaseException:
            for inbox in inboxes:
                inbox.put(False)
            raise
        self._process, self._inboxes = os.getpid(), inboxes

    def _serve(self, thread: int, inbox: queue.SimpleQueue[bool]) -> None:
        while inbox.get():
            self._enter(self._address, thread, self.threads, 0)
