"""The code of weight gradients by minimal filtering: loops, register tiles, the transform of sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llvmlite import ir as llvm

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.contract_emit import argument, function
from netspec.compiler.kernels.ir import I64, LANES, Builder, Value
from netspec.compiler.kernels.streams import lanes_below, store_lanes
from netspec.compiler.kernels.winograd import PRODUCTS
from netspec.compiler.kernels.winograd_gradient import (
    COTANGENTS,
    HEADER,
    LINES,
    PANEL,
    PITCH,
    PIXELS,
    SIDE,
    TILE,
    WORDS,
    WinogradGradient,
)
from netspec.compiler.kernels.winograd_sides_emit import LinePixels, Turn, emit_factors

LINE_BYTES = 8 * len(LINES[0])
TAPS = 3


def emit_winograd_gradient(gradient: WinogradGradient) -> Callable[..., None]:
    """The Python function that Numba compiles."""
    return ir.kernel_function(lambda builder, *words: _Loops(gradient, builder, *words).emit())


@dataclass(frozen=True)
class _Piece:
    """Some input channels and some panels of output channels of a block of samples."""

    block: Value
    first_in: Value
    ins: Value
    first_panel: Value
    panels: Value


class _Loops:
    """The loops over blocks, pieces and strips, and the functions that they call."""

    def __init__(
        self, gradient: WinogradGradient, builder: Builder, args: Value, part: Value, parts: Value, thread: Value
    ) -> None:
        self.gradient, self.builder, self.args = gradient, builder, args
        self.word = {name: argument(builder, args, i) for i, name in enumerate(WORDS)}
        blocks = builder.lshr(builder.add(self.word["samples"], I64(LANES - 1)), I64(4))
        ends = [builder.udiv(builder.mul(p, blocks), parts) for p in (part, builder.add(part, I64(1)))]
        self.first, self.stop = ends
        self.panels = builder.lshr(builder.add(self.word["outs"], I64(LANES - 1)), I64(4))
        self.scratch = builder.add(self.word["scratch"], builder.mul(thread, self.word["scratch_thread"]))
        self.turned, self.z, self.zeros, self.sums = (
            builder.add(self.scratch, self.word[place]) for place in ("turned_at", "z_at", "zeros_at", "sums_at")
        )
        ir.store(builder, ir.ZERO, self.zeros)
        self.turn, self.pixels = Turn(builder).function, LinePixels(builder).function
        self.factors = emit_factors(builder)
        shapes = [(height, width) for width, heights in gradient.tiles for height in heights]
        self.tiles = {shape: emit_tile(builder, *shape) for shape in shapes}

    def emit(self) -> None:
        """All pieces of each block of this part."""
        builder, word = self.builder, self.word

        def one_block(block: Value, _: list[Value]) -> None:
            def some_panels(panel: Value, _: list[Value]) -> None:
                panels = ir.minimum(builder, builder.sub(self.panels, panel), word["piece_panels"])

                def some_ins(first: Value, _: list[Value]) -> None:
                    ins = ir.minimum(builder, builder.sub(word["ins"], first), word["piece_ins"])
                    self._piece(_Piece(block, first, ins, panel, panels))

                ir.counted(builder, 0, word["ins"], [], some_ins, word["piece_ins"], unroll=False)

            ir.counted(builder, 0, self.panels, [], some_panels, word["piece_panels"], unroll=False)

        ir.counted(builder, self.first, self.stop, [], one_block, unroll=False)

    def _piece(self, piece: _Piece) -> None:
        """Zero the sums, walk over all strips, transform the sums."""
        builder, word = self.builder, self.word
        down, across = (builder.lshr(builder.add(word[side], I64(1)), I64(1)) for side in ("rows", "columns"))
        size = builder.mul(ir.product(builder, piece.ins, PRODUCTS), ir.product(builder, piece.panels, ir.BYTES))

        def zero(offset: Value, _: list[Value]) -> None:
            ir.store(builder, ir.ZERO, builder.add(self.sums, offset))

        ir.counted(builder, 0, size, [], zero, ir.BYTES)

        def one_row(top: Value, _: list[Value]) -> None:
            rows = ir.minimum(builder, builder.sub(down, top), word["strip_rows"])

            def one_strip(left: Value, _: list[Value]) -> None:
                columns = ir.minimum(builder, builder.sub(across, left), word["strip_columns"])
                self._strip(piece, [top, rows, left, columns])

            ir.counted(builder, 0, across, [], one_strip, word["strip_columns"], unroll=False)

        ir.counted(builder, 0, down, [], one_row, word["strip_rows"], unroll=False)
        self._finish(piece)

    def _strip(self, piece: _Piece, strip: list[Value]) -> None:
        """Turn the cotangents of all panels, then 4 products at a time transform both sides and add to the sums."""
        builder, word = self.builder, self.word
        x = builder.add(word["x"], builder.mul(piece.block, word["x_block"]))
        x = builder.add(x, builder.mul(piece.first_in, word["x_channel"]))
        y = builder.add(word["y"], builder.mul(piece.block, word["y_block"]))
        count = builder.mul(strip[1], strip[3])

        def turned(panel: Value, _: list[Value]) -> None:
            channel = builder.shl(builder.add(piece.first_panel, panel), I64(4))
            at = builder.add(y, builder.mul(channel, word["y_channel"]))
            others = builder.sub(word["outs"], builder.add(channel, I64(1)))
            to = builder.add(self.turned, ir.product(builder, panel, PANEL))
            builder.call(self.turn, [self.args, at, others, to, *strip])

        def one_line(n: Value, _: list[Value]) -> None:
            line = ir.at(builder, self.args, builder.add(ir.product(builder, n, LINE_BYTES), I64(8 * HEADER)))
            line = builder.ptrtoint(line, I64)

            def one_panel(panel: Value, _: list[Value]) -> None:
                offset = ir.product(builder, panel, PANEL)
                builder.call(self.factors, [line, *(builder.add(at, offset) for at in (self.turned, self.z)), count])

            builder.call(self.pixels, [self.args, line, x, self.scratch, self.zeros, piece.ins, *strip])
            ir.counted(builder, 0, piece.panels, [], one_panel, unroll=False)
            self._products(piece, n, count)

        ir.counted(builder, 0, piece.panels, [], turned, unroll=False)
        ir.counted(builder, 0, I64(SIDE), [], one_line, unroll=False)

    def _products(self, piece: _Piece, line: Value, count: Value) -> None:
        """Add ``count`` tiles to the sums of a line of products."""
        builder = self.builder
        samples = builder.sub(self.word["samples"], builder.shl(piece.block, I64(4)))
        samples = ir.minimum(builder, samples, I64(LANES))
        row = ir.product(builder, piece.panels, ir.BYTES)

        def one_product(n: Value, _: list[Value]) -> None:
            v = builder.add(self.scratch, ir.product(builder, n, PIXELS))
            z = builder.add(self.z, ir.product(builder, n, COTANGENTS))
            product = builder.add(ir.product(builder, line, SIDE), n)
            sums = builder.add(self.sums, builder.mul(builder.mul(product, piece.ins), row))

            def some_panels(width: int, heights: Sequence[int], panel: Value) -> None:
                z_at = builder.add(z, ir.product(builder, panel, PANEL))
                sums_at = builder.add(sums, ir.product(builder, panel, ir.BYTES))

                def some_ins(height: int, i: Value) -> None:
                    v_at = builder.add(v, ir.product(builder, i, PITCH))
                    words = [v_at, z_at, builder.add(sums_at, builder.mul(i, row)), row, count, samples]
                    builder.call(self.tiles[height, width], words)

                self._greedy(heights, piece.ins, some_ins)

            widths = dict(self.gradient.tiles)
            self._greedy(list(widths), piece.panels, lambda width, panel: some_panels(width, widths[width], panel))

        ir.counted(builder, 0, I64(SIDE), [], one_product, unroll=False)

    def _greedy(self, sizes: Sequence[int], count: Value, body: Callable[[int, Value], None]) -> None:
        """``count`` in steps of the first of ``sizes`` as far as they fit, then of the next."""
        builder, first = self.builder, I64(0)
        for size in sizes:

            def one(i: Value, _: list[Value], size: int = size) -> list[Value]:
                body(size, i)
                return [builder.add(i, I64(size))]

            stop = builder.sub(count, I64(size - 1))
            (first,) = ir.counted(builder, first, stop, [first], one, size, unroll=False)

    def _finish(self, piece: _Piece) -> None:
        """``G' m G``: 16 sums of each pair of channels as 3 x 3 weights."""
        builder, word = self.builder, self.word
        step = ir.product(builder, piece.panels, ir.BYTES)
        product = builder.mul(piece.ins, step)

        def one_panel(panel: Value, _: list[Value]) -> None:
            n = builder.add(piece.first_panel, panel)
            mask = lanes_below(builder, builder.sub(word["outs"], builder.shl(n, I64(4))))
            made = builder.add(word["made"], builder.mul(piece.block, word["made_block"]))
            made = builder.add(made, builder.mul(n, word["made_panel"]))

            def one_channel(i: Value, _: list[Value]) -> None:
                at = builder.add(self.sums, builder.add(builder.mul(i, step), ir.product(builder, panel, ir.BYTES)))
                m = [ir.load(builder, builder.add(at, ir.product(builder, product, n))) for n in range(PRODUCTS)]
                halves = [_weights(builder, m[n::SIDE]) for n in range(SIDE)]
                for y in range(TAPS):
                    for x, value in enumerate(_weights(builder, [half[y] for half in halves])):
                        tap = builder.add(
                            ir.product(builder, word["ins"], TAPS * y + x), builder.add(piece.first_in, i)
                        )
                        store_lanes(builder, value, builder.add(made, builder.mul(tap, word["made_row"])), mask)

            ir.counted(builder, 0, piece.ins, [], one_channel, unroll=False)

        ir.counted(builder, 0, piece.panels, [], one_panel, unroll=False)


