"""The code that takes elements of rows."""

from __future__ import annotations

from collections.abc import Callable

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.ir import F32, I64, Builder, Value
from netspec.compiler.kernels.streams import Words, units_of
from netspec.compiler.kernels.take import WORDS


def emit_take() -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        words = Words(b, args)
        word = {name: words[i] for i, name in enumerate(WORDS)}
        table = ir.at(b, args, 8 * len(WORDS))
        first, stop = units_of(b, word["rows"], part, parts)

        def one(row: Value, column: Value) -> None:
            place = ir.load(b, ir.at(b, table, ir.product(b, column, 8)), I64, 8)
            holds = b.icmp_signed(">=", place, I64(0))
            offset = b.shl(b.select(holds, place, I64(0)), I64(2))
            value = ir.load(b, b.add(b.add(word["source"], b.mul(row, word["source_row"])), offset), F32)
            target = b.add(b.add(word["target"], b.mul(row, word["target_row"])), b.shl(column, I64(2)))
            ir.store(b, b.select(holds, value, F32(0.0)), target)

        def one_row(row: Value, _: list[Value]) -> None:
            ir.counted(b, 0, word["columns"], [], lambda column, _: one(row, column), unroll=False)

        ir.counted(b, first, stop, [], one_row, unroll=False)

    return ir.kernel_function(body)
