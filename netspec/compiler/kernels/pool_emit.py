"""The code of pooling and of its gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import product

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.ir import F32, I64, Builder, Value
from netspec.compiler.kernels.pool import HEADER, SIDE_WORDS, SIDES, WORDS, PoolCode
from netspec.compiler.kernels.streams import IDENTITY, MASK, Words, combine, lanes_below, store_lanes
from netspec.compiler.kernels.windows import WORDS_OF_RUN


def emit_pool(code: PoolCode) -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        _Pool(b, code, args).run(part, parts)

    return ir.kernel_function(body)


class _Pool:
    """The kernel while it is being written."""

    def __init__(self, b: Builder, code: PoolCode, args: Value) -> None:
        self.b, self.code, self.args = b, code, args
        self.kind, self.axes, self.backward = code.kind, len(code.extents), code.backward
        words = Words(b, args)
        self.word = {name: words[i] for i, name in enumerate(WORDS)}
        self.sides = {
            side: [words[HEADER + SIDE_WORDS * i + j] for j in range(SIDE_WORDS)] for i, side in enumerate(SIDES)
        }
        self.mask: Value | None = None  # of the channels of a vector, where lanes are channels that may not fill it
        self.moves = [words[HEADER + SIDE_WORDS * len(SIDES) + i] for i in range(self.axes)]

    def run(self, part: Value, parts: Value) -> None:
        b, word = self.b, self.word
        units = b.mul(word["blocks"], word["vectors"]) if self.code.rows else word["blocks"]
        first, stop = (b.udiv(b.mul(p, units), parts) for p in (part, b.add(part, I64(1))))

        def one_vector(unit: Value, _: list[Value]) -> None:
            self._plane(b.udiv(unit, word["vectors"]), b.urem(unit, word["vectors"]))

        def one_block(block: Value, _: list[Value]) -> None:
            ir.counted(b, 0, word["channels"], [], lambda c, _: self._plane(block, c), unroll=False)

        ir.counted(b, first, stop, [], one_vector if self.code.rows else one_block, unroll=False)

    def _plane(self, block: Value, channel: Value) -> None:
        b, word = self.b, self.word
        self.mask = None
        if self.code.rows and not self.code.whole:
            self.mask = lanes_below(b, b.sub(word["channels"], ir.product(b, channel, ir.LANES)))
        at = {
            side: b.add(pointer, b.add(b.mul(block, by_block), b.mul(channel, by_channel)))
            for side, (pointer, by_block, by_channel) in self.sides.items()
        }
        if self.backward:

            def zero(pixel: Value, _: list[Value]) -> None:
                ir.store(b, ir.ZERO, b.add(at["result"], ir.product(b, pixel, ir.BYTES)))

            ir.counted(b, 0, b.mul(word["plane"], word["clears"]), [], zero, unroll=False)

        def one_row(row: Value, _: list[Value]) -> None:
            pixel, read, _, *counts = self._table(word["rows_at"], row, 2 + self.axes)

            def one_run(i: Value, _: list[Value]) -> None:
                length, start, step, count, offset, advance, _ = self._table(word["runs_at"], i, WORDS_OF_RUN)

                def one_window(n: Value, _: list[Value]) -> None:
                    written = ir.product(b, b.add(b.add(pixel, start), b.mul(n, step)), word["pixel"])
                    reads = b.add(b.add(read, offset), b.mul(n, advance))
                    self._window(at, written, reads, [*counts, count])

                ir.counted(b, 0, length, [], one_window, unroll=False)

            ir.counted(b, 0, word["runs"], [], one_run, unroll=False)

        ir.counted(b, 0, word["rows"], [], one_row, unroll=False)

    def _table(self, start: Value, row: Value, width: int) -> list[Value]:
        b = self.b
        place = ir.at(b, self.args, ir.product(b, b.add(start, ir.product(b, row, width)), 8))
        return [ir.load(b, ir.at(b, place, 8 * i), I64, 8) for i in range(width)]

    def _window(self, at: dict[str, Value], written: Value, reads: Value, counts: Sequence[Value]) -> None:
        b = self.b
        size = counts[0]
        for count in counts[1:]:
            size = b.mul(size, count)
        share = b.fdiv(ir.real(1.0), ir.splat(b, b.sitofp(size, F32)))
        if not self.backward:
            start = IDENTITY["max" if self.kind == "max" else "sum"]
            (found,) = self._taps(reads, counts, [start], lambda o, v: [self._joined(at["x"], o, v[0])])
            if self.kind == "average":  # a window that meets nothing has no mean: zero
                found = b.fmul(found, share)
                found = b.select(b.icmp_signed(">", size, I64(0)), found, ir.ZERO)
            place = b.add(at["y"], written)
            if self.mask is None:
                ir.store(b, found, place)
            else:
                store_lanes(b, found, place, self.mask)
            return
        cotangent = ir.load(b, b.add(at["cotangent"], written))
        if self.kind == "average":
            given = b.fmul(cotangent, share)

            def give(offset: Value, _: list[Value]) -> list[Value]:
                self._give(given, b.add(at["result"], offset))
                return []

            self._taps(reads, counts, [], give)
            return
        largest = ir.load(b, b.add(at["y"], written))

        def win(offset: Value, values: list[Value]) -> list[Value]:
            (waiting,) = values
            x, place = ir.load(b, b.add(at["x"], offset)), b.add(at["result"], offset)
            wins = b.and_(waiting, b.fcmp_unordered("==", x, largest))
            self._give(b.select(wins, cotangent, ir.ZERO), place)
            return [b.and_(waiting, b.not_(wins))]

        self._taps(reads, counts, [MASK([1] * 16)], win)

    def _give(self, cotangent: Value, place: Value) -> None:
        """Of one window to one place of the result."""
        b = self.b
        ir.store(b, cotangent if self.code.disjoint else b.fadd(ir.load(b, place), cotangent), place)

    def _joined(self, x: Value, offset: Value, found: Value) -> Value:
        return combine(self.b, "max" if self.kind == "max" else "sum", found, ir.load(self.b, self.b.add(x, offset)))

    def _taps(
        self,
        offset: Value,
        counts: Sequence[Value],
        carried: Sequence[Value],
        body: Callable[[Value, list[Value]], list[Value]],
    ) -> list[Value]:
        """Run ``body(offset, carried)`` for every tap of a window, in order; a whole window is written out."""
        b, extents = self.b, [extent for extent in self.code.extents if extent is not None]
        if len(extents) < self.axes:
            return self._loops(offset, counts, carried, body)
        whole = ir.I1(1)
        for count, extent in zip(counts, extents, strict=True):
            whole = b.and_(whole, b.icmp_signed("==", count, I64(extent)))

        def written_out() -> list[Value]:
            now = list(carried)
            for taps in product(*map(range, extents)):
                moves = [ir.product(b, move, tap) for move, tap in zip(self.moves, taps, strict=True) if tap]
                now = body(reduce(b.add, moves, offset), now)
            return now

        return ir.branch(b, whole, written_out, lambda: self._loops(offset, counts, carried, body))

    def _loops(
        self,
        offset: Value,
        counts: Sequence[Value],
        carried: Sequence[Value],
        body: Callable[[Value, list[Value]], list[Value]],
    ) -> list[Value]:
        b, axis = self.b, self.axes - len(counts)
        if not counts:
            return body(offset, list(carried))

        def one(_: Value, values: list[Value]) -> list[Value]:
            at, *now = values
            return [b.add(at, self.moves[axis]), *self._loops(at, counts[1:], now, body)]

        return ir.counted(b, 0, counts[0], [offset, *carried], one, unroll=False)[1:]
