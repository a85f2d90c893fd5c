"""The driver: rows, barriers, loops, clocks, threads, the floating-point mode."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from netspec.compiler.codegen import objects
from netspec.compiler.kernels.crew import Crew
from netspec.compiler.kernels.driver import LINE, Program, Table, driver_kernel
from netspec.compiler.kernels.kernel import Kernel

THREADS = (1, 2, 3, 5)


def _build_count() -> Callable[..., None]:
    def count(args, part, parts, thread):  # type: ignore[no-untyped-def]
        args[8 * thread] += 1

    return count


def _build_shift() -> Callable[..., None]:
    """Reads what the next part wrote in the step before: wrong without barriers."""
    from netspec.compiler.kernels import ir

    def body(b, args, part, parts, thread):  # type: ignore[no-untyped-def]
        source, target, n = (ir.load(b, ir.at(b, args, 8 * i), ir.I64, 8) for i in range(3))
        first, stop = (b.sdiv(b.mul(p, n), parts) for p in (part, b.add(part, ir.I64(1))))

        def move(i, _):  # type: ignore[no-untyped-def]
            following = b.srem(b.add(i, ir.I64(1)), n)
            value = ir.load(b, ir.at(b, source, ir.product(b, following, 8)), ir.I64, 8)
            ir.store(b, value, ir.at(b, target, ir.product(b, i, 8)), 8)

        ir.counted(b, first, stop, [], move)

    return ir.kernel_function(body)


def _build_record() -> Callable[..., None]:
    """Append 100 * step + iteration: ``(list, length, clock, counter)``."""
    from netspec.compiler.kernels import ir

    def body(b, args, part, parts, thread):  # type: ignore[no-untyped-def]
        held, clock, counter = (ir.load(b, ir.at(b, args, 8 * i), ir.I64, 8) for i in (0, 2, 3))
        step, turn = (ir.load(b, ir.at(b, p, ir.product(b, thread, 64)), ir.I64, 8) for p in (clock, counter))
        length = ir.load(b, ir.at(b, args, 8), ir.I64, 8)

        def append() -> None:
            value = b.add(ir.product(b, step, 100), turn)
            ir.store(b, value, ir.at(b, held, ir.product(b, length, 8)), 8)
            ir.store(b, b.add(length, ir.I64(1)), ir.at(b, args, 8), 8)

        ir.when(b, b.icmp_signed("==", thread, b.sub(parts, ir.I64(1))), append)

    return ir.kernel_function(body)


def _build_halve() -> Callable[..., None]:
    from netspec.compiler.kernels import ir

    def body(b, args, part, parts, thread):  # type: ignore[no-untyped-def]
        place = ir.at(b, ir.load(b, ir.at(b, args), ir.I64, 8))
        ir.store(b, b.fmul(ir.load(b, place, ir.F32), ir.F32(0.5)), place)

    return ir.kernel_function(body)


def _build_note() -> Callable[..., None]:
    """Append the part: ``(list, length)``."""

    def note(args, part, parts, thread):  # type: ignore[no-untyped-def]
        args[1 + args[0]] = part
        args[0] += 1

    return note


COUNT = Kernel("count", "test: count", _build_count)
SHIFT = Kernel("shift", "test: shift", _build_shift)
RECORD = Kernel("record", "test: record", _build_record)
HALVE = Kernel("halve", "test: halve", _build_halve)
NOTE = Kernel("note", "test: note", _build_note)


@pytest.fixture(scope="module")
def code() -> dict[Kernel, int]:
    return objects.load([driver_kernel(), COUNT, SHIFT, RECORD, HALVE, NOTE])


def arguments(program: Program, row: int, words: int) -> np.ndarray:
    """The argument words of a row's kernel."""
    from netspec.compiler.kernels.driver import HEADER, ROW_WORDS

    first = (int(program.words[HEADER + ROW_WORDS * row + 1]) - program.words.ctypes.data) // 8
    return program.words[first : first + words]


