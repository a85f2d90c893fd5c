"""The code that copies another row of each row's block."""

from __future__ import annotations

from collections.abc import Callable

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.ir import F32, I8, I64, Builder, Value
from netspec.compiler.kernels.kernel import UNIT
from netspec.compiler.kernels.mates import GATHERED, WORDS
from netspec.compiler.kernels.streams import Words, step_of, units_of

CHUNK = 64  # bytes copied at once


def emit_mates(gathered: bool) -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        words = Words(b, args)
        word = {name: words[i] for i, name in enumerate(GATHERED if gathered else WORDS)}
        first, stop = units_of(b, word["rows"], part, parts)
        begins = b.mul(step_of(b, word["clock"], thread), word["batch"]) if gathered else I64(0)

        def one_row(row: Value, _: list[Value]) -> None:
            mate = _mate(b, word, row)
            if gathered:
                mate = ir.load(b, ir.at(b, word["index"], b.shl(b.add(begins, mate), I64(3))), I64, align=8)
            source = b.add(word["source"], b.mul(mate, word["source_row"]))
            _copy(b, source, b.add(word["target"], b.mul(row, word["target_row"])), word["bytes"])

        ir.counted(b, first, stop, [], one_row, unroll=False)

    return ir.kernel_function(body)


def _mate(b: Builder, word: dict[str, Value], row: Value) -> Value:
    """Another row of the block, each as likely; the row itself if it is alone."""
    block = b.and_(row, I64(-UNIT))
    count = ir.minimum(b, b.sub(word["rows"], block), I64(UNIT))
    others = b.sub(count, I64(1))
    draw = ir.load(b, b.add(word["draws"], b.shl(row, I64(2))), F32)
    steps = b.fptosi(b.fmul(draw, b.sitofp(others, F32)), I64)
    steps = ir.minimum(b, steps, b.sub(others, I64(1)))  # the largest draw may round to the count itself
    place = b.add(b.add(b.sub(row, block), steps), I64(1))
    place = b.select(b.icmp_signed(">=", place, count), b.sub(place, count), place)
    return b.select(b.icmp_signed(">", others, I64(0)), b.add(block, place), row)


def _copy(b: Builder, source: Value, target: Value, size: Value) -> None:
    whole = b.and_(size, I64(-CHUNK))

    def chunk(at: Value, _: list[Value]) -> None:
        ir.store(b, ir.load(b, b.add(source, at), align=1), b.add(target, at), align=1)

    def byte(at: Value, _: list[Value]) -> None:
        ir.store(b, ir.load(b, b.add(source, at), I8, align=1), b.add(target, at), align=1)

    ir.counted(b, 0, whole, [], chunk, CHUNK, unroll=False)
    ir.counted(b, whole, size, [], byte, unroll=False)
