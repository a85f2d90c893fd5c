"""The code of weight gradients of convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from llvmlite import ir as llvm

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.contract_emit import argument, function
from netspec.compiler.kernels.conv_weight import HEADER, INNER_WORDS, OUTER_WORDS, WORDS, ConvWeight
from netspec.compiler.kernels.conv_weight_tiles import WeightTiles
from netspec.compiler.kernels.ir import I64, LANES, Builder, Value
from netspec.compiler.kernels.kernel import WORDS_PER_OPERAND, Operand, Place
from netspec.compiler.kernels.streams import across_rows, lanes_below, store_lanes


def emit_conv_weight(conv: ConvWeight) -> Callable[..., None]:
    """The Python function that Numba compiles."""
    return ir.kernel_function(lambda builder, *words: Loops(conv, builder, *words).emit())


def emit_tile(builder: Builder, ins: int, outs: int, *, masked: bool) -> llvm.Function:
    """``tile(x, x_channel, x_row, x_pixel, y, y_channel, y_row, rows, pixels, sums, lanes)``: adds to the sums.

    They lie as ``[in][16][16 lanes]``; both counts are at least one. With ``masked``, ``lanes`` lanes hold samples.
    """

    def body(
        builder: Builder, x: Value, x_channel: Value, x_row: Value, x_pixel: Value, y: Value, y_channel: Value,
        y_row: Value, rows: Value, pixels: Value, sums: Value, lanes: Value,
    ) -> None:  # fmt: skip
        mask = lanes_below(builder, lanes)
        places = [ir.at(builder, sums, (i * LANES + o) * ir.BYTES) for i in range(ins) for o in range(outs)]
        start = [ir.load(builder, place) for place in places]

        def one_pixel(values: list[Value]) -> list[Value]:
            x_at, y_at, *now = values
            reads = [ir.load(builder, ir.at(builder, x_at, ir.product(builder, x_channel, i))) for i in range(ins)]
            result = []
            for o in range(outs):
                cotangent = ir.load(builder, ir.at(builder, y_at, ir.product(builder, y_channel, o)))
                if masked:
                    cotangent = builder.select(mask, cotangent, ir.ZERO)
                result += [ir.fma(builder, reads[i], cotangent, now[i * outs + o]) for i in range(ins)]
            ordered = [result[o * ins + i] for i in range(ins) for o in range(outs)]
            return [builder.add(x_at, x_pixel), builder.add(y_at, I64(ir.BYTES)), *ordered]

        def one_row(values: list[Value]) -> list[Value]:
            x_at, y_at, *now = values
            _, _, *now = ir.repeated(builder, pixels, [x_at, y_at, *now], one_pixel)
            return [builder.add(x_at, x_row), builder.add(y_at, y_row), *now]

        _, _, *end = ir.repeated(builder, rows, [x, y, *start], one_row)
        for value, place in zip(end, places, strict=True):
            ir.store(builder, value, place)

    return function(builder, f"tile_{ins}x{outs}{'_masked' if masked else ''}", 11, body)


@dataclass(frozen=True)
class Piece:
    """What a thread does at once: some input channels of a group, a panel of output channels, one outer tap."""

    first_in: Value
    ins: Value | int
    panel: Value
    outer: tuple[Value, ...]  # of each outer axis: count, bytes into x, bytes into y
    row: Value  # of the weights: of the first inner tap and the first input channel
    block: Value | None  # of 16 samples; None: all of them


@dataclass(frozen=True)
class PixelRows:
    """Rows of pixels of a block of samples, of which ``lanes`` are there (None: all)."""

    x: Value
    y: Value
    rows: Value
    lanes: Value | None


class Loops:
    """The loops around the tiles, which go tap by tap."""

    def __init__(
        self, conv: ConvWeight, builder: Builder, args: Value, part: Value, parts: Value, thread: Value
    ) -> None:
        self.conv, self.builder, self.args, self.part, self.parts = conv, builder, args, part, parts
        self.word = {name: argument(builder, args, i) for i, name in enumerate(WORDS)}
        self.sums = builder.add(self.word["sums"], builder.mul(thread, self.word["sums_thread"]))
        self.tiles = self._tiles()
        self.kinds = [*conv.extras, *[Operand() for _ in conv.results]]
        self.words = [
            [argument(builder, args, HEADER + WORDS_PER_OPERAND * i + j) for j in range(WORDS_PER_OPERAND)]
            for i in range(len(self.kinds))
        ]
        self.step = ir.load(
            builder, ir.at(builder, self.word["clock"], ir.product(builder, thread, 64)), I64, 8
        ) if any(extra.stepped for extra in conv.extras) else I64(0)  # fmt: skip

    def _tiles(self) -> dict[tuple[int, int, bool], llvm.Function]:
        """The tiles by input channels, output channels, and whether some lanes hold no sample."""
        tiles = self.conv.tiles
        assert isinstance(tiles, WeightTiles)
        self.widths = dict(tiles.shapes)
        shapes = [(ins, outs) for ins, widths in tiles.shapes for outs in widths]
        return {(*s, masked): emit_tile(self.builder, *s, masked=masked) for s in shapes for masked in (False, True)}

    def emit(self) -> None:
        """The pieces of this part, in the order panel, input channels, outer tap; or all of each block."""
        builder, word, height = self.builder, self.word, I64(self.conv.tiles.chunk)
        chunks = builder.udiv(builder.add(word["ins"], builder.sub(height, I64(1))), height)
        panels = builder.lshr(builder.add(word["outs"], I64(LANES - 1)), I64(4))
        count = builder.mul(builder.mul(panels, chunks), word["outer"])
        blocks = builder.lshr(builder.add(word["samples"], I64(LANES - 1)), I64(4))

        def one(block: Value | None, unit: Value, _: list[Value]) -> None:
            rest, outer = builder.udiv(unit, word["outer"]), builder.urem(unit, word["outer"])
            panel, chunk = builder.udiv(rest, chunks), builder.urem(rest, chunks)
            self._inputs(panel, builder.mul(chunk, height), outer, block)

        def one_block(block: Value, _: list[Value]) -> None:
            ir.counted(builder, 0, count, [], partial(one, block), unroll=False)

        if self.conv.by_block:
            ir.counted(builder, *self._share(blocks), [], one_block, unroll=False)
        else:
            ir.counted(builder, *self._share(count), [], partial(one, None), unroll=False)

    def _share(self, count: Value) -> tuple[Value, Value]:
        """Where this part of ``count`` units begins and ends."""
        b = self.builder
        begin, end = (b.udiv(b.mul(p, count), self.parts) for p in (self.part, b.add(self.part, I64(1))))
        return begin, end

    def _table(self, start: Value, row: Value, width: int) -> list[Value]:
        builder = self.builder
        place = ir.at(builder, self.args, ir.product(builder, builder.add(start, ir.product(builder, row, width)), 8))
        return [ir.load(builder, ir.at(builder, place, 8 * i), I64, 8) for i in range(width)]

    def _inputs(self, panel: Value, first: Value, outer: Value, block: Value | None) -> None:
        """The input channels of a piece: a whole tile of them, or lower ones for what is left."""
        builder, word = self.builder, self.word
        taps = tuple(self._table(word["outer_at"], outer, OUTER_WORDS))
        row = builder.mul(builder.mul(outer, word["inner"]), word["ins"])
        stop = ir.minimum(builder, builder.add(first, I64(self.conv.tiles.chunk)), word["ins"])
        self._heights(first, stop, Piece(first, 0, panel, taps, row, block))

    def _heights(self, first: Value, stop: Value, whole: Piece) -> None:
        """Tiles of each height as they fit."""
        builder = self.builder
        for height in self.widths:

            def one(i: Value, _: list[Value], height: int = height) -> list[Value]:
                self._piece(replace(whole, first_in=i, ins=height, row=builder.add(whole.row, i)))
                return [builder.add(i, I64(height))]

            end = builder.sub(stop, I64(height - 1))
            (first,) = ir.counted(builder, first, end, [first], one, height, unroll=False)

    def _piece(self, piece: Piece) -> None:
        """Zero the sums, walk over all samples and pixels, reduce the lanes, run the epilogue."""
        builder, word = self.builder, self.word
        vectors = ir.product(builder, ir.product(builder, word["inner"], piece.ins), LANES)

        def zero(n: Value, _: list[Value]) -> None:
            ir.store(builder, ir.ZERO, ir.at(builder, self.sums, ir.product(builder, n, ir.BYTES)))

        ir.counted(builder, 0, vectors, [], zero, unroll=False)
        whole = builder.lshr(word["samples"], I64(4))
        rest = builder.and_(word["samples"], I64(LANES - 1))
        first, stop = (I64(0), whole) if piece.block is None else (piece.block, builder.add(piece.block, I64(1)))
        last = builder.and_(
            builder.icmp_signed(">", rest, I64(0)),
            ir.I1(1) if piece.block is None else builder.icmp_signed("==", piece.block, whole),
        )
        ir.counted(
            builder, first, ir.minimum(builder, stop, whole), [], lambda n, _: self._block(piece, n, None), unroll=False
        )
        ir.when(builder, last, lambda: self._block(piece, whole, rest))
        self._finish(piece)

    def _block(self, piece: Piece, block: Value, lanes: Value | None) -> None:
        """All pixels of 16 samples, or of fewer in the first ``lanes``; rows that the cache holds at a time."""
        builder, word = self.builder, self.word
        planes, x_plane, y_plane, rows, x_row, y_row = piece.outer
        x = builder.add(builder.add(word["x"], builder.mul(block, word["x_block"])), builder.add(x_plane, x_row))
        y = builder.add(builder.add(word["y"], builder.mul(block, word["y_block"])), builder.add(y_plane, y_row))

        def one_plane(i: Value, _: list[Value]) -> None:
            x_at, y_at = (
                builder.add(base, builder.mul(i, word[step])) for base, step in ((x, "x_plane"), (y, "y_plane"))
            )

            def one_chunk(row: Value, _: list[Value]) -> None:
                count = ir.minimum(builder, builder.sub(rows, row), word["chunk"])
                x_now = builder.add(x_at, builder.mul(row, word["x_row"]))
                y_now = builder.add(y_at, builder.mul(row, word["y_row"]))
                self._groups(piece, PixelRows(x_now, y_now, count, lanes))

            ir.counted(builder, 0, rows, [], one_chunk, word["chunk"], unroll=False)

        ir.counted(builder, 0, planes, [], one_plane, unroll=False)

    def _groups(self, piece: Piece, pixels: PixelRows) -> None:
        """The output channels of the panel, cut where another group of input channels begins."""
        builder, word = self.builder, self.word
        size = builder.udiv(word["outs"], word["groups"])
        begin = builder.shl(piece.panel, I64(4))
        stop = ir.minimum(builder, builder.add(begin, I64(LANES)), word["outs"])
        groups = builder.add(
            builder.sub(builder.udiv(builder.sub(stop, I64(1)), size), builder.udiv(begin, size)), I64(1)
        )

        def one_group(_: Value, values: list[Value]) -> list[Value]:
            (channel,) = values
            group = builder.udiv(channel, size)
            end = ir.minimum(builder, stop, builder.mul(builder.add(group, I64(1)), size))
            first = builder.add(builder.mul(group, word["ins"]), piece.first_in)
            base = builder.add(pixels.x, builder.mul(first, word["x_channel"]))
            for width in self._widths(piece):

                def one(o: Value, _: list[Value], width: int = width) -> list[Value]:
                    at = builder.add(pixels.y, builder.mul(o, word["y_channel"]))
                    self._taps(piece, width, replace(pixels, x=base, y=at), builder.sub(o, begin))
                    return [builder.add(o, I64(width))]

                whole = builder.sub(end, I64(width - 1))
                (channel,) = ir.counted(builder, channel, whole, [channel], one, width, unroll=False)
            return [channel]

        ir.counted(builder, 0, groups, [begin], one_group, unroll=False)

    def _widths(self, piece: Piece) -> Sequence[int]:
        assert isinstance(piece.ins, int)
        return self.widths[piece.ins]

    def _taps(self, piece: Piece, width: int, chunk: PixelRows, lane: Value) -> None:
        """All taps along the last axis, of some input channels and some output channels."""
        builder, word = self.builder, self.word
        assert isinstance(piece.ins, int)
        ins = piece.ins
        tile = self.tiles[ins, width, chunk.lanes is not None]

        def one_tap(tap: Value, _: list[Value]) -> None:
            pixels, x_at, y_at = self._table(word["inner_at"], tap, INNER_WORDS)
            vector = builder.add(ir.product(builder, tap, ins * LANES), lane)
            sums = builder.add(self.sums, ir.product(builder, vector, ir.BYTES))
            words = [builder.add(chunk.x, x_at), word["x_channel"], word["x_row"], word["x_pixel"]]
            words += [builder.add(chunk.y, y_at), word["y_channel"], word["y_row"], chunk.rows, pixels, sums]
            words.append(I64(LANES) if chunk.lanes is None else chunk.lanes)
            some = builder.icmp_signed(">", pixels, I64(0))
            ir.when(builder, some, lambda: builder.call(tile, words))

        ir.counted(builder, 0, word["inner"], [], one_tap, unroll=False)

    def _finish(self, piece: Piece) -> None:
        """For each inner tap and input channel one vector: the sums over the lanes of 16 output channels."""
        builder, word = self.builder, self.word

        def one_tap(tap: Value, _: list[Value]) -> None:
            def one_channel(i: Value, _: list[Value]) -> None:
                row = builder.add(builder.add(piece.row, builder.mul(tap, word["ins"])), i)
                first = ir.product(builder, builder.add(ir.product(builder, tap, piece.ins), i), LANES * ir.BYTES)
                sums = ir.at(builder, self.sums, first)
                lanes = [ir.load(builder, ir.at(builder, sums, n * ir.BYTES)) for n in range(LANES)]
                self._vector(across_rows(builder, "sum", lanes), row, piece)

            ir.counted(builder, 0, piece.ins, [], one_channel, unroll=False)

        ir.counted(builder, 0, word["inner"], [], one_tap, unroll=False)

    def _vector(self, total: Value, row: Value, piece: Piece) -> None:
        """The epilogue of 16 output channels; what lies behind the last one may be another row's."""
        builder, inputs, places, panel = self.builder, [total], [], piece.panel
        for kind, (pointer, by_row, by_block, by_panel) in zip(self.kinds, self.words, strict=True):
            offset = builder.add(builder.mul(row, by_row), builder.mul(panel, by_panel))
            if piece.block is not None:
                offset = builder.add(offset, builder.mul(piece.block, by_block))
            places.append(builder.add(pointer, ir.product(builder, self.step, 4) if kind.stepped else offset))
        for kind, place in zip(self.conv.extras, places, strict=False):
            inputs.append((ir.broadcast if kind.spread or kind.stepped else ir.load)(builder, place))
        column = builder.shl(panel, I64(4))
        mask = lanes_below(builder, ir.minimum(builder, builder.sub(self.word["outs"], column), I64(LANES)))
        results = self.conv.epilogue.emit(builder, inputs, Place(row, column, self.word["outs"]))
        for value, place in zip(results, places[len(self.conv.extras) :], strict=True):
            store_lanes(builder, value, place, mask)
