"""The code of what goes over steps."""

from __future__ import annotations

from collections.abc import Callable

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.ir import F32, I64, LANES, Builder, Value
from netspec.compiler.kernels.over_steps import REDUCE_WORDS, WORDS
from netspec.compiler.kernels.streams import Words, store_first, units_of


def emit_over_steps(where: str, *, single: bool) -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        words = Words(b, args)
        word = {name: words[i] for i, name in enumerate(WORDS)}
        first, stop = units_of(b, word["rows"], part, parts)

        def one_row(row: Value, _: list[Value]) -> None:
            step = b.udiv(row, word["step_rows"])
            own = b.sub(row, b.mul(step, word["step_rows"]))
            t = ir.splat(b, b.sitofp(step, F32))
            source, limit = (b.add(word[side], b.mul(own, word[f"{side}_row"])) for side in ("source", "limit"))
            target = b.add(word["target"], b.mul(row, word["target_row"]))

            def one(column: Value, _: list[Value]) -> None:
                offset = b.shl(column, I64(2))
                value = _get(b, b.add(source, offset), single=single)
                if where == "below":
                    value = b.select(b.fcmp_ordered("<", t, ir.broadcast(b, limit)), value, ir.ZERO)
                elif where == "at":
                    chosen = _get(b, b.add(limit, offset), single=single)
                    value = b.select(b.fcmp_ordered("==", t, chosen), value, ir.ZERO)
                _put(b, value, b.add(target, offset), single=single)

            ir.counted(b, 0, word["columns"], [], one, LANES, unroll=False)

        ir.counted(b, first, stop, [], one_row, unroll=False)

    return ir.kernel_function(body)


def emit_reduce_steps(how: str, *, limited: bool, single: bool) -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        words = Words(b, args)
        word = {name: words[i] for i, name in enumerate(REDUCE_WORDS)}
        first, stop = units_of(b, word["rows"], part, parts)
        stride = b.mul(word["rows"], word["source_row"])

        def one_row(row: Value, _: list[Value]) -> None:
            steps = word["steps"]
            if limited:
                limit = ir.load(b, b.add(word["limit"], b.shl(row, I64(2))), F32)
                whole = b.fptosi(limit, I64)
                more = b.zext(b.fcmp_ordered("<", b.sitofp(whole, F32), limit), I64)
                steps = ir.minimum(b, b.add(whole, more), steps)
            source = b.add(word["source"], b.mul(row, word["source_row"]))

            def one(column: Value, _: list[Value]) -> None:
                offset = b.shl(column, I64(2))
                made = _over(b, how, b.add(source, offset), stride, steps, single=single)
                for side, value in zip(("target", "winner"), made, strict=False):
                    place = b.add(b.add(word[side], b.mul(row, word[f"{side}_row"])), offset)
                    _put(b, value, place, single=single)

            ir.counted(b, 0, word["columns"], [], one, LANES, unroll=False)

        ir.counted(b, first, stop, [], one_row, unroll=False)

    return ir.kernel_function(body)


def _over(b: Builder, how: str, source: Value, stride: Value, steps: Value, *, single: bool) -> list[Value]:
    """The vector made of ``steps`` vectors, 0 of none; of the largest also its step, -1 of none."""
    some = ir.splat(b, b.icmp_signed(">", steps, I64(0)))

    def at(t: Value) -> Value:
        return _get(b, b.add(source, b.mul(t, stride)), single=single)

    if how == "last":
        last = b.select(b.icmp_signed(">", steps, I64(0)), b.sub(steps, I64(1)), I64(0))
        return [b.select(some, at(last), ir.ZERO)]
    if how == "sum":
        return ir.counted(b, 0, steps, [ir.ZERO], lambda t, total: [b.fadd(total[0], at(t))], unroll=False)

    def larger(t: Value, carried: list[Value]) -> list[Value]:
        top, winner = carried
        value = at(t)
        # Unordered: a NaN is taken, and the first one stays.
        wins = b.and_(b.fcmp_unordered(">", value, top), b.fcmp_ordered("ord", top, top))
        return [b.select(wins, value, top), b.select(wins, ir.splat(b, b.sitofp(t, F32)), winner)]

    top, winner = ir.counted(b, 0, steps, [ir.real(float("-inf")), ir.ZERO], larger, unroll=False)
    return [b.select(some, top, ir.ZERO), b.select(some, winner, ir.real(-1.0))]


def _get(b: Builder, place: Value, *, single: bool) -> Value:
    return ir.broadcast(b, place) if single else ir.load(b, place)


def _put(b: Builder, value: Value, place: Value, *, single: bool) -> None:
    if single:
        store_first(b, value, place)
    else:
        ir.store(b, value, place)
