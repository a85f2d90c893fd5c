"""The code of convolutions by minimal filtering: transforms of weights, of pixels and of products; register tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby

from llvmlite import ir as llvm

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.contract_emit import argument, function
from netspec.compiler.kernels.conv_emit import Epilogue
from netspec.compiler.kernels.ir import I64, LANES, Builder, Value
from netspec.compiler.kernels.streams import Words, units_of
from netspec.compiler.kernels.winograd import HEADER, PRODUCTS, WEIGHT_WORDS, WORDS, Winograd
from netspec.compiler.kernels.winograd_pixels_emit import SIDE, Pixels


def emit_winograd(winograd: Winograd) -> Callable[..., None]:
    """The Python function that Numba compiles."""
    return ir.kernel_function(lambda builder, *words: _Loops(winograd, builder, *words).emit())


def emit_winograd_weights() -> Callable[..., None]:
    """The Python function that Numba compiles: ``G g G'`` of 16 output channels at once."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        words = Words(b, args)
        word = {name: words[i] for i, name in enumerate(WEIGHT_WORDS)}
        first, stop = units_of(b, word["columns"], part, parts)
        row = ir.product(b, word["depth"], ir.BYTES)

        def one_panel(column: Value, _: list[Value]) -> None:
            panel = b.lshr(column, I64(4))
            source = b.add(b.add(word["panels"], b.mul(panel, ir.product(b, row, 9))), word["first_tap"])
            target = b.add(word["u"], b.mul(panel, ir.product(b, row, PRODUCTS)))

            def one(d: Value, _: list[Value]) -> None:
                at, to = (b.add(place, ir.product(b, d, ir.BYTES)) for place in (source, target))
                taps = [ir.load(b, b.add(at, ir.product(b, word["tap_step"], n))) for n in range(9)]
                halves = [_filtered(b, taps[column::3]) for column in range(3)]
                for y in range(SIDE):
                    for x, value in enumerate(_filtered(b, [half[y] for half in halves])):
                        ir.store(b, value, b.add(to, ir.product(b, row, SIDE * y + x)))

            ir.counted(b, 0, word["depth"], [], one, unroll=False)

        ir.counted(b, first, stop, [], one_panel, LANES, unroll=False)

    return ir.kernel_function(body)


def _filtered(b: Builder, g: Sequence[Value]) -> list[Value]:
    """``G g``: three taps as four factors."""
    half = ir.real(0.5)
    ends = b.fmul(b.fadd(g[0], g[2]), half)
    middle = b.fmul(g[1], half)
    return [g[0], b.fadd(ends, middle), b.fsub(ends, middle), g[2]]


def gathered(b: Builder, m: Sequence[Value]) -> list[Value]:
    """``A' m``: four products as two results."""
    return [b.fadd(b.fadd(m[0], m[1]), m[2]), b.fsub(b.fsub(m[1], m[2]), m[3])]


class _Loops:
    """The loops over blocks and strips, and the functions that they call."""

    def __init__(
        self, winograd: Winograd, builder: Builder, args: Value, part: Value, parts: Value, thread: Value
    ) -> None:
        self.winograd, self.builder, self.args, self.thread = winograd, builder, args, thread
        self.word = {name: argument(builder, args, i) for i, name in enumerate(WORDS)}
        ends = [builder.udiv(builder.mul(p, self.word["blocks"]), parts) for p in (part, builder.add(part, I64(1)))]
        self.first, self.stop = ends
        self.scratch = builder.add(self.word["scratch"], builder.mul(thread, self.word["scratch_thread"]))
        self.pixels = Pixels(builder, WORDS).function
        shapes = [(height, width) for height, widths in winograd.tiles.widths for width, _ in widths]
        self.products = {shape: _emit_products(builder, *shape) for shape in shapes}
        self.results = {shape: _Results(winograd, builder, *shape).function for shape in shapes}

    def emit(self) -> None:
        builder, word = self.builder, self.word
        down, across = (builder.lshr(builder.add(word[side], I64(1)), I64(1)) for side in ("rows", "columns"))

        def one_block(block: Value, _: list[Value]) -> None:
            def one_row(top: Value, _: list[Value]) -> None:
                rows = ir.minimum(builder, builder.sub(down, top), word["strip_rows"])

                def one_strip(left: Value, _: list[Value]) -> None:
                    columns = ir.minimum(builder, builder.sub(across, left), word["strip_columns"])
                    self._strip(block, top, rows, left, columns)

                ir.counted(builder, 0, across, [], one_strip, word["strip_columns"], unroll=False)

            ir.counted(builder, 0, down, [], one_row, word["strip_rows"], unroll=False)

        ir.counted(builder, self.first, self.stop, [], one_block, unroll=False)

    def _strip(self, block: Value, top: Value, rows: Value, left: Value, columns: Value) -> None:
        builder, word = self.builder, self.word
        x = builder.add(word["x"], builder.mul(block, word["x_block"]))
        zeros = builder.add(self.scratch, word["zeros_at"])
        ir.store(builder, ir.ZERO, zeros)

        def one_channel(channel: Value, _: list[Value]) -> None:
            at = builder.add(x, builder.mul(channel, word["x_channel"]))
            to = builder.add(self.scratch, builder.mul(channel, word["pitch"]))
            place = [self.args, at, to, zeros, top, rows, left, columns]
            builder.call(self.pixels, [*place, builder.mul(word["ins"], word["pitch"])])

        ir.counted(builder, 0, word["ins"], [], one_channel, unroll=False)
        tiles, count = self.winograd.tiles, builder.mul(rows, columns)
        run = partial(self._run, block, top, left, columns, count)

        def one_panel(_: Value, values: list[Value]) -> list[Value]:
            return [self._tiles(tiles.panel, values[0], run)]

        channel: Value = I64(0)
        if tiles.panel:
            panels = builder.lshr(word["outs"], I64(4))
            (channel,) = ir.counted(builder, 0, panels, [channel], one_panel, unroll=False)
        self._tiles(tiles.rest, channel, run)

    def _tiles(self, heights: tuple[int, ...], channel: Value, run: Callable[[int, Value], None]) -> Value:
        """Register tiles of these heights one after the other; the channel behind them."""
        builder = self.builder
        for height, equal in groupby(heights):
            end = builder.add(channel, I64(height * len(tuple(equal))))

            def one(c: Value, _: list[Value], height: int = height) -> None:
                run(height, c)

            ir.counted(builder, channel, end, [], one, height, unroll=False)
            channel = end
        return channel

    def _run(
        self, block: Value, top: Value, left: Value, columns: Value, count: Value, height: int, channel: Value
    ) -> None:
        """Some output channels over all tiles of a strip."""
        builder, word = self.builder, self.word
        panel = builder.mul(builder.lshr(channel, I64(4)), word["u_panel"])
        u = builder.add(builder.add(word["u"], panel), builder.shl(builder.and_(channel, I64(LANES - 1)), I64(2)))
        made = builder.add(self.scratch, word["products_at"])

        def some(width: int, n: Value, _: list[Value]) -> list[Value]:
            v = builder.add(self.scratch, builder.shl(n, I64(6)))
            builder.call(self.products[height, width], [v, u, made, word["ins"], word["pitch"]])
            words = [self.args, self.thread, made, block, channel, n, top, left, columns]
            builder.call(self.results[height, width], words)
            return [builder.add(n, I64(width))]

        n: Value = I64(0)
        for width, _ in dict(self.winograd.tiles.widths)[height]:
            stop = builder.sub(count, I64(width - 1))
            (n,) = ir.counted(builder, n, stop, [n], partial(some, width), width, unroll=False)


