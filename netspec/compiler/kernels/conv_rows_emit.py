"""The code of convolutions over rows: loops over sets of channels and segments of pixels; register tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from llvmlite import ir as llvm

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.contract_emit import argument, function
from netspec.compiler.kernels.conv_rows import HEADER, ITEM, VECTOR, WORDS, WORDS_OF_SEGMENT, RowsConv
from netspec.compiler.kernels.epilogue_emit import EpilogueWords
from netspec.compiler.kernels.ir import I64, LANES, Builder, Value
from netspec.compiler.kernels.kernel import Place as Element
from netspec.compiler.kernels.streams import lanes_below, store_lanes


def emit_conv_rows(conv: RowsConv) -> Callable[..., None]:
    """The Python function that Numba compiles."""
    return ir.kernel_function(lambda builder, *words: _Loops(conv, builder, *words).emit())


class RowTile:
    """``tile(args, thread, x, w, advance, depth, counts..., sample, channel, left, pixel, step)``.

    The sums of ``pixels x vectors`` in registers; the epilogue, the stores. ``x`` and ``w`` are the addresses of the
    first tap; ``channel`` counts over all groups, ``left`` to the end of its own.

    Taps are loops: written out, LLVM loads what the next ones read so early that sums spill (a tile of 13 x 2 then has
    45 to 80 GFLOP/s of the 140 it has).
    """

    def __init__(self, conv: RowsConv, builder: Builder, pixels: int, vectors: int) -> None:
        self.conv, self.pixels, self.vectors = conv, pixels, vectors
        self.function = function(builder, f"tile_{pixels}x{vectors}", 11 + conv.axes, self._body)

    def _body(self, b: Builder, args: Value, thread: Value, *words: Value) -> None:
        conv = self.conv
        x, w, self.advance, depth = words[:4]
        self.counts = words[4 : 4 + conv.axes]
        sample, channel, left, pixel, step = words[4 + conv.axes :]
        word = {name: partial(argument, b, args, i) for i, name in enumerate(WORDS)}
        self.w_panel = word["w_panel"]()
        w_in = word["w_in"]()
        self.steps = [tuple(argument(b, args, HEADER + 2 * i + j) for j in range(2)) for i in range(conv.axes)]

        def one(_: Value, values: list[Value]) -> list[Value]:
            x_at, w_at, *sums = values
            sums = self._axis(b, 0, x_at, w_at, sums)
            return [b.add(x_at, I64(ITEM)), b.add(w_at, w_in), *sums]

        start = [ir.ZERO] * (self.pixels * self.vectors)
        sums = ir.counted(b, 0, depth, [x, w, *start], one, unroll=False)[2:]
        epilogue = RowsEpilogue(conv, b, args, thread, HEADER + 2 * conv.axes, WORDS.index("clock"))
        for v in range(self.vectors):
            mask = None if conv.whole else lanes_below(b, b.sub(left, I64(v * LANES)))
            places = epilogue.places(b, sample, b.add(channel, I64(v * LANES)))
            for p in range(self.pixels):
                at = b.add(pixel, ir.product(b, step, p))
                epilogue.vector(b, sums[v * self.pixels + p], places, at, mask)

    def _axis(self, b: Builder, axis: int, x: Value, w: Value, sums: list[Value]) -> list[Value]:
        """All taps of the axes from `axis` on."""
        if axis == len(self.steps):
            return self._tap(b, x, w, sums)
        x_step, w_step = self.steps[axis]

        def one(_: Value, values: list[Value]) -> list[Value]:
            x_at, w_at, *now = values
            now = self._axis(b, axis + 1, x_at, w_at, now)
            return [b.add(x_at, x_step), b.add(w_at, w_step), *now]

        return ir.counted(b, 0, self.counts[axis], [x, w, *sums], one, unroll=False)[2:]

    def _tap(self, b: Builder, x: Value, w: Value, sums: Sequence[Value]) -> list[Value]:
        """One multiply-add for each vector of the tile."""
        weights = [ir.load(b, ir.at(b, w, ir.product(b, self.w_panel, v))) for v in range(self.vectors)]
        result = list(sums)
        for p in range(self.pixels):
            place = ir.at(b, x, ir.product(b, self.advance, p))
            spread = None if self.conv.own else ir.broadcast(b, place)
            for v, weight in enumerate(weights):
                read = ir.load(b, ir.at(b, place, v * VECTOR)) if spread is None else spread
                n = v * self.pixels + p
                result[n] = ir.fma(b, weight, read, sums[n])
        return result


class RowsEpilogue(EpilogueWords):
    """Loads the extras of a vector of sums, runs the body, stores the results."""

    def places(self, b: Builder, sample: Value, channel: Value) -> list[tuple[Value, Value]]:
        """The addresses of the extras and the results at pixel 0 of a channel, and bytes from a pixel to the next."""
        found = []
        for kind, (pointer, by_sample, by_pixel) in zip(self.kinds, self.words, strict=True):
            if kind.stepped:
                found.append((b.add(pointer, ir.product(b, self.step, ITEM)), by_pixel))
            elif kind.spread:
                found.append((pointer, by_pixel))
            else:
                offset = b.add(b.mul(sample, by_sample), b.shl(channel, I64(2)))
                found.append((b.add(pointer, offset), by_pixel))
        return found

    def vector(
        self, b: Builder, total: Value, places: Sequence[tuple[Value, Value]], pixel: Value, mask: Value | None
    ) -> None:
        """The epilogue of the vector at `pixel`; only the lanes of `mask` are written, for others are other pixels'."""
        inputs, count = [total], len(self.ended.extras)
        for kind, (place, by_pixel) in zip(self.ended.extras, places, strict=False):
            if kind.spread or kind.stepped:
                inputs.append(ir.broadcast(b, place))
            else:
                inputs.append(ir.load(b, ir.at(b, place, b.mul(pixel, by_pixel))))
        results = self.ended.epilogue.emit(b, inputs, Element(I64(0), I64(0), I64(0)))
        for value, (place, by_pixel) in zip(results, places[count:], strict=True):
            to = b.add(place, b.mul(pixel, by_pixel))
            if mask is None:
                ir.store(b, value, to)
            else:
                store_lanes(b, value, to, mask)


