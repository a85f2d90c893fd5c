"""The code of windows over steps."""

from __future__ import annotations

from collections.abc import Callable

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.ir import F32, I64, LANES, Builder, Value
from netspec.compiler.kernels.streams import Words, units_of
from netspec.compiler.kernels.unfold_steps import WORDS


def emit_unfold_steps() -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def one_row(b: Builder, word: dict[str, Value], step: Value, own: Value, target: Value) -> None:
        limit = _limit(b, word, own)

        def one_tap(tap: Value, _: list[Value]) -> None:
            at = b.sub(b.add(step, b.mul(tap, word["gap"])), word["before"])
            inside = b.and_(_within(b, at, word["steps"]), b.fcmp_ordered("<", b.sitofp(at, F32), limit))
            source = _row(b, word, b.select(inside, at, I64(0)), own)
            place = b.add(target, b.shl(b.mul(tap, word["columns"]), I64(2)))

            def one(column: Value, _: list[Value]) -> None:
                offset = b.shl(column, I64(2))
                value = ir.load(b, b.add(source, offset))
                ir.store(b, b.select(inside, value, ir.ZERO), b.add(place, offset))

            ir.counted(b, 0, word["columns"], [], one, LANES, unroll=False)

        # Tap after tap: what a last vector writes too far, the next tap writes over.
        ir.counted(b, 0, word["taps"], [], one_tap, unroll=False)

    return _by_rows(one_row)


def emit_fold_steps() -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def one_row(b: Builder, word: dict[str, Value], step: Value, own: Value, target: Value) -> None:
        there = b.fcmp_ordered("<", b.sitofp(step, F32), _limit(b, word, own))

        def one(column: Value, _: list[Value]) -> None:
            def one_tap(tap: Value, carried: list[Value]) -> list[Value]:
                at = b.sub(b.add(step, word["before"]), b.mul(tap, word["gap"]))
                inside = _within(b, at, word["windows"])
                source = _row(b, word, b.select(inside, at, I64(0)), own)
                offset = b.shl(b.add(b.mul(tap, word["columns"]), column), I64(2))
                value = ir.load(b, b.add(source, offset))
                return [b.select(inside, b.fadd(carried[0], value), carried[0])]

            (total,) = ir.counted(b, 0, word["taps"], [ir.ZERO], one_tap, unroll=False)
            ir.store(b, b.select(there, total, ir.ZERO), b.add(target, b.shl(column, I64(2))))

        ir.counted(b, 0, word["columns"], [], one, LANES, unroll=False)

    return _by_rows(one_row)


def _by_rows(one_row: Callable[[Builder, dict[str, Value], Value, Value, Value], None]) -> Callable[..., None]:
    """A kernel that makes every row of its part by its step, its row of the step, and its address."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        words = Words(b, args)
        word = {name: words[i] for i, name in enumerate(WORDS)}
        first, stop = units_of(b, word["rows"], part, parts)

        def row_of(row: Value, _: list[Value]) -> None:
            step = b.udiv(row, word["step_rows"])
            own = b.sub(row, b.mul(step, word["step_rows"]))
            one_row(b, word, step, own, b.add(word["target"], b.mul(row, word["target_row"])))

        ir.counted(b, first, stop, [], row_of, unroll=False)

    return ir.kernel_function(body)


def _row(b: Builder, word: dict[str, Value], step: Value, own: Value) -> Value:
    """The address of a row of the source."""
    return b.add(word["source"], b.mul(b.add(b.mul(step, word["step_rows"]), own), word["source_row"]))


def _limit(b: Builder, word: dict[str, Value], own: Value) -> Value:
    return ir.load(b, b.add(word["limit"], b.shl(own, I64(2))), F32)


def _within(b: Builder, at: Value, stop: Value) -> Value:
    return b.and_(b.icmp_signed(">=", at, I64(0)), b.icmp_signed("<", at, stop))
