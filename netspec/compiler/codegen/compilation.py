"""Compiles kernels: this process translates them, and others make them into machine code meanwhile.

Of the 7 s that the 25 kernels of a LeNet-5 take, 5 are LLVM's. Threads cannot share them, as llvmlite lets one in at a
time; another process needs llvmlite alone, and is there in a fifth of a second.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from queue import SimpleQueue

from netspec.compiler.codegen.machine_code import Code, machine_code
from netspec.compiler.codegen.translation import translated
from netspec.compiler.kernels import processor
from netspec.compiler.kernels.kernel import Kernel

SERVER = "from netspec.compiler.codegen.machine_code import serve; serve()"

MOST = 2
"""Processes beside this one, at most: by then translation takes as long as all the rest."""

WORTH = 4
"""Kernels for each of them, at least: they take a second together, of which a process costs a fifth."""


def compile_kernels(kernels: Mapping[str, Kernel]) -> Iterator[tuple[str, Code]]:
    """The code of each kernel, whose function has the name it goes by here; in the order in which they are ready.

    The bytes are the same whichever process makes them.
    """
    others = _Others(min(MOST, processor.processors() - 1, len(kernels) // WORTH))
    try:
        yield from _compiled(kernels, others)
    finally:
        others.close()


def _compiled(kernels: Mapping[str, Kernel], others: _Others) -> Iterator[tuple[str, Code]]:
    target = processor.current()
    waiting: dict[Future[Code | None], tuple[str, bytes]] = {}

    def ready(futures: set[Future[Code | None]]) -> Iterator[tuple[str, Code]]:
        for future in futures:
            name, module = waiting.pop(future)
            yield name, future.result() or machine_code(module, target)

    for name, kernel in kernels.items():
        module = translated(kernel, name)
        if others.count:
            waiting[others.submit(module, target)] = name, module
        else:
            yield name, machine_code(module, target)
        yield from ready({future for future in waiting if future.done()})
    while waiting:  # the last first: the others begin with those in front
        mine = next((future for future in reversed(waiting) if future.cancel()), None)
        if mine is not None:
            name, module = waiting.pop(mine)
            yield name, machine_code(module, target)
        done = wait(waiting, timeout=None if mine is None else 0, return_when=FIRST_COMPLETED).done
        yield from ready(done)


class _Others:
    """Processes that make machine code, as many as could be started, and a thread that feeds each."""

    def __init__(self, count: int) -> None:
        started = [process for process in (_start() for _ in range(count)) if process is not None]
        self.count = len(started)
        self._processes = started
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        for process in started:
            self._idle.put(process)
        self._threads = ThreadPoolExecutor(max(1, self.count))

    def submit(self, module: bytes, target: processor.Processor) -> Future[Code | None]:
        """The code of a module to come; None: the process that should make it has failed."""
        return self._threads.submit(self._ask, module, target)

    def _ask(self, module: bytes, target: processor.Processor) -> Code | None:
        process = self._idle.get()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            pickle.dump((module, target), process.stdin)
            process.stdin.flush()
            answer = pickle.load(process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError):  # it was killed, or is out of memory
            return None
        finally:
            self._idle.put(process)
        assert isinstance(answer, Code)
        return answer

    def close(self) -> None:
        """End them, whatever they are at."""
        for process in self._processes:
            process.kill()
        self._threads.shutdown(cancel_futures=True)
        for process in self._processes:
            with suppress(OSError), process:  # closes its pipes, of which one may be broken, and waits
                pass


def _start() -> subprocess.Popen[bytes] | None:
    """A process that serves, or none where there cannot be any."""
    if not sys.executable or getattr(sys, "frozen", False):
        return None  # there is no Python to be started by itself
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", SERVER],  # -P: what lies in the folder where it starts is no module
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for this process, which ends the other
        )
    except OSError:
        return None