class _Loops:
    """The loops around the tiles: a unit is one segment of pixels by one set of channels of one sample."""

    def __init__(self, conv: RowsConv, builder: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        self.conv, self.b, self.args, self.thread = conv, builder, args, thread
        b = builder
        self.word = word = {name: argument(b, args, i) for i, name in enumerate(WORDS)}
        units = b.mul(b.mul(word["samples"], word["groups"]), b.mul(word["sets"], word["segments"]))
        self.first, self.stop = (b.udiv(b.mul(p, units), parts) for p in (part, b.add(part, I64(1))))
        self.tiles: dict[tuple[int, int], llvm.Function] = {
            (pixels, vectors): RowTile(conv, b, pixels, vectors).function
            for vectors in sorted({conv.tiles.vectors, conv.tiles.rest} - {0})
            for pixels in conv.tiles.widths
        }

    def emit(self) -> None:
        ir.counted(self.b, self.first, self.stop, [], self._unit, unroll=False)

    def _unit(self, unit: Value, _: list[Value]) -> None:
        b, word, tiles = self.b, self.word, self.conv.tiles
        rest, segment = b.udiv(unit, word["segments"]), b.urem(unit, word["segments"])
        rest, of_channels = b.udiv(rest, word["sets"]), b.urem(rest, word["sets"])
        sample, group = b.udiv(rest, word["groups"]), b.urem(rest, word["groups"])
        width = WORDS_OF_SEGMENT + self.conv.axes
        place = ir.at(b, self.args, ir.product(b, b.add(word["segments_at"], ir.product(b, segment, width)), 8))
        length, pixel, step, x_at, advance, w_at, *counts = (
            ir.load(b, ir.at(b, place, 8 * i), I64, 8) for i in range(width)
        )
        panel = ir.product(b, of_channels, tiles.vectors)
        channel = b.shl(panel, I64(4))
        x = b.add(b.add(word["x"], b.mul(sample, word["x_sample"])), b.add(b.mul(group, word["x_group"]), x_at))
        if self.conv.own:
            x = b.add(x, b.shl(channel, I64(2)))
        w = b.add(b.add(word["w"], b.mul(group, word["w_group"])), b.add(b.mul(panel, word["w_panel"]), w_at))
        depth = word["ins"]
        for count in counts:  # windows that meet nothing have no depth, but their epilogue
            depth = b.select(b.icmp_signed("==", count, I64(0)), I64(0), depth)
        run = _Run(length, [x, w, advance, depth, *counts], step, pixel)
        last = [sample, b.add(b.mul(group, word["outs"]), channel), b.sub(word["outs"], channel)]
        if not tiles.rest:
            self._pixels(tiles.vectors, run, last)
            return
        whole = b.icmp_signed("<", of_channels, b.sub(word["sets"], I64(1)))

        def of(vectors: int) -> Callable[[], list[Value]]:
            def emit() -> list[Value]:
                self._pixels(vectors, run, last)
                return []

            return emit

        ir.branch(b, whole, of(tiles.vectors), of(tiles.rest))

    def _pixels(self, vectors: int, run: _Run, last: Sequence[Value]) -> None:
        """All pixels of a segment by so many vectors of channels."""
        b = self.b
        n: Value = I64(0)

        def tile(width: int, n: Value, _: list[Value]) -> list[Value]:
            x, w, advance, *others = run.words
            words = [b.add(x, b.mul(n, advance)), w, advance, *others, *last]
            words += [b.add(run.pixel, b.mul(n, run.step)), run.step]
            b.call(self.tiles[width, vectors], [self.args, self.thread, *words])
            return [b.add(n, I64(width))]

        for width in self.conv.tiles.widths:
            stop = b.sub(run.length, I64(width - 1))
            (n,) = ir.counted(b, n, stop, [n], partial(tile, width), width, unroll=False)


@dataclass(frozen=True)
class _Run:
    """A segment while its tiles are called; ``words`` are what the first of them is called with."""

    length: Value
    words: Sequence[Value]
    step: Value
    pixel: Value
