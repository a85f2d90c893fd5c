"""The code of convolutions by minimal filtering over rows: transforms, register tiles, loops over strips."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from llvmlite import ir as llvm

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.contract_emit import argument, function
from netspec.compiler.kernels.conv_rows import ITEM, VECTOR
from netspec.compiler.kernels.conv_rows_emit import RowsEpilogue
from netspec.compiler.kernels.ir import I64, LANES, Builder, Value
from netspec.compiler.kernels.streams import lanes_below
from netspec.compiler.kernels.winograd import PRODUCTS
from netspec.compiler.kernels.winograd_emit import gathered
from netspec.compiler.kernels.winograd_pixels_emit import SIDE, spread
from netspec.compiler.kernels.winograd_rows import HEADER, WORDS, RowsWinograd


def emit_winograd_rows(winograd: RowsWinograd) -> Callable[..., None]:
    """The Python function that Numba compiles."""
    return ir.kernel_function(lambda builder, *words: _Loops(winograd, builder, *words).emit())


class _Loops:
    """The loops over strips of samples, and the functions that they call."""

    def __init__(
        self, winograd: RowsWinograd, builder: Builder, args: Value, part: Value, parts: Value, thread: Value
    ) -> None:
        self.winograd, self.b, self.args, self.thread = winograd, builder, args, thread
        b = builder
        self.word = word = {name: argument(b, args, i) for i, name in enumerate(WORDS)}
        units = b.mul(word["samples"], word["strips"])
        self.first, self.stop = (b.udiv(b.mul(p, units), parts) for p in (part, b.add(part, I64(1))))
        self.scratch = b.add(word["scratch"], b.mul(thread, word["scratch_thread"]))
        self.pixels = function(b, "pixels", 5, _emit_pixels)
        tiles = winograd.tiles
        shapes = [(width, v) for v in sorted({tiles.vectors, tiles.rest} - {0}) for width in tiles.widths]
        self.products = {shape: _emit_products(b, *shape) for shape in shapes}
        self.results = {shape: _Results(winograd, b, *shape).function for shape in shapes}

    def emit(self) -> None:
        ir.store(self.b, ir.ZERO, self.b.add(self.scratch, self.word["zeros_at"]))
        ir.counted(self.b, self.first, self.stop, [], self._strip, unroll=False)

    def _strip(self, unit: Value, _: list[Value]) -> None:
        b, word, tiles = self.b, self.word, self.winograd.tiles
        sample, strip = b.udiv(unit, word["strips"]), b.urem(unit, word["strips"])
        begin, end = (b.udiv(b.mul(n, word["tiles"]), word["strips"]) for n in (strip, b.add(strip, I64(1))))
        x = b.add(word["x"], b.mul(sample, word["x_sample"]))
        b.call(self.pixels, [self.args, x, self.scratch, begin, end])
        panels = b.lshr(b.add(word["outs"], I64(LANES - 1)), I64(4))
        rest = I64(tiles.rest)
        whole = b.sub(panels, rest)

        def some(vectors: int, panel: Value, _: list[Value]) -> None:
            self._channels(vectors, panel, sample, begin, b.sub(end, begin))

        ir.counted(b, 0, whole, [], partial(some, tiles.vectors), tiles.vectors, unroll=False)
        if tiles.rest:
            some(tiles.rest, whole, [])

    def _channels(self, vectors: int, panel: Value, sample: Value, begin: Value, count: Value) -> None:
        """Some vectors of output channels of all tiles of a strip."""
        b, word = self.b, self.word
        u = b.add(word["u"], b.mul(panel, word["u_panel"]))
        made = b.add(self.scratch, word["products_at"])

        def some(width: int, n: Value, _: list[Value]) -> list[Value]:
            v = b.add(self.scratch, b.mul(n, word["pitch"]))
            strides = [word["ins"], word["pitch"], word["product"], word["u_panel"]]
            b.call(self.products[width, vectors], [v, u, made, *strides])
            channel = b.shl(panel, I64(4))
            b.call(self.results[width, vectors], [self.args, self.thread, made, sample, channel, b.add(begin, n)])
            return [b.add(n, I64(width))]

        n: Value = I64(0)
        for width in self.winograd.tiles.widths:
            stop = b.sub(count, I64(width - 1))
            (n,) = ir.counted(b, n, stop, [n], partial(some, width), width, unroll=False)


def _emit_pixels(b: Builder, args: Value, x: Value, scratch: Value, begin: Value, end: Value) -> None:
    """``pixels(args, x, scratch, begin, end)``: ``B' d B`` of all channels of some tiles; what lies outside is zero."""
    word = {name: argument(b, args, i) for i, name in enumerate(WORDS)}
    across = b.lshr(b.add(word["columns"], I64(1)), I64(1))
    vectors = b.lshr(b.add(word["ins"], I64(LANES - 1)), I64(4))
    zeros = b.add(scratch, word["zeros_at"])

    def one_tile(tile: Value, _: list[Value]) -> None:
        y, x_at = (
            b.sub(b.shl(n, I64(1)), word[before])
            for n, before in ((b.udiv(tile, across), "before_rows"), (b.urem(tile, across), "before_columns"))
        )
        places = []
        for i in range(PRODUCTS):
            row, column = b.add(y, I64(i // SIDE)), b.add(x_at, I64(i % SIDE))
            inside = b.and_(
                b.icmp_unsigned("<", row, word["read_rows"]), b.icmp_unsigned("<", column, word["read_columns"])
            )
            pixel = b.add(b.mul(row, word["read_columns"]), column)
            at = b.add(x, b.mul(pixel, word["x_pixel"]))
            places.append((b.select(inside, at, zeros), b.select(inside, I64(VECTOR), I64(0))))
        to = b.add(scratch, b.mul(b.sub(tile, begin), word["pitch"]))

        def one_vector(c: Value, _: list[Value]) -> None:
            read = [ir.load(b, b.add(at, b.mul(c, step))) for at, step in places]
            halves = [spread(b, read[column::SIDE]) for column in range(SIDE)]
            target = b.add(to, ir.product(b, c, VECTOR))
            for n in range(SIDE):
                for m, value in enumerate(spread(b, [half[n] for half in halves])):
                    ir.store(b, value, b.add(target, ir.product(b, word["product"], SIDE * n + m)))

        ir.counted(b, 0, vectors, [], one_vector, unroll=False)

    ir.counted(b, begin, end, [], one_tile, unroll=False)


def _emit_products(builder: Builder, tiles: int, vectors: int) -> llvm.Function:
    """``products(v, u, made, ins, pitch, product, u_panel)``: the 16 sums of some tiles and vectors of channels.

    They are left at ``made`` as ``[vector][tile][16]`` vectors.
    """

    def body(
        b: Builder, v: Value, u: Value, made: Value, ins: Value, pitch: Value, product: Value, u_panel: Value
    ) -> None:
        def one(n: Value, values: list[Value]) -> list[Value]:
            v_first, u_first = values

            def step(_: Value, values: list[Value]) -> list[Value]:
                v_now, u_now, *sums = values
                weights = [ir.load(b, b.add(u_now, ir.product(b, u_panel, i))) for i in range(vectors)]
                result = list(sums)
                for t in range(tiles):
                    pixel = ir.broadcast(b, ir.at(b, v_now, ir.product(b, pitch, t)))
                    for i, weight in enumerate(weights):
                        result[i * tiles + t] = ir.fma(b, weight, pixel, sums[i * tiles + t])
                return [b.add(v_now, I64(ITEM)), b.add(u_now, I64(VECTOR)), *result]

            start = [v_first, u_first, *[ir.ZERO] * (tiles * vectors)]
            _, u_end, *sums = ir.counted(b, 0, ins, start, step, unroll=False)
            for i, value in enumerate(sums):
                ir.store(b, value, b.add(made, b.add(ir.product(b, n, VECTOR), I64(i * PRODUCTS * VECTOR))))
            return [b.add(v_first, product), u_end]

        ir.counted(b, 0, I64(PRODUCTS), [v, u], one, unroll=False)

    return function(builder, f"products_{tiles}x{vectors}", 7, body)


class _Results:
    """``results(args, thread, made, sample, channel, tile)``: ``A' m A``, the epilogue, the stores."""

    def __init__(self, winograd: RowsWinograd, builder: Builder, tiles: int, vectors: int) -> None:
        self.winograd, self.tiles, self.vectors = winograd, tiles, vectors
        self.function = function(builder, f"results_{tiles}x{vectors}", 6, self._body)

    def _body(
        self, b: Builder, args: Value, thread: Value, made: Value, sample: Value, channel: Value, tile: Value
    ) -> None:
        epilogue = RowsEpilogue(self.winograd, b, args, thread, HEADER, WORDS.index("clock"))
        height, width, outs = (argument(b, args, WORDS.index(name)) for name in ("rows", "columns", "outs"))
        across = b.lshr(b.add(width, I64(1)), I64(1))

        def one_vector(i: Value, _: list[Value]) -> None:
            first = b.add(channel, b.shl(i, I64(4)))
            mask = None if self.winograd.whole else lanes_below(b, ir.minimum(b, b.sub(outs, first), I64(LANES)))
            places = epilogue.places(b, sample, first)

            def one_tile(t: Value, _: list[Value]) -> None:
                n = b.add(tile, t)
                y, x = (b.shl(place, I64(1)) for place in (b.udiv(n, across), b.urem(n, across)))
                below, right = (b.icmp_signed("<", b.add(at, I64(1)), size) for at, size in ((y, height), (x, width)))
                pixel = b.add(b.mul(y, width), x)
                index = b.add(ir.product(b, i, self.tiles), t)
                at = b.add(made, ir.product(b, index, PRODUCTS * VECTOR))
                products = [ir.load(b, b.add(at, I64(k * VECTOR))) for k in range(PRODUCTS)]
                halves = [gathered(b, products[k::SIDE]) for k in range(SIDE)]

                def pair(half: int, at: Value) -> None:
                    values = gathered(b, [one[half] for one in halves])
                    epilogue.vector(b, values[0], places, at, mask)
                    ir.when(b, right, lambda: epilogue.vector(b, values[1], places, b.add(at, I64(1)), mask))

                pair(0, pixel)
                ir.when(b, below, lambda: pair(1, b.add(pixel, width)))

            ir.counted(b, 0, self.tiles, [], one_tile, unroll=False)

        ir.counted(b, 0, self.vectors, [], one_vector, unroll=False)