@pytest.mark.parametrize("threads", THREADS)
def test_every_thread_makes_every_call(code: dict[Kernel, int], threads: int) -> None:
    table = Table()
    for _ in range(3):
        table.call(code[COUNT], [0] * 8 * threads)
    program, crew = table.program(), Crew(code[driver_kernel()], threads)
    crew.run(program, 7)
    crew.run(program, 4)
    crew.close()
    assert all((arguments(program, row, 8 * threads)[::8] == 11).all() for row in range(3))


@pytest.mark.parametrize("threads", THREADS)
def test_barriers_order_what_threads_read(code: dict[Kernel, int], threads: int) -> None:
    one, two = np.arange(1000), np.zeros(1000, np.int64)
    table = Table()
    table.keep(one, two)
    for pair in ((one, two), (two, one)):
        table.call(code[SHIFT], [pair[0].ctypes.data, pair[1].ctypes.data, 1000])
        table.barrier()
    crew = Crew(code[driver_kernel()], threads)
    crew.run(table.program(), 200)
    crew.close()
    assert (one == np.roll(np.arange(1000), -400)).all()


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_loops_repeat_their_rows(code: dict[Kernel, int], threads: int, count: int) -> None:
    seen, table = np.zeros(100, np.int64), Table()
    table.call(code[COUNT], [0] * 8 * threads)
    with table.loop(count) as counter:
        table.call(code[RECORD], [seen.ctypes.data, 0, table.clock, counter])
        table.barrier()
    table.call(code[COUNT], [0] * 8 * threads)
    program, crew = table.program(), Crew(code[driver_kernel()], threads)
    crew.run(program, 4)
    crew.close()
    assert seen[: 4 * count].tolist() == [100 * step + turn for step in range(4) for turn in range(count)]
    assert not seen[4 * count :].any()
    assert (arguments(program, len(program.labels) - 1, 8 * threads)[::8] == 4).all()


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("backwards", [False, True])
def test_parts_run_their_rows_one_part_after_the_other(
    code: dict[Kernel, int], threads: int, count: int, backwards: bool
) -> None:
    """The rolled array of one part is there when the next row reads it; what follows has a part a thread again."""
    size = 16 * count
    one, two, three, table = np.arange(size), np.zeros(size, np.int64), np.zeros(size, np.int64), Table()
    with table.parts(count, backwards=backwards):
        table.call(code[SHIFT], [one.ctypes.data, two.ctypes.data, size])
        table.call(code[SHIFT], [one.ctypes.data, three.ctypes.data, size])
    table.barrier()
    table.call(code[SHIFT], [two.ctypes.data, one.ctypes.data, size])
    table.barrier()
    crew = Crew(code[driver_kernel()], threads)
    crew.run(table.program(), 3)
    crew.close()
    assert (one == np.roll(np.arange(size), -6)).all()
    assert (two == three).all()


def test_parts_can_run_backwards(code: dict[Kernel, int]) -> None:
    table = Table()
    with table.parts(3):
        table.call(code[NOTE], [0] * 10)
    with table.parts(3, backwards=True):
        table.call(code[NOTE], [0] * 10)
    program, crew = table.program(), Crew(code[driver_kernel()], 1)
    crew.run(program, 2)
    crew.close()
    assert arguments(program, 1, 7).tolist() == [6, 0, 1, 2, 0, 1, 2]
    assert arguments(program, 3, 7).tolist() == [6, 2, 1, 0, 2, 1, 0]


def test_loops_do_not_nest() -> None:
    table = Table()
    with table.loop(2), pytest.raises(ValueError, match="nest"), table.loop(2):
        pass


def test_denormals_are_flushed_in_kernels_only(code: dict[Kernel, int]) -> None:
    smallest = float(np.finfo(np.float32).tiny)
    for threads in (1, 2):
        value, table = np.array([smallest], np.float32), Table()
        table.call(code[HALVE], [value.ctypes.data])
        crew = Crew(code[driver_kernel()], threads)
        crew.run(table.program(), 1)
        crew.close()
        assert value[0] == 0
    assert np.float32(smallest) * np.float32(0.5) > 0


