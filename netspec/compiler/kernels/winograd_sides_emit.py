"""The code of weight gradients by minimal filtering that transforms both sides: pixels, and cotangents turned first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from llvmlite import ir as llvm

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.contract_emit import argument, function
from netspec.compiler.kernels.ir import I64, LANES, Builder, Value
from netspec.compiler.kernels.transpose_emit import transposed_rows
from netspec.compiler.kernels.winograd_gradient import COTANGENTS, PITCH, PIXELS, TILE, WORDS
from netspec.compiler.kernels.winograd_pixels_emit import spread

PAIR = 2  # cotangents of a tile along each axis


@dataclass(frozen=True)
class _Row:
    """Where a row of pixels begins, and bytes to the next pixel and to the next channel: none outside."""

    start: Value
    pixel: Value
    channel: Value


class LinePixels:
    """``pixels(args, line, x, v, zeros, ins, top, rows, left, columns)``: 4 products' factors of a strip's pixels.

    They are ``(d[a] + sign d[b]) B`` of the rows of a tile and the sign that ``line`` tells; what lies outside is read
    from ``zeros``. The two columns that neighbouring tiles share stay in registers.
    """

    def __init__(self, builder: Builder) -> None:
        self.function = function(builder, "pixels", 10, self._body)

    def _body(
        self, b: Builder, args: Value, line: Value, x: Value, v: Value, zeros: Value, ins: Value, top: Value,
        rows: Value, left: Value, columns: Value,
    ) -> None:  # fmt: skip
        self.b, self.zeros, self.columns = b, zeros, columns
        self.word = {name: argument(b, args, i) for i, name in enumerate(WORDS)}
        self.sign = _real(b, line, PAIR)
        self.first = b.sub(b.shl(left, I64(1)), self.word["before_columns"])

        def one_row(row: Value, _: list[Value]) -> None:
            above = b.sub(b.shl(b.add(top, row), I64(1)), self.word["before_rows"])
            pair = [self._row(x, b.add(above, argument(b, line, i))) for i in range(PAIR)]

            def one_channel(_: Value, values: list[Value]) -> list[Value]:
                to, *starts = values
                now = [replace(row, start=start) for row, start in zip(pair, starts, strict=True)]
                self._channel(now, to)
                return [b.add(to, I64(PITCH)), *(b.add(row.start, row.channel) for row in now)]

            to = b.add(v, ir.product(b, b.mul(row, columns), ir.BYTES))
            ir.counted(b, 0, ins, [to, *(row.start for row in pair)], one_channel, unroll=False)

        ir.counted(b, 0, rows, [], one_row, unroll=False)

    def _row(self, x: Value, y: Value) -> _Row:
        b = self.b
        inside = b.icmp_unsigned("<", y, self.word["read_rows"])
        start = b.add(x, b.mul(y, ir.product(b, self.word["read_columns"], ir.BYTES)))
        steps = [b.select(inside, step, I64(0)) for step in (I64(ir.BYTES), self.word["x_channel"])]
        return _Row(b.select(inside, start, self.zeros), *steps)

    def _channel(self, pair: Sequence[_Row], to: Value) -> None:
        """All tiles of a row, of one channel."""
        b = self.b

        def one_tile(tile: Value, shared: list[Value]) -> list[Value]:
            place = b.add(self.first, b.shl(tile, I64(1)))
            following = [self._column(pair, b.add(place, I64(PAIR + n))) for n in range(PAIR)]
            at = b.add(to, ir.product(b, tile, ir.BYTES))
            for m, value in enumerate(spread(b, [*shared, *following])):
                ir.store(b, value, b.add(at, I64(m * PIXELS)))
            return following

        shared = [self._column(pair, b.add(self.first, I64(n))) for n in range(PAIR)]
        ir.counted(b, 0, self.columns, shared, one_tile, unroll=False)

    def _column(self, pair: Sequence[_Row], place: Value) -> Value:
        b = self.b
        inside = b.icmp_unsigned("<", place, self.word["read_columns"])
        read = [b.select(inside, b.add(row.start, b.mul(place, row.pixel)), self.zeros) for row in pair]
        return ir.fma(b, self.sign, ir.load(b, read[1]), ir.load(b, read[0]))


def emit_factors(builder: Builder) -> llvm.Function:
    """``factors(line, turned, z, count)``: 4 products' factors of the cotangents of a panel, of ``count`` tiles.

    They are ``(f y[0] + g y[1]) A'`` with the factors f and g that ``line`` tells.
    """

    def body(b: Builder, line: Value, turned: Value, z: Value, count: Value) -> None:
        weights = [_real(b, line, 3 + i) for i in range(PAIR)]

        def one_sample(offset: Value, base: Value) -> None:
            at, to = b.add(b.add(turned, base), offset), b.add(b.add(z, base), offset)
            y = [ir.load(b, b.add(at, I64(i * COTANGENTS))) for i in range(PAIR * PAIR)]
            row = [ir.fma(b, weights[1], y[PAIR + i], b.fmul(weights[0], y[i])) for i in range(PAIR)]
            for m, value in enumerate(_spread(b, row)):
                ir.store(b, value, b.add(to, I64(m * COTANGENTS)))

        def one_tile(tile: Value, _: list[Value]) -> None:
            base = ir.product(b, tile, TILE)
            ir.counted(b, 0, I64(COTANGENTS), [], lambda offset, _: one_sample(offset, base), ir.BYTES, unroll=False)

        ir.counted(b, 0, count, [], one_tile, unroll=False)

    return function(builder, "factors", 4, body)


def _real(b: Builder, line: Value, index: int) -> Value:
    """A small integer of a line, in all lanes."""
    return ir.splat(b, b.sitofp(argument(b, line, index), ir.F32))


def _spread(b: Builder, y: Sequence[Value]) -> list[Value]:
    """``A y``: two cotangents as four factors, the last of which comes with the other sign."""
    return [y[0], b.fadd(y[0], y[1]), b.fsub(y[0], y[1]), y[1]]


class Turn:
    """``turn(args, y, others, to, top, rows, left, columns)``: the cotangents of a panel, samples outside the lanes.

    ``others`` channels follow the first one at ``y``; those of the panel that are not there repeat the last. The
    cotangents of each tile become ``[4][sample][16 channels]``, zero where they lie outside.
    """

    def __init__(self, builder: Builder) -> None:
        self.one, self.blank = _emit_one(builder), _emit_blank(builder)
        self.function = function(builder, "turn", 8, self._body)

    def _body(
        self, b: Builder, args: Value, y: Value, others: Value, to: Value, top: Value, rows: Value, left: Value,
        columns: Value,
    ) -> None:  # fmt: skip
        step, height, width = (argument(b, args, WORDS.index(name)) for name in ("y_channel", "rows", "columns"))

        def one_row(row: Value, _: list[Value]) -> None:
            def one_tile(column: Value, _: list[Value]) -> None:
                tile = b.add(to, ir.product(b, b.add(b.mul(row, columns), column), TILE))
                for i in range(PAIR * PAIR):
                    r = b.add(b.shl(b.add(top, row), I64(1)), I64(i // PAIR))
                    c = b.add(b.shl(b.add(left, column), I64(1)), I64(i % PAIR))
                    inside = b.and_(b.icmp_signed("<", r, height), b.icmp_signed("<", c, width))
                    at = b.add(y, ir.product(b, b.add(b.mul(r, width), c), ir.BYTES))
                    place = b.add(tile, I64(i * COTANGENTS))
                    ir.when(b, inside, partial(b.call, self.one, [at, step, others, place]))
                    ir.when(b, b.not_(inside), partial(b.call, self.blank, [place]))

            ir.counted(b, 0, columns, [], one_tile, unroll=False)

        ir.counted(b, 0, rows, [], one_row, unroll=False)


def _emit_one(builder: Builder) -> llvm.Function:
    """``one(y, step, others, to)``: 16 channels of 16 samples as 16 samples of 16 channels."""

    def body(b: Builder, y: Value, step: Value, others: Value, to: Value) -> None:
        # Channels of large images meet in a set of the first-level cache, so each is read once, and its copy in pieces.
        at, places = y, [b.add(to, I64(i * ir.BYTES)) for i in range(LANES)]
        for channel, place in enumerate(places):
            ir.store(b, ir.load(b, at), place)
            at = b.add(at, b.select(b.icmp_signed(">", others, I64(channel)), step, I64(0)))
        for value, place in zip(transposed_rows(b, places), places, strict=True):
            ir.store(b, value, place)

    return function(builder, "one", 4, body)


def _emit_blank(builder: Builder) -> llvm.Function:
    """``blank(to)``: zeros for what lies outside."""

    def body(b: Builder, to: Value) -> None:
        for i in range(LANES):
            ir.store(b, ir.ZERO, b.add(to, I64(i * ir.BYTES)))

    return function(builder, "blank", 1, body)
