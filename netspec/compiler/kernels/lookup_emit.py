"""The code that copies rows of a table."""

from __future__ import annotations

from collections.abc import Callable

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.ir import F32, I8, I32, I64, LANES, Builder, Value
from netspec.compiler.kernels.lookup import COPY_WORDS, MASK_WORDS, WORDS
from netspec.compiler.kernels.streams import BYTES, ELEMENTS, Words, lanes_below, step_of, store_lanes, units_of
from netspec.tensortype import DType

AHEAD = 8
"""Numbers between the row that is copied and the one that memory is asked for."""

CHUNK = 8  # bytes copied at once


def emit_lookup(dtype: DType) -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        words = Words(b, args)
        word = {name: words[i] for i, name in enumerate(WORDS)}
        first, stop = units_of(b, word["rows"], part, parts)
        last = b.sub(b.mul(word["rows"], word["each"]), I64(1))
        width = b.shl(word["columns"], I64(2))

        def place_of(number: Value) -> Value:
            return b.add(word["table"], b.mul(number, word["table_row"]))

        def one_row(row: Value, _: list[Value]) -> None:
            target = b.add(word["target"], b.mul(row, word["target_row"]))

            def one(k: Value, _: list[Value]) -> None:
                place = b.add(b.mul(row, word["each"]), k)
                ahead = ir.minimum(b, b.add(place, I64(AHEAD)), last)
                ir.prefetch(b, place_of(number_at(b, dtype, word["index"], ahead)))
                number = number_at(b, dtype, word["index"], place)
                named = b.icmp_signed(">=", number, I64(0))
                source = place_of(b.select(named, number, I64(0)))
                copy_columns(b, source, b.add(target, b.mul(k, width)), word["columns"], named)

            ir.counted(b, 0, word["each"], [], one, unroll=False)

        ir.counted(b, first, stop, [], one_row, unroll=False)

    return ir.kernel_function(body)


def number_at(b: Builder, dtype: DType, index: Value, place: Value) -> Value:
    """The whole number at a place, as a word."""
    size = BYTES[dtype]
    found = ir.load(b, ir.at(b, index, b.mul(place, I64(size))), ELEMENTS[dtype], align=size)
    if size == BYTES["int64"]:
        return found
    return (b.zext if dtype.startswith("u") else b.sext)(found, I64)


def by_vectors(b: Builder, columns: Value, one: Callable[[Value, Value | None], object]) -> None:
    """Run ``one(column, mask)`` for each vector of a row; only the last one, if it is partial, has a mask."""
    left = b.and_(columns, I64(LANES - 1))
    whole = b.sub(columns, left)

    def vector(column: Value, _: list[Value]) -> None:
        one(column, None)

    ir.counted(b, 0, whole, [], vector, LANES, unroll=False)
    ir.when(b, b.icmp_signed(">", left, I64(0)), lambda: one(whole, lanes_below(b, left)))


def store_vector(b: Builder, value: Value, place: Value, mask: Value | None) -> None:
    """Write a vector, or those of its lanes that are the row's own."""
    if mask is None:
        ir.store(b, value, place)
    else:
        store_lanes(b, value, place, mask)


def copy_columns(b: Builder, source: Value, target: Value, columns: Value, named: Value) -> None:
    """Copy a row of float32, or write zeros."""
    every = ir.splat(b, named)

    def one(column: Value, mask: Value | None) -> None:
        offset = b.shl(column, I64(2))
        value = b.select(every, ir.load(b, b.add(source, offset)), ir.ZERO)
        store_vector(b, value, b.add(target, offset), mask)

    by_vectors(b, columns, one)


def emit_numbers() -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        words = Words(b, args)
        word = {name: words[i] for i, name in enumerate(COPY_WORDS)}
        first, stop = units_of(b, word["rows"], part, parts)
        begins = b.mul(step_of(b, word["clock"], thread), word["rows"])
        whole = b.and_(word["bytes"], I64(-CHUNK))

        def place_of(row: Value) -> Value:
            taken = ir.load(b, ir.at(b, word["index"], b.shl(b.add(begins, row), I64(3))), I64, align=8)
            return b.add(word["source"], b.mul(taken, word["source_row"]))

        def one_row(row: Value, _: list[Value]) -> None:
            ir.prefetch(b, place_of(ir.minimum(b, b.add(row, I64(AHEAD)), b.sub(word["rows"], I64(1)))))
            source, target = place_of(row), b.add(word["target"], b.mul(row, word["bytes"]))

            def chunk(at: Value, _: list[Value]) -> None:
                ir.store(b, ir.load(b, b.add(source, at), I64, align=1), b.add(target, at), align=1)

            def byte(at: Value, _: list[Value]) -> None:
                ir.store(b, ir.load(b, b.add(source, at), I8, align=1), b.add(target, at), align=1)

            ir.counted(b, 0, whole, [], chunk, CHUNK, unroll=False)
            ir.counted(b, whole, word["bytes"], [], byte, unroll=False)

        ir.counted(b, first, stop, [], one_row, unroll=False)

    return ir.kernel_function(body)


def emit_mask(dtype: DType) -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        words = Words(b, args)
        word = {name: words[i] for i, name in enumerate(MASK_WORDS)}
        first, stop = units_of(b, word["rows"], part, parts)

        def one_row(row: Value, _: list[Value]) -> None:
            counts = b.fcmp_ordered(">", ir.load(b, b.add(word["mask"], b.shl(row, I64(2))), F32), F32(0.0))

            def one(k: Value, _: list[Value]) -> None:
                place = b.add(b.mul(row, word["each"]), k)
                number = b.trunc(number_at(b, dtype, word["index"], place), I32)
                ir.store(b, b.select(counts, number, I32(-1)), b.add(word["target"], b.shl(place, I64(2))))

            ir.counted(b, 0, word["each"], [], one, unroll=False)

        ir.counted(b, first, stop, [], one_row, unroll=False)

    return ir.kernel_function(body)
