"""The code of convolutions: loops over blocks, rows of pixels, tiles of channels and runs of pixels; register tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from llvmlite import ir as llvm

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.contract_emit import argument, function
from netspec.compiler.kernels.conv import HEADER, INLINE_COST, WORDS, Conv
from netspec.compiler.kernels.conv_tiles import WholeRow
from netspec.compiler.kernels.epilogue_emit import EpilogueWords
from netspec.compiler.kernels.ir import I64, LANES, Builder, Value
from netspec.compiler.kernels.kernel import Place as Element
from netspec.compiler.kernels.windows import WORDS_OF_RUN

BEGINS, ENDS = 1, 2  # stages of the sums: of the first block of input channels, of the last


def emit_conv(conv: Conv) -> Callable[..., None]:
    """The Python function that Numba compiles."""
    return ir.kernel_function(lambda builder, *words: _Loops(conv, builder, *words).emit())


class _Tile:
    """``tile(args, thread, x, w, x_pixel, depth, counts..., block, channel, pixel, pixel_step, partial, stage)``.

    The sums of ``channels x pixels`` vectors in registers, of ``taps`` taps along the last axis; the epilogue, the
    stores. ``x`` and ``w`` are the addresses of the first tap; ``channel`` counts over all groups. Between two blocks
    of input channels the sums wait at ``partial``: `BEGINS` and `ENDS` in ``stage`` say which block this is.
    """

    def __init__(self, conv: Conv, builder: Builder, channels: int, pixels: int, taps: int) -> None:
        self.conv, self.channels, self.pixels, self.taps = conv, channels, pixels, taps
        words = 6 + len(conv.extents) + 5
        self.function = function(builder, f"tile_{channels}x{pixels}x{taps}", words, self._body)

    def _body(self, builder: Builder, args: Value, thread: Value, *words: Value) -> None:
        conv, self.args, self.thread = self.conv, args, thread
        x, w, self.x_pixel, depth = words[:4]
        self.counts = words[4 : 3 + len(conv.extents)]
        block, channel, pixel, pixel_step, partial_at, stage = words[3 + len(conv.extents) :]
        word = {name: partial(argument, builder, args, i) for i, name in enumerate(WORDS)}
        self.x_channel, self.w_in = word["x_channel"](), word["w_in"]()
        self.steps = [
            (argument(builder, args, HEADER + 2 * i), argument(builder, args, HEADER + 2 * i + 1))
            for i in range(len(conv.extents))
        ]

        def waiting() -> list[Value]:
            """Where each sum waits."""
            rows = [
                builder.add(partial_at, ir.product(builder, word["partial_channel"](), c)) for c in range(self.channels)
            ]
            step = builder.shl(pixel_step, I64(6))
            return [ir.at(builder, row, ir.product(builder, step, p)) for row in rows for p in range(self.pixels)]

        def one(_: Value, values: list[Value]) -> list[Value]:
            x_at, w_at, *sums = values
            sums = self._axis(builder, 0, x_at, w_at, sums)
            return [builder.add(x_at, self.x_channel), builder.add(w_at, self.w_in), *sums]

        start = ir.branch(
            builder,
            builder.trunc(stage, ir.I1),
            lambda: [ir.ZERO] * (self.channels * self.pixels),
            lambda: [ir.load(builder, place) for place in waiting()],
        )
        sums = ir.counted(builder, 0, depth, [x, w, *start], one, unroll=False)[2:]

        def kept() -> list[Value]:
            for place, value in zip(waiting(), sums, strict=True):
                ir.store(builder, value, place)
            return []

        def finished() -> list[Value]:
            self._finish(builder, sums, block, channel, pixel, pixel_step)
            return []

        ir.branch(builder, builder.icmp_signed(">=", stage, I64(ENDS)), finished, kept)

    def _axis(self, builder: Builder, axis: int, x: Value, w: Value, sums: list[Value]) -> list[Value]:
        """All taps of the axes from `axis` on: loops, but for the last, which is written out."""
        x_step, w_step = self.steps[axis]
        if axis < len(self.steps) - 1:

            def one(_: Value, values: list[Value]) -> list[Value]:
                x_at, w_at, *now = values
                now = self._axis(builder, axis + 1, x_at, w_at, now)
                return [builder.add(x_at, x_step), builder.add(w_at, w_step), *now]

            return ir.counted(builder, 0, self.counts[axis], [x, w, *sums], one, unroll=False)[2:]
        return self._last_axis(builder, x, w, sums)

    def _last_axis(self, builder: Builder, x: Value, w: Value, sums: list[Value]) -> list[Value]:
        x_step, w_step = self.steps[-1]
        now, x_at, w_at = sums, x, w
        for tap in range(self.taps):
            now = self._tap(builder, x_at, w_at, now)
            if tap < self.taps - 1:
                x_at, w_at = builder.add(x_at, x_step), builder.add(w_at, w_step)
        return now

    def _tap(self, builder: Builder, x: Value, w: Value, sums: Sequence[Value]) -> list[Value]:
        """One multiply-add for each vector of the tile."""
        pixels = [ir.load(builder, ir.at(builder, x, ir.product(builder, self.x_pixel, p))) for p in range(self.pixels)]
        result = []
        for c in range(self.channels):
            weight = ir.broadcast(builder, ir.at(builder, w, 4 * c))
            result += [ir.fma(builder, weight, pixels[p], sums[c * self.pixels + p]) for p in range(self.pixels)]
        return result

    def _finish(
        self, builder: Builder, sums: Sequence[Value], block: Value, channel: Value, pixel: Value, pixel_step: Value
    ) -> None:
        first = HEADER + 2 * len(self.conv.extents)
        epilogue = Epilogue(self.conv, builder, self.args, self.thread, first, WORDS.index("clock"))
        if self.conv.epilogue.cost < INLINE_COST:
            for c in range(self.channels):
                places = epilogue.places(builder, block, builder.add(channel, I64(c)))
                for p in range(self.pixels):
                    at = builder.add(pixel, ir.product(builder, pixel_step, p))
                    epilogue.vector(builder, sums[c * self.pixels + p], places, at)
            return
        with builder.goto_entry_block():
            space = builder.alloca(ir.VEC, size=I64(len(sums)))
            space.align = 64
            buffer = builder.ptrtoint(space, I64)
        for n, value in enumerate(sums):
            ir.store(builder, value, ir.at(builder, buffer, n * ir.BYTES))

        def one_channel(c: Value, _: list[Value]) -> None:
            places = epilogue.places(builder, block, builder.add(channel, c))

            def one_pixel(p: Value, _: list[Value]) -> None:
                n = builder.add(ir.product(builder, c, self.pixels), p)
                value = ir.load(builder, ir.at(builder, buffer, ir.product(builder, n, ir.BYTES)))
                epilogue.vector(builder, value, places, builder.add(pixel, builder.mul(pixel_step, p)))

            ir.counted(builder, 0, self.pixels, [], one_pixel, unroll=False)

        ir.counted(builder, 0, self.channels, [], one_channel, unroll=False)


class _RowTile(_Tile):
    """A tile of all pixels of a row, each with the taps that it meets."""

    def __init__(self, conv: Conv, builder: Builder, row: WholeRow, channels: int) -> None:
        self.row = row
        super().__init__(conv, builder, channels, len(row.places), row.taps)

    def _last_axis(self, builder: Builder, x: Value, w: Value, sums: list[Value]) -> list[Value]:
        """Every position is read once, for all pixels that it is a part of."""
        _, w_step = self.steps[-1]
        taps = [ir.at(builder, w, ir.product(builder, w_step, tap)) for tap in range(self.taps)]
        weights = [[ir.broadcast(builder, ir.at(builder, tap, 4 * c)) for c in range(self.channels)] for tap in taps]
        result = list(sums)
        for position, readers in self.row.reads:
            value = ir.load(builder, ir.at(builder, x, position * ir.BYTES))
            for pixel, tap in readers:
                for c in range(self.channels):
                    n = c * self.pixels + pixel
                    result[n] = ir.fma(builder, weights[tap][c], value, result[n])
        return result


class Epilogue(EpilogueWords):
    """Loads the extras of a vector of sums, runs the body, stores the results."""

    def places(self, builder: Builder, block: Value, channel: Value) -> list[Value]:
        """The addresses of the extras and the results at pixel 0 of a channel."""
        found = []
        for kind, (pointer, by_block, by_channel) in zip(self.kinds, self.words, strict=True):
            if kind.stepped:
                found.append(builder.add(pointer, ir.product(builder, self.step, 4)))
            else:
                offset = builder.add(builder.mul(block, by_block), builder.mul(channel, by_channel))
                found.append(builder.add(pointer, offset))
        return found

    def vector(self, builder: Builder, total: Value, places: Sequence[Value], pixel: Value) -> None:
        """The epilogue of the vector at `pixel`."""
        offset = ir.product(builder, pixel, ir.BYTES)
        inputs = [total]
        count = len(self.ended.extras)
        for kind, place in zip(self.ended.extras, places, strict=False):
            if kind.spread or kind.stepped:
                inputs.append(ir.broadcast(builder, place))
            else:
                inputs.append(ir.load(builder, ir.at(builder, place, offset)))
        results = self.ended.epilogue.emit(builder, inputs, Element(I64(0), I64(0), I64(0)))
        for value, place in zip(results, places[count:], strict=True):
            ir.store(builder, value, ir.at(builder, place, offset))


class _Loops:
    """The loops around the tiles."""

    def __init__(self, conv: Conv, builder: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        self.conv, self.builder, self.args, self.thread = conv, builder, args, thread
        self.word = {name: argument(builder, args, i) for i, name in enumerate(WORDS)}
        ends = [builder.udiv(builder.mul(p, self.word["blocks"]), parts) for p in (part, builder.add(part, I64(1)))]
        self.first, self.stop = ends
        row = conv.tiles.row
        self.tiles: dict[tuple[int, int, int], llvm.Function] = {
            (height, width, taps): (
                _Tile(conv, builder, height, width, taps) if row is None else _RowTile(conv, builder, row, height)
            ).function
            for height, widths in conv.tiles.widths
            for width, counts in widths
            for taps in counts
        }

    def emit(self) -> None:
        builder, word = self.builder, self.word

        def one_block(block: Value, _: list[Value]) -> None:
            def one_group(group: Value, _: list[Value]) -> None:
                channel = builder.mul(group, builder.mul(word["ins"], word["x_channel"]))
                x = builder.add(word["x"], builder.add(builder.mul(block, word["x_block"]), channel))
                ir.counted(builder, 0, word["rows"], [], partial(self._row, block, group, x), unroll=False)

            ir.counted(builder, 0, word["groups"], [], one_group, unroll=False)

        ir.counted(builder, self.first, self.stop, [], one_block, unroll=False)

    def _table(self, start: Value, row: Value, width: int) -> list[Value]:
        builder = self.builder
        place = ir.at(builder, self.args, ir.product(builder, builder.add(start, ir.product(builder, row, width)), 8))
        return [ir.load(builder, ir.at(builder, place, 8 * i), I64, 8) for i in range(width)]

    def _row(self, block: Value, group: Value, x: Value, row: Value, _: list[Value]) -> None:
        """All channels of one outer position, one block of input channels after the other."""
        builder, word = self.builder, self.word
        pixel, x_at, w_at, *counts = self._table(word["rows_at"], row, 2 + len(self.conv.extents))
        x, w = builder.add(x, x_at), builder.add(word["w"], w_at)
        nothing = I64(0)
        ins = word["ins"]
        for count in counts:  # a row of windows that meet nothing has no depth, but its epilogue
            ins = builder.select(builder.icmp_signed("==", count, nothing), nothing, ins)

        def one_block(first: Value, _: list[Value]) -> None:
            depth = ir.minimum(builder, builder.sub(word["ins"], first), word["ins_block"])
            begins = builder.icmp_signed("==", first, nothing)
            ends = builder.icmp_signed("==", builder.add(first, depth), word["ins"])
            stage = builder.add(builder.select(begins, I64(BEGINS), nothing), builder.select(ends, I64(ENDS), nothing))
            depth = builder.select(builder.icmp_signed("==", ins, nothing), nothing, depth)
            x_now = builder.add(x, builder.mul(first, word["x_channel"]))
            w_now = builder.add(w, builder.mul(first, word["w_in"]))
            self._channels(_Row(block, group, pixel, x_now, w_now, depth, tuple(counts), stage))

        ir.counted(builder, 0, word["ins"], [], one_block, word["ins_block"], unroll=False)

    def _channels(self, row: _Row) -> None:
        """Panel by panel, the tiles of each."""
        builder, outs, tiles = self.builder, self.word["outs"], self.conv.tiles
        if not (tiles.panel or tiles.rest):
            self._anywhere(row)
            return

        def one_panel(_: Value, values: list[Value]) -> list[Value]:
            return [self._tiles(tiles.panel, values[0], row)]

        channel: Value = I64(0)
        if tiles.panel:
            (channel,) = ir.counted(builder, 0, builder.lshr(outs, I64(4)), [channel], one_panel, unroll=False)
        self._tiles(tiles.rest, channel, row)

    def _tiles(self, heights: tuple[int, ...], channel: Value, row: _Row) -> Value:
        """Tiles of these heights one after the other; the channel behind them."""
        builder = self.builder
        for height, equal in groupby(heights):
            count = len(tuple(equal))

            def one(c: Value, _: list[Value], height: int = height) -> None:
                self._runs(height, c, row)

            end = builder.add(channel, I64(height * count))
            ir.counted(builder, channel, end, [], one, height, unroll=False)
            channel = end
        return channel

    def _anywhere(self, row: _Row) -> None:
        """Of a group that begins anywhere in a panel: tiles as they fit, tallest first, to its end or the panel's."""
        builder, outs = self.builder, self.word["outs"]
        base = builder.mul(row.group, outs)

        def one_panel(_: Value, values: list[Value]) -> list[Value]:
            (channel,) = values
            column = builder.and_(builder.add(base, channel), I64(LANES - 1))
            left = ir.minimum(builder, builder.sub(outs, channel), builder.sub(I64(LANES), column))
            stop = builder.add(channel, left)
            for height, _ in self.conv.tiles.widths:
                channel = self._while(channel, stop, height, row)
            return [channel]

        # From column c of a panel on, n channels lie in (c + n - 1) / 16 + 1 panels.
        reach = builder.add(builder.and_(base, I64(LANES - 1)), builder.sub(outs, I64(1)))
        panels = builder.add(builder.lshr(reach, I64(4)), I64(1))
        ir.counted(builder, 0, panels, [I64(0)], one_panel, unroll=False)

    def _while(self, channel: Value, stop: Value, height: int, row: _Row) -> Value:
        builder = self.builder
        whole = builder.sub(stop, I64(height - 1))

        def one(c: Value, _: list[Value]) -> list[Value]:
            self._runs(height, c, row)
            return [builder.add(c, I64(height))]

        (last,) = ir.counted(builder, channel, whole, [channel], one, height, unroll=False)
        return last

    def _runs(self, height: int, channel: Value, row: _Row) -> None:
        """One tile of channels over all pixels of a row."""
        builder, word = self.builder, self.word
        output = builder.add(builder.mul(row.group, word["outs"]), channel)
        panel = builder.mul(builder.lshr(output, I64(4)), word["w_panel"])
        w = builder.add(builder.add(row.w, panel), builder.shl(builder.and_(output, I64(LANES - 1)), I64(2)))
        scratch = builder.add(word["partial"], builder.mul(self.thread, word["partial_thread"]))
        waiting = builder.add(scratch, builder.mul(channel, word["partial_channel"]))
        if self.conv.tiles.row is not None:
            words = [row.x, w, I64(0), row.depth, *row.counts, row.block, output, row.pixel, I64(1), waiting, row.stage]
            builder.call(self.tiles[height, len(self.conv.tiles.row.places), 0], [self.args, self.thread, *words])
            return

        def one_run(i: Value, _: list[Value]) -> None:
            length, start, step, count, x_at, advance, w_at = self._table(word["runs_at"], i, WORDS_OF_RUN)
            depth = builder.select(builder.icmp_signed("==", count, I64(0)), I64(0), row.depth)
            first, weights = builder.add(row.x, x_at), builder.add(w, w_at)

            def pixels(width: int, taps: int, n: Value, _: list[Value]) -> list[Value]:
                column = builder.add(start, builder.mul(n, step))
                words = [builder.add(first, builder.mul(n, advance)), weights, advance, depth, *row.counts]
                words += [row.block, output, builder.add(row.pixel, column), step]
                words += [builder.add(waiting, builder.shl(column, I64(6))), row.stage]
                builder.call(self.tiles[height, width, taps], [self.args, self.thread, *words])
                return [builder.add(n, I64(width))]

            n: Value = I64(0)
            met = builder.select(builder.icmp_signed("==", count, I64(0)), I64(1), count)
            for width, counts in dict(self.conv.tiles.widths)[height]:
                for taps in counts:
                    stop = builder.sub(length, I64(width - 1))
                    if len(counts) > 1:
                        stop = builder.select(builder.icmp_signed("==", met, I64(taps)), stop, n)
                    (n,) = ir.counted(builder, n, stop, [n], partial(pixels, width, taps), width, unroll=False)

        ir.counted(builder, 0, word["runs"], [], one_run, unroll=False)


@dataclass(frozen=True)
class _Row:
    """One row of pixels and one block of input channels: addresses of the first tap, and how many taps there are."""

    block: Value
    group: Value
    pixel: Value
    x: Value
    w: Value
    depth: Value
    counts: tuple[Value, ...]
    stage: Value
