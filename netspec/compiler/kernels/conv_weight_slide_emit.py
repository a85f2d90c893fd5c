"""The code of weight gradients by tiles that slide: all taps along the last axis at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from llvmlite import ir as llvm

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.contract_emit import function
from netspec.compiler.kernels.conv_weight import ConvWeight
from netspec.compiler.kernels.conv_weight_emit import Loops, Piece, PixelRows
from netspec.compiler.kernels.conv_weight_tiles import SlidingTiles
from netspec.compiler.kernels.ir import I64, LANES, Builder, Value
from netspec.compiler.kernels.streams import lanes_below


def emit_sliding(conv: ConvWeight) -> Callable[..., None]:
    """The Python function that Numba compiles."""
    return ir.kernel_function(lambda builder, *words: _Sliding(conv, builder, *words).emit())


class _Tile:
    """``tile(x, x_row, y, y_channel, y_row, rows, middle, sums, tap, lanes)``: adds to the sums of one input channel.

    ``sums`` is the place of the first tap, ``tap`` the bytes to the next; output channels follow one another. Windows
    at the edges, which meet some taps only, are written out, so nothing is multiplied by padding. With ``masked``,
    ``lanes`` lanes hold samples.
    """

    def __init__(self, builder: Builder, tiles: SlidingTiles, outs: int, *, masked: bool) -> None:
        self.tiles, self.outs, self.masked = tiles, outs, masked
        self.function = function(builder, f"slide_{tiles.extent}x{outs}{'_masked' if masked else ''}", 10, self._body)

    def _body(
        self, b: Builder, x: Value, x_row: Value, y: Value, y_channel: Value, y_row: Value, rows: Value,
        middle: Value, sums: Value, tap: Value, lanes: Value,
    ) -> None:  # fmt: skip
        tiles, self.y_channel, self.mask = self.tiles, y_channel, lanes_below(b, lanes)
        starts = [b.add(sums, ir.product(b, tap, t)) for t in range(tiles.extent)]
        places = [ir.at(b, start, o * ir.BYTES) for start in starts for o in range(self.outs)]

        def one_row(values: list[Value]) -> list[Value]:
            x_at, y_at, *now = values
            for p in range(tiles.before):
                now = self._pixel(b, _on(b, x_at, p - tiles.before), _on(b, y_at, p), now,
                                  range(tiles.before - p, tiles.extent))  # fmt: skip

            def some_pixels(values: list[Value]) -> list[Value]:
                x_now, y_now, *now = values
                for p in range(tiles.step):
                    now = self._pixel(b, _on(b, x_now, p), _on(b, y_now, p), now, range(tiles.extent))
                return [_on(b, x_now, tiles.step), _on(b, y_now, tiles.step), *now]

            steps = b.udiv(middle, I64(tiles.step))
            x_end, y_end, *now = ir.repeated(b, steps, [x_at, _on(b, y_at, tiles.before), *now], some_pixels)
            for p in range(tiles.after):
                now = self._pixel(b, _on(b, x_end, p), _on(b, y_end, p), now,
                                  range(tiles.extent - 1 - p))  # fmt: skip
            return [b.add(x_at, x_row), b.add(y_at, y_row), *now]

        _, _, *end = ir.repeated(b, rows, [x, y, *(ir.load(b, place) for place in places)], one_row)
        for value, place in zip(end, places, strict=True):
            ir.store(b, value, place)

    def _pixel(self, b: Builder, x: Value, y: Value, sums: Sequence[Value], taps: range) -> list[Value]:
        """What one pixel adds: the cotangent at ``y`` times what each of these taps reads, the first one at ``x``."""
        reads = {t: ir.load(b, ir.at(b, x, t * ir.BYTES)) for t in taps}
        result = list(sums)
        for o in range(self.outs):
            cotangent = ir.load(b, ir.at(b, y, ir.product(b, self.y_channel, o)))
            if self.masked:
                cotangent = b.select(self.mask, cotangent, ir.ZERO)
            for t, read in reads.items():
                result[t * self.outs + o] = ir.fma(b, read, cotangent, result[t * self.outs + o])
        return result


def _on(b: Builder, place: Value, pixels: int) -> Value:
    """So many pixels further on."""
    return b.add(place, I64(pixels * ir.BYTES))


class _Sliding(Loops):
    """The loops around the tiles; a piece has as many input channels as wait together, or are left."""

    def _tiles(self) -> dict[tuple[int, int, bool], llvm.Function]:
        tiles = self.conv.tiles
        assert isinstance(tiles, SlidingTiles)
        self.sliding = tiles
        return {
            (1, outs, masked): _Tile(self.builder, tiles, outs, masked=masked).function
            for outs in tiles.widths
            for masked in (False, True)
        }

    def _heights(self, first: Value, stop: Value, whole: Piece) -> None:
        row = self.builder.add(whole.row, first)
        self._piece(replace(whole, first_in=first, ins=self.builder.sub(stop, first), row=row))

    def _widths(self, piece: Piece) -> Sequence[int]:
        return self.sliding.widths

    def _taps(self, piece: Piece, width: int, chunk: PixelRows, lane: Value) -> None:
        b, word = self.builder, self.word
        tile = self.tiles[1, width, chunk.lanes is not None]
        tap = ir.product(b, piece.ins, LANES * ir.BYTES)

        def one_channel(i: Value, _: list[Value]) -> None:
            vector = b.add(ir.product(b, i, LANES), lane)
            x = b.add(chunk.x, b.mul(i, word["x_channel"]))
            words = [x, word["x_row"], chunk.y, word["y_channel"], word["y_row"], chunk.rows, word["middle"]]
            words += [b.add(self.sums, ir.product(b, vector, ir.BYTES)), tap]
            words.append(I64(LANES) if chunk.lanes is None else chunk.lanes)
            b.call(tile, words)

        ir.counted(b, 0, piece.ins, [], one_channel, unroll=False)
