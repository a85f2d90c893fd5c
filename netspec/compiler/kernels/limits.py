"""What this machine can do at most, measured: multiply-adds in registers, without any memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from netspec.compiler.kernels import processor
from netspec.compiler.kernels.driver import Crew, Table, driver_kernel
from netspec.compiler.kernels.kernel import Kernel

Loader = Callable[[Iterable[Kernel]], Mapping[Kernel, int]]

ROUNDS = 20_000  # of the loop in one step: about 0.1 ms
LANES = 16


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

    kernel, driver = limit_kernel(), driver_kernel()
    addresses = load([kernel, driver])
    vectors = np.zeros(threads * chains() * LANES, np.float32)
    table = Table()
    table.call(addresses[kernel], [vectors.ctypes.data, ROUNDS], "fma")
    table.keep(vectors)
    program, crew = table.program(), Crew(addresses[driver], threads)
    crew.run(program, 20)  # the processor reaches its clock rate
    flop = 2.0 * threads * ROUNDS * chains() * LANES
    tries, spent, best = 0, 0.0, float("inf")
    while spent < seconds or tries < 3:
        taken = crew.run(program, 20) / 20
        tries, spent, best = tries + 1, spent + 20 * taken, min(best, taken)
    crew.close()
    return flop / best
