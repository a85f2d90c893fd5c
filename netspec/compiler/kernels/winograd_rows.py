"""Convolutions of 3 x 3 by minimal filtering (`winograd`) with 16 channels in the lanes, for few samples in rows.

Tensors lie as for `conv_rows`, ``[sample][pixel][channel]``. Tiles of 2 x 2 results are counted through each sample; a
strip of them goes by at a time. Its pixels are transformed into scratch memory, ``[16][tile][in]``; a register tile
holds some tiles by some vectors of output channels for one of the 16 products. Each element is the same chain of
operations as with samples in the lanes, so that a sample has the same bits in either form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from netspec.compiler.kernels.conv_rows import ITEM, VECTOR, RowTiles, choose_row_tiles
from netspec.compiler.kernels.kernel import UNIT, Body, Ended, Kernel, Operand, Result, operand_words
from netspec.compiler.kernels.processor import Tile
from netspec.compiler.kernels.winograd import PRODUCTS

WORDS = (
    *("x", "x_sample", "x_pixel", "u", "u_panel", "samples", "ins", "outs", "clock", "scratch", "scratch_thread"),
    *("read_rows", "read_columns", "before_rows", "before_columns", "rows", "columns"),
    *("tiles", "strips", "pitch", "product", "zeros_at", "products_at"),
)
HEADER = len(WORDS)
STRIP_BYTES = 512 << 10  # what the transformed pixels of a strip may take of the second-level cache


@dataclass(frozen=True)
class RowsWinograd(Ended):
    """The static description: all that the code depends on. ``whole``: channels fill their vectors."""

    tiles: RowTiles
    whole: bool

    @property
    def text(self) -> str:
        """Canonical, the key of the object cache."""
        kind = "winograd rows whole" if self.whole else "winograd rows"
        return f"{kind} {self.tiles.text} {self.ending}"


def strips_of(rows: int, columns: int, ins: int) -> int:
    """Strips of a sample of ``rows`` by ``columns`` results: few, as each reads all weights, but two at least."""
    tiles = tile_count(rows, columns)
    return min(tiles, max(2, -(-tiles * PRODUCTS * _pitch(ins) // STRIP_BYTES)))


def tile_count(rows: int, columns: int) -> int:
    """Tiles of a sample."""
    return -(-rows // 2) * -(-columns // 2)


def row_tiles_of(tile: Tile, outs: int, tiles: int, strips: int) -> RowTiles:
    """The register tiles for strips of all lengths there are."""
    return choose_row_tiles(tile, outs, tuple(sorted({(tiles // strips, 1), (-(-tiles // strips), 1)})))


def winograd_rows_kernel(
    tiles: RowTiles, outs: int, extras: tuple[Operand, ...], results: tuple[Result, ...], epilogue: Body
) -> Kernel:
    """The kernel of a convolution to ``outs`` channels; split on strips of samples."""
    winograd = RowsWinograd(tiles, outs % UNIT == 0, extras=extras, results=results, epilogue=epilogue)

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.winograd_rows_emit import emit_winograd_rows

        return emit_winograd_rows(winograd)

    return Kernel("conv2d_3_winograd_rows", winograd.text, build)


def winograd_rows_words(
    x: Sequence[int],
    u: int,
    samples: int,
    ins: int,
    outs: int,
    clock: int,
    scratch: Sequence[int],
    read: Sequence[int],
    before: Sequence[int],
    written: Sequence[int],
    extras: Sequence[Sequence[int]] = (),
    results: Sequence[Sequence[int]] = (),
) -> list[int]:
    """The argument words; ``x`` is ``(pointer, bytes from a sample to the next)``, channels follow one another.

    ``read`` and ``written`` are the rows and columns of pixels, ``before`` the padding in front of them. Operands are
    ``(pointer, sample, pixel, 0)``. ``scratch`` is an address of `scratch_bytes` for each thread, and the bytes from
    one thread's to the next's.

    Raises:
        ValueError: if an operand has not four words.
    """
    operands = operand_words((*extras, *results))
    rows, columns = written
    tiles, strips = tile_count(rows, columns), strips_of(rows, columns, ins)
    product = -(-tiles // strips) * _pitch(ins)
    header = [*x, ins * ITEM, u, PRODUCTS * ins * VECTOR, samples, ins, outs, clock, *scratch]
    header += [*read, *before, rows, columns]
    header += [tiles, strips, _pitch(ins), product, PRODUCTS * product, PRODUCTS * product + VECTOR]
    return [*header, *operands]


def rows_scratch_bytes(tiles: RowTiles, count: int, strips: int, ins: int) -> int:
    """Scratch for each thread: transformed pixels of a strip, zeros, the products of a register tile."""
    held = max(tiles.widths) * tiles.vectors
    return PRODUCTS * -(-count // strips) * _pitch(ins) + VECTOR + PRODUCTS * held * VECTOR


def _pitch(ins: int) -> int:
    """Bytes from one tile to the next: an odd number of cache lines, so that tiles do not meet in a cache set."""
    return (-(-ins // UNIT) | 1) * VECTOR
