"""The code that draws numbers by their frequencies."""

from __future__ import annotations

from collections.abc import Callable

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.draw_rows import WORDS
from netspec.compiler.kernels.ir import F32, I32, I64, Builder, Value
from netspec.compiler.kernels.lookup_emit import number_at
from netspec.compiler.kernels.streams import Words, units_of
from netspec.tensortype import DType


def emit_draw_rows(dtype: DType) -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        words = Words(b, args)
        word = {name: words[i] for i, name in enumerate(WORDS)}
        first, stop = units_of(b, word["rows"], part, parts)
        last = b.sub(word["values"], I64(1))
        scale = b.sitofp(word["values"], F32)

        def one_row(row: Value, _: list[Value]) -> None:
            given = b.trunc(number_at(b, dtype, word["given"], row), I32)
            width = b.shl(b.add(word["count"], I64(1)), I64(2))
            target = b.add(word["target"], b.mul(row, width))
            draws = b.add(word["draws"], b.mul(row, word["draws_row"]))
            ir.store(b, given, target)

            def one(k: Value, _: list[Value]) -> None:
                pair = b.add(draws, b.shl(k, I64(3)))
                place, chance = (ir.load(b, b.add(pair, I64(offset)), F32) for offset in (0, 4))
                cell = ir.minimum(b, b.fptosi(b.fmul(place, scale), I64), last)
                offset = b.shl(cell, I64(2))
                keep = ir.load(b, b.add(word["keep"], offset), F32)
                other = ir.load(b, b.add(word["other"], offset), I32)
                chosen = b.select(b.fcmp_ordered("<", chance, keep), b.trunc(cell, I32), other)
                chosen = b.select(b.icmp_signed("==", chosen, given), I32(-1), chosen)
                ir.store(b, chosen, b.add(b.add(target, I64(4)), b.shl(k, I64(2))))

            ir.counted(b, 0, word["count"], [], one, unroll=False)

        ir.counted(b, first, stop, [], one_row, unroll=False)

    return ir.kernel_function(body)
