"""The code that packs the weights of a convolution."""

from __future__ import annotations

from collections.abc import Callable

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.conv_pack import WORDS
from netspec.compiler.kernels.ir import F32, I32, I64, LANES, Builder, Value
from netspec.compiler.kernels.streams import Words, units_of


def emit_conv_pack() -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        words = Words(b, args)
        word = {name: words[i] for i, name in enumerate(WORDS)}
        first, stop = units_of(b, word["columns"], part, parts)
        rows = b.mul(word["taps"], word["depth"])

        def one_panel(column: Value, _: list[Value]) -> None:
            last = b.sub(word["columns"], I64(1))
            places = [_column(b, word, ir.minimum(b, b.add(column, I64(i)), last)) for i in range(LANES)]
            inside = [_holds(b, word, b.add(column, I64(i)), last) for i in range(LANES)]
            panel = b.add(word["panels"], b.mul(b.lshr(column, I64(4)), ir.product(b, rows, ir.BYTES)))

            def one_tap(tap: Value, _: list[Value]) -> None:
                offset = b.mul(tap, word["tap"])
                target = b.add(panel, b.mul(tap, ir.product(b, word["depth"], ir.BYTES)))

                def one_row(d: Value, _: list[Value]) -> None:
                    at = b.add(offset, b.mul(d, word["depth_step"]))
                    vector = ir.ZERO
                    for i, (place, holds) in enumerate(zip(places, inside, strict=True)):
                        value = ir.load(b, b.add(place, at), F32)
                        vector = b.insert_element(vector, b.select(holds, value, F32(0.0)), I32(i))
                    ir.store(b, vector, b.add(target, ir.product(b, d, ir.BYTES)))

                ir.counted(b, 0, word["depth"], [], one_row, unroll=False)

            ir.counted(b, 0, word["taps"], [], one_tap, unroll=False)

        ir.counted(b, first, stop, [], one_panel, LANES, unroll=False)

    return ir.kernel_function(body)


def _column(b: Builder, word: dict[str, Value], column: Value) -> Value:
    """The address of a column at the first tap and depth."""
    group, within = b.udiv(column, word["slots"]), b.urem(column, word["slots"])
    within = ir.minimum(b, within, b.sub(word["per_group"], I64(1)))
    offset = b.add(b.mul(group, word["group_step"]), b.mul(within, word["column_step"]))
    return b.add(word["w"], offset)


def _holds(b: Builder, word: dict[str, Value], column: Value, last: Value) -> Value:
    """Whether a column is one of a group's own."""
    within = b.icmp_signed("<", b.urem(column, word["slots"]), word["per_group"])
    return b.and_(within, b.icmp_signed("<=", column, last))
