"""Contenders, each in a process of its own, that take turns: A B A B, so that a slow minute is slow for all.

A contender is a function that prepares the work and returns a round of it. Its process sleeps between its rounds,
has the same two processors as the others, and its libraries are told to use as many threads.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import statistics
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

THREADS = 2
SETTLE_SECONDS = 0.05  # until the threads of the last contender's libraries have stopped spinning
PATIENCE_SECONDS = 120.0

ENVIRONMENT = {
    name: str(THREADS) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")
} | {"JAX_PLATFORMS": "cpu"}


@dataclass(frozen=True)
class Ready:
    """Prepared work: a round gives the seconds of one unit (a step, a prediction); ``facts`` are numbers about it."""

    round: Callable[[], float]
    note: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Contender:
    """Who is measured: ``make`` prepares in the contender's own process, with the packages in ``needs``."""

    name: str
    make: Callable[..., Ready]
    arguments: tuple[Any, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        return [package for package in self.needs if importlib.util.find_spec(package) is None]


@dataclass(frozen=True)
class Samples:
    """What was measured of one contender; nothing, and why, where it could not run."""

    name: str
    seconds: tuple[float, ...]
    note: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.seconds)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def least(self) -> float:
        return min(self.seconds)


def compare(contenders: Sequence[Contender], *, rounds: int, seconds: float) -> dict[str, Samples]:
    """The contenders by name, after ``rounds`` rounds of each, or as many as fit into ``seconds``; at least three."""
    workers = [_Worker(contender) for contender in contenders]
    try:
        for worker in workers:  # one after the other: compiling must not disturb the choices others make
            worker.start()
            worker.round(keep=False)
        begin = time.perf_counter()
        for done in range(rounds):
            for worker in workers:
                time.sleep(SETTLE_SECONDS)
                worker.round()
            spent = time.perf_counter() - begin
            if done >= 2 and spent * (done + 2) / (done + 1) > seconds:
                break
    finally:
        for worker in workers:
            worker.stop()
    return {worker.contender.name: worker.samples() for worker in workers}


class _Worker:
    """The process of one contender, as its parent sees it."""

    def __init__(self, contender: Contender) -> None:
        self.contender = contender
        self._seconds: list[float] = []
        self._note, self._facts = "", dict[str, Any]()
        self._process: Any = None
        self._pipe: Connection | None = None

    def start(self) -> None:
        if missing := self.contender.missing:
            self._note = f"not measured: {', '.join(missing)} not installed"
            return
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self.contender), daemon=True)
        with _environment():
            self._process.start()
        theirs.close()
        answer = self._receive()
        if answer is not None:
            self._note, self._facts = answer

    def round(self, *, keep: bool = True) -> None:
        if self._pipe is None:
            return
        self._pipe.send(True)
        answer = self._receive()
        if answer is not None and keep:
            self._seconds.append(answer)

    def stop(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        if self._process is not None:
            self._process.join(5)
            if self._process.is_alive():
                self._process.kill()

    def samples(self) -> Samples:
        return Samples(self.contender.name, tuple(self._seconds), self._note, self._facts)

    def _receive(self) -> Any:
        """The answer; None when the process failed, which ends its part."""
        assert self._pipe is not None
        try:
            done, answer = self._pipe.recv() if self._pipe.poll(PATIENCE_SECONDS) else (False, "no answer in time")
        except EOFError:
            done, answer = False, "its process ended"
        if done:
            return answer
        self._note, self._seconds = f"not measured: {answer}", []
        self.stop()
        return None


def _serve(pipe: Connection, contender: Contender) -> None:
    """The process of a contender: prepare, then a round for every word that comes."""
    use_two_processors()
    try:
        ready = contender.make(*contender.arguments)
        pipe.send((True, (ready.note, dict(ready.facts))))
        while pipe.recv():
            pipe.send((True, ready.round()))
    except EOFError:
        return
    except BaseException as fault:
        traceback.print_exc()
        pipe.send((False, f"{type(fault).__name__}: {str(fault).splitlines()[0] if str(fault) else ''}"))


def use_two_processors() -> None:
    """Keep this process to as many processors as there are threads, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])


@contextmanager
def _environment() -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def timed(work: Callable[[], object], units: int) -> Callable[[], float]:
    """A round that does ``work``, which is of so many units, twice, and times the second.

    While the others had their turn this process slept for seconds, and its memory is cold: on virtual machines that
    take idle pages away the first pass took half as long again as all that followed.
    """

    def round_() -> float:
        work()
        begin = time.perf_counter()
        work()
        return (time.perf_counter() - begin) / units

    return round_


def best_of(choices: Mapping[str, Callable[[], float]], tries: int = 3) -> str:
    """The name of the fastest round: peers are measured in their best configuration."""
    for round_ in choices.values():
        round_()
    return min(choices, key=lambda name: min(choices[name]() for _ in range(tries)))


def duration_of(work: Callable[[], object], times: int, tries: int = 3) -> float:
    """Seconds that ``work`` takes, the best mean of several tries."""
    round_ = timed(lambda: [work() for _ in range(times)], times)
    return min(round_() for _ in range(tries))