def _emit_products(builder: Builder, channels: int, tiles: int) -> llvm.Function:
    """``products(v, u, made, ins, pitch)``: the 16 sums over input channels of some output channels and tiles.

    They are left at ``made`` as ``[channel][tile][16]`` vectors.
    """

    def body(b: Builder, v: Value, u: Value, made: Value, ins: Value, pitch: Value) -> None:
        def one(n: Value, values: list[Value]) -> list[Value]:
            v_at, u_at = values

            def step(_: Value, values: list[Value]) -> list[Value]:
                v_now, u_now, *sums = values
                pixels = [ir.load(b, ir.at(b, v_now, t * ir.BYTES)) for t in range(tiles)]
                result = []
                for c in range(channels):
                    weight = ir.broadcast(b, ir.at(b, u_now, 4 * c))
                    result += [ir.fma(b, weight, pixels[t], sums[c * tiles + t]) for t in range(tiles)]
                return [b.add(v_now, pitch), b.add(u_now, I64(ir.BYTES)), *result]

            start = [v_at, u_at, *[ir.ZERO] * (channels * tiles)]
            v_end, u_end, *sums = ir.counted(b, 0, ins, start, step, unroll=False)
            for i, value in enumerate(sums):
                at = b.add(made, b.add(ir.product(b, n, ir.BYTES), I64(i * PRODUCTS * ir.BYTES)))
                ir.store(b, value, at)
            return [v_end, u_end]

        ir.counted(b, 0, I64(PRODUCTS), [v, u], one, unroll=False)

    return function(builder, f"products_{channels}x{tiles}", 5, body)


class _Results:
    """``results(args, thread, made, block, channel, tile, top, left, columns)``: ``A' m A``, epilogue, stores."""

    def __init__(self, winograd: Winograd, builder: Builder, channels: int, tiles: int) -> None:
        self.winograd, self.channels, self.tiles = winograd, channels, tiles
        self.function = function(builder, f"results_{channels}x{tiles}", 9, self._body)

    def _body(
        self, b: Builder, args: Value, thread: Value, made: Value, block: Value, channel: Value, tile: Value,
        top: Value, left: Value, columns: Value,
    ) -> None:  # fmt: skip
        epilogue = Epilogue(self.winograd, b, args, thread, HEADER, WORDS.index("clock"))
        height, width = (argument(b, args, WORDS.index(side)) for side in ("rows", "columns"))

        def one_tile(t: Value, _: list[Value]) -> None:
            n = b.add(tile, t)
            y, x = (
                b.shl(b.add(start, place), I64(1))
                for start, place in ((top, b.udiv(n, columns)), (left, b.urem(n, columns)))
            )
            below, right = (b.icmp_signed("<", b.add(at, I64(1)), size) for at, size in ((y, height), (x, width)))
            pixel = b.add(b.mul(y, width), x)

            def one_channel(c: Value, _: list[Value]) -> None:
                index = b.add(ir.product(b, c, self.tiles), t)
                at = b.add(made, ir.product(b, index, PRODUCTS * ir.BYTES))
                products = [ir.load(b, b.add(at, I64(i * ir.BYTES))) for i in range(PRODUCTS)]
                halves = [gathered(b, products[i::SIDE]) for i in range(SIDE)]
                upper, lower = (gathered(b, [half[i] for half in halves]) for i in range(2))
                places = epilogue.places(b, block, b.add(channel, c))

                def pair(values: Sequence[Value], at: Value) -> None:
                    epilogue.vector(b, values[0], places, at)
                    ir.when(b, right, lambda: epilogue.vector(b, values[1], places, b.add(at, I64(1))))

                pair(upper, pixel)
                ir.when(b, below, lambda: pair(lower, b.add(pixel, width)))

            ir.counted(b, 0, self.channels, [], one_channel, unroll=False)

        ir.counted(b, 0, self.tiles, [], one_tile, unroll=False)
