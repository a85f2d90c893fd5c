"""The code that puts rows of differing length side by side."""

from __future__ import annotations

from collections.abc import Callable

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.ir import F32, I32, I64, Builder, Value
from netspec.compiler.kernels.steps import LENGTH_WORDS, WORDS
from netspec.compiler.kernels.streams import BYTES, ELEMENTS, Words, step_of, units_of
from netspec.tensortype import DType


def emit_steps(dtype: DType, *, gaps: bool, batch: bool) -> Callable[..., None]:
    """The Python function that Numba compiles."""
    kind, item = ELEMENTS[dtype], BYTES[dtype]

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        words = Words(b, args)
        word = {name: words[i] for i, name in enumerate(WORDS)}
        first, stop = units_of(b, word["rows"], part, parts)
        begins = _begins(b, word["clock"], thread, word["step_rows"], batch=batch)

        def one_row(row: Value, _: list[Value]) -> None:
            t = b.udiv(row, word["step_rows"])
            i = _row_number(b, word["index"], begins, b.sub(row, b.mul(t, word["step_rows"])), batch=batch)
            inside = b.icmp_signed("<", t, _int32(b, word["lengths"], i))
            place = b.add(ir.load(b, ir.at(b, word["starts"], b.shl(i, I64(3))), I64, align=8), t)
            if gaps:
                place = b.add(place, b.zext(b.icmp_signed(">=", t, _int32(b, word["gaps"], i)), I64))
            place = b.select(inside, place, I64(0))
            source = b.add(word["values"], b.mul(place, word["value_row"]))
            target = b.add(word["target"], b.mul(row, word["target_row"]))

            def one(column: Value, _: list[Value]) -> None:
                value = _whole(b, ir.load(b, b.add(source, b.mul(column, I64(item))), kind, align=item), dtype)
                ir.store(b, b.select(inside, value, value.type(0)), b.add(target, b.shl(column, I64(2))))

            ir.counted(b, 0, word["features"], [], one, unroll=False)

        ir.counted(b, first, stop, [], one_row, unroll=False)

    return ir.kernel_function(body)


def emit_lengths(*, batch: bool) -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        words = Words(b, args)
        word = {name: words[i] for i, name in enumerate(LENGTH_WORDS)}
        first, stop = units_of(b, word["rows"], part, parts)
        begins = _begins(b, word["clock"], thread, word["rows"], batch=batch)

        def one_row(row: Value, _: list[Value]) -> None:
            i = _row_number(b, word["index"], begins, row, batch=batch)
            length = b.sitofp(_int32(b, word["lengths"], i), F32)
            ir.store(b, length, b.add(word["target"], b.shl(row, I64(2))))

        ir.counted(b, first, stop, [], one_row, unroll=False)

    return ir.kernel_function(body)


def _begins(b: Builder, clock: Value, thread: Value, rows: Value, *, batch: bool) -> Value:
    """Where the index of this step begins in that of the run."""
    return b.mul(step_of(b, clock, thread), rows) if batch else I64(0)


def _row_number(b: Builder, index: Value, begins: Value, row: Value, *, batch: bool) -> Value:
    if batch:
        return ir.load(b, ir.at(b, index, b.shl(b.add(begins, row), I64(3))), I64, align=8)
    return _int32(b, index, row)


def _int32(b: Builder, table: Value, i: Value) -> Value:
    return b.sext(ir.load(b, ir.at(b, table, b.shl(i, I64(2))), I32), I64)


def _whole(b: Builder, value: Value, dtype: DType) -> Value:
    """A float32 as it is, a whole number as int32."""
    if dtype in ("uint8", "uint16"):
        return b.zext(value, I32)
    return b.trunc(value, I32) if dtype == "int64" else value