def _weights(b: Builder, m: Sequence[Value]) -> list[Value]:
    """``G' m``: four sums as three taps; the last sum comes with the other sign."""
    half = ir.real(0.5)
    ends = b.fmul(b.fadd(m[1], m[2]), half)
    return [b.fadd(m[0], ends), b.fmul(b.fsub(m[1], m[2]), half), b.fsub(ends, m[3])]


def emit_tile(builder: Builder, ins: int, panels: int) -> llvm.Function:
    """``tile(v, z, sums, row, count, samples)``: adds ``count`` tiles to the sums of some channels of both sides."""

    def body(b: Builder, v: Value, z: Value, sums: Value, row: Value, count: Value, samples: Value) -> None:
        places = [
            b.add(b.add(sums, ir.product(b, row, i)), I64(o * ir.BYTES)) for i in range(ins) for o in range(panels)
        ]

        def one_tile(values: list[Value]) -> list[Value]:
            v_at, z_at, *now = values
            _, _, *now = ir.repeated(b, samples, [v_at, z_at, *now], one_sample)
            return [b.add(v_at, I64(ir.BYTES)), b.add(z_at, I64(TILE)), *now]

        def one_sample(values: list[Value]) -> list[Value]:
            v_at, z_at, *now = values
            cotangents = [ir.load(b, ir.at(b, z_at, o * PANEL)) for o in range(panels)]
            result = []
            for i in range(ins):
                pixel = ir.broadcast(b, ir.at(b, v_at, i * PITCH))
                result += [ir.fma(b, pixel, cotangents[o], now[i * panels + o]) for o in range(panels)]
            return [b.add(v_at, I64(4)), b.add(z_at, I64(ir.BYTES)), *result]

        _, _, *end = ir.repeated(b, count, [v, z, *[ir.load(b, place) for place in places]], one_tile)
        for value, place in zip(end, places, strict=True):
            ir.store(b, value, place)

    return function(builder, f"tile_{ins}x{panels}", 6, body)
