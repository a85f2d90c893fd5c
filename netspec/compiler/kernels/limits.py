"""What this machine can do at most, measured: multiply-adds in registers, and bytes from memory and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from netspec.compiler.kernels import processor
from netspec.compiler.kernels.crew import Crew
from netspec.compiler.kernels.driver import Table, driver_kernel
from netspec.compiler.kernels.kernel import Kernel

Loader = Callable[[Iterable[Kernel]], Mapping[Kernel, int]]

ROUNDS = 20_000  # of the loop in one step: about 0.1 ms
LANES = 16
COPIED = 1 << 26  # bytes, and as many for the copy: more than caches hold, and quickly filled


def chains() -> int:
    """Independent sums of 16 lanes: enough to hide the latency, few enough to stay in registers."""
    return {"avx512": 16, "avx2": 6, "neon": 6}.get(processor.current().level, 3)


def limit_kernel() -> Kernel:
    """``(address of chains() vectors, rounds)``: every round is one multiply-add a chain."""

    def build() -> Callable[..., None]:
        from llvmlite import ir as llvm

        from netspec.compiler.kernels import ir

        def body(
            builder: llvm.IRBuilder, args: llvm.Value, part: llvm.Value, parts: llvm.Value, thread: llvm.Value
        ) -> None:
            place, rounds = (ir.load(builder, ir.at(builder, args, 8 * i), ir.I64, 8) for i in range(2))
            mine = builder.add(place, ir.product(builder, thread, chains() * ir.BYTES))
            places = [ir.at(builder, mine, i * ir.BYTES) for i in range(chains())]
            start = [ir.load(builder, vector) for vector in places]
            factor = ir.splat(builder, builder.uitofp(rounds, ir.F32))  # not known to LLVM

            def once(values: list[llvm.Value]) -> list[llvm.Value]:
                return [ir.fma(builder, value, factor, value) for value in values]

            for value, vector in zip(ir.repeated(builder, rounds, start, once), places, strict=True):
                ir.store(builder, value, vector)

        return ir.kernel_function(body)

    return Kernel("fma_limit", f"fma limit of {chains()} chains", build)


def measured_fma_limit(load: Loader, threads: int = 1, seconds: float = 0.2) -> float:
    """Float operations a second (two a multiply-add) of all threads together, the best of several tries.

    Args:
        load: compiles and loads kernels, ``codegen.objects.load``.
        threads: how many at once.
        seconds: how long to measure.
    """
    import numpy as np

    kernel = limit_kernel()
    vectors = np.zeros(threads * chains() * LANES, np.float32)
    words = [vectors.ctypes.data, ROUNDS]
    flop = 2.0 * threads * ROUNDS * chains() * LANES
    return flop / _least_seconds(load, kernel, words, threads, seconds, steps=20)


def copy_kernel() -> Kernel:
    """``(source, target, bytes a thread)``: every thread copies a stretch of its own, four vectors at once."""

    def build() -> Callable[..., None]:
        from llvmlite import ir as llvm

        from netspec.compiler.kernels import ir

        def body(
            builder: llvm.IRBuilder, args: llvm.Value, part: llvm.Value, parts: llvm.Value, thread: llvm.Value
        ) -> None:
            source, target, size = (ir.load(builder, ir.at(builder, args, 8 * i), ir.I64, 8) for i in range(3))
            start = ir.product(builder, thread, size)

            def once(at: llvm.Value, _: list[llvm.Value]) -> None:
                for vector in range(4):
                    offset = builder.add(at, ir.I64(vector * ir.BYTES))
                    ir.store(builder, ir.load(builder, ir.at(builder, source, offset)), ir.at(builder, target, offset))

            ir.counted(builder, start, builder.add(start, size), [], once, 4 * ir.BYTES, unroll=False)

        return ir.kernel_function(body)

    return Kernel("memory_limit", "copies a stretch of memory", build)


def measured_memory_limit(load: Loader, threads: int = 1, seconds: float = 0.2) -> float:
    """Bytes a second that all threads together read from memory and write to it, the best of several tries.

    Args:
        load: compiles and loads kernels, ``codegen.objects.load``.
        threads: how many at once.
        seconds: how long to measure.
    """
    import numpy as np

    share = COPIED // threads // 256 * 256
    # Filled with ones: pages that were never written are one page of zeros, which lies in the cache.
    source, target = (np.ones(threads * share // 4, np.float32) for _ in range(2))
    words = [source.ctypes.data, target.ctypes.data, share]
    return 2.0 * threads * share / _least_seconds(load, copy_kernel(), words, threads, seconds, steps=1)


def _least_seconds(
    load: Loader, kernel: Kernel, words: list[int], threads: int, seconds: float, *, steps: int
) -> float:
    """The least time that a call of ``kernel`` takes; what its words point to is the caller's to keep."""
    driver = driver_kernel()
    addresses = load([kernel, driver])
    table = Table()
    table.call(addresses[kernel], words, kernel.name)
    program, crew = table.program(), Crew(addresses[driver], threads)
    crew.run(program, steps)  # the processor reaches its clock rate
    tries, spent, best = 0, 0.0, float("inf")
    while spent < seconds or tries < 3:
        taken = crew.run(program, steps) / steps
        tries, spent, best = tries + 1, spent + steps * taken, min(best, taken)
    crew.close()
    return best