def test_ticks_count_the_time_of_rows(code: dict[Kernel, int]) -> None:
    long, table = np.zeros(100_000, np.int64), Table()
    table.call(code[COUNT], [0] * 16, "short")
    table.barrier()
    table.call(code[SHIFT], [long.ctypes.data, long.ctypes.data, long.size], "long")
    crew = Crew(code[driver_kernel()], 2)
    program = table.program(ticks=True)
    crew.run(program, 3)
    crew.close()
    ticks = program.ticks(2)
    assert program.labels == ("short", "barrier", "long")
    assert (ticks[:, 2] > ticks[:, 0]).all()
    with pytest.raises(ValueError, match="ticks"):
        table.program().ticks(2)


def test_arguments_stand_on_cache_lines_of_their_own(code: dict[Kernel, int]) -> None:
    table = Table()
    for words in ([1, 2, 3], [4] * 9):
        table.call(code[COUNT], words)
    program = table.program()
    assert arguments(program, 0, 3).tolist() == [1, 2, 3]
    assert (arguments(program, 1, 1).ctypes.data - arguments(program, 0, 1).ctypes.data) % (8 * LINE) == 0


def test_callers_of_a_crew_take_turns(code: dict[Kernel, int]) -> None:
    table = Table()
    for _ in range(3):
        table.call(code[COUNT], [0] * 16)
        table.barrier()
    program, crew = table.program(), Crew(code[driver_kernel()], 2)
    callers = [threading.Thread(target=crew.run, args=(program, 1000)) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    crew.close()
    assert all((arguments(program, row, 16)[::8] == 4000).all() for row in (0, 2, 4))


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_that_went_to_sleep_are_woken(code: dict[Kernel, int], threads: int) -> None:
    """Pauses around the time after which they leave compiled code, where one leaves as the next run begins."""
    table = Table()
    table.call(code[COUNT], [0] * 8 * threads)
    table.barrier()
    program, crew = table.program(), Crew(code[driver_kernel()], threads)
    rng = np.random.default_rng(0)
    for pause in rng.uniform(0, 1e-3, 400).tolist():
        crew.run(program, 2)
        until = time.perf_counter() + pause
        while time.perf_counter() < until:
            pass
    crew.close()
    assert arguments(program, 0, 8 * threads)[::8].tolist() == [800] * threads


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_process_has_threads_of_its_own(code: dict[Kernel, int]) -> None:
    table = Table()
    table.call(code[COUNT], [0] * 16)
    table.barrier()
    program, crew = table.program(), Crew(code[driver_kernel()], 2)
    crew.run(program, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, which is what is tried
        child = os.fork()
    if not child:
        crew.run(program, 2)
        os._exit(int(arguments(program, 0, 16)[::8].tolist() != [3, 3]))
    assert os.waitpid(child, 0)[1] == 0
    crew.close()


INTERRUPTED = """
import os, signal, threading, time
import numpy as np
import test_driver as t
code = t.objects.load([t.driver_kernel(), t.SHIFT, t.COUNT])
table, value = t.Table(), np.zeros(100_000, np.int64)
table.call(code[t.SHIFT], [value.ctypes.data, value.ctypes.data, value.size])
table.barrier()
table.call(code[t.COUNT], [0] * 16)
program, crew = table.program(), t.Crew(code[t.driver_kernel()], 2)
for n in range(20):
    try:
        threading.Timer(0.001 * n, os.kill, (os.getpid(), signal.SIGINT)).start()
        crew.run(program, 50)
        time.sleep(1)
    except KeyboardInterrupt:
        pass
    counts = t.arguments(program, 2, 16)[::8]
    assert counts[0] == counts[1] and counts[0] % 50 == 0, counts
print("well", counts[0] > 0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends itself a signal")
def test_an_interrupt_waits_for_the_threads() -> None:
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    command = [sys.executable, "-c", INTERRUPTED]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "well True\n", done.stderr
