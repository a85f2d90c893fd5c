"""Weight gradients of convolutions by windows of 3 x 3 that move by one pixel, with 16 of 36 multiplications.

The adjoint of `winograd`: each tile of 2 x 2 cotangents ``y`` and the 4 x 4 pixels ``d`` that it came from give
``G' [(B' d B) * (A y A')] G``. The sums over tiles and samples are taken before the last transform, so they are 16
matrix products of ``[in, tiles x samples]`` and ``[tiles x samples, out]``.

Tensors lie as for `conv`, what is made as its weights do, in panels ``[out / 16][taps][in][16]``. Cotangents are turned
so that 16 output channels, not 16 samples, lie in the lanes: a sum is then a number, not a vector, and sums of 64 x 64
channels take 256 kB, not 4 MB. So they stay in the second-level cache while strips of tiles go by. Of a strip 4 of the
16 products are taken at a time: all pixels and cotangents are transformed for them into scratch memory, ``[in][4][tile]
[sample]`` and ``[out / 16][tile][4][sample][16]``, which the first-level cache holds where channels are few. More
channels go by in pieces.

Each block of 16 samples has sums of its own, to be added in order; each sum is one ascending chain of multiply-adds
over tiles, row by row, and samples, so neither strips nor threads change a bit. Lanes without a sample are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

from netspec.compiler.kernels.conv import VECTOR
from netspec.compiler.kernels.kernel import UNIT, WORDS_PER_OPERAND, Kernel
from netspec.compiler.kernels.processor import Tile
from netspec.compiler.kernels.windows import Axis
from netspec.compiler.kernels.winograd import PRODUCTS, Strip, moves_by_one

WORDS = (
    *("x", "x_block", "x_channel", "y", "y_block", "y_channel", "samples", "ins", "outs", "scratch", "scratch_thread"),
    *("made", "made_row", "made_block", "made_panel"),
    *("read_rows", "read_columns", "before_rows", "before_columns", "rows", "columns"),
    *("strip_rows", "strip_columns", "piece_ins", "piece_panels", "turned_at", "z_at", "zeros_at", "sums_at"),
)
HEADER = len(WORDS)  # words before the table of `LINES`
LINES = ((0, 2, -1, 1, 0), (1, 2, 1, 1, 1), (2, 1, -1, 1, -1), (1, 3, -1, 0, 1))
"""For each line of 4 products: rows ``a`` and ``b`` of the pixels of a tile and the sign in ``d[a] + sign d[b]``, and
the factors of its two rows of cotangents. The last line has the other sign, which the last transform takes back."""
SIDE = len(LINES)
TILES = 8  # of a strip at most: 128 multiply-adds between reading a sum and writing it
FEW_TILES = 2  # of a strip where the first-level cache holds so many: of 16 channels, 1.2 times as fast as 8
FIRST_LEVEL_BYTES = 32 << 10
PIXELS = TILES * VECTOR  # bytes of one product
PITCH = SIDE * PIXELS + VECTOR  # bytes from an input channel to the next: an odd number of cache lines
COTANGENTS = UNIT * VECTOR  # of one product of a tile, or of one of its pixels
TILE = SIDE * COTANGENTS
PANEL = TILES * TILE + VECTOR
PIECE_INS, PIECE_PANELS = 64, 4  # whose strip and sums take 660 kB
FEWEST = 16  # channels of both sides that make it worth while


@dataclass(frozen=True)
class WinogradGradient:
    """The static description: panels of a register tile, and how many input channels it may have, largest first."""

    tiles: tuple[tuple[int, tuple[int, ...]], ...]

    @property
    def text(self) -> str:
        """Canonical, the key of the object cache."""
        shapes = "; ".join(f"{width}: {' '.join(map(str, heights))}" for width, heights in self.tiles)
        return f"winograd gradient [{shapes}]"


def gradient_fits(axes: Sequence[Axis], groups: int, ins: int, outs: int) -> bool:
    """Whether a weight gradient is one of these, with channels enough to save time."""
    return moves_by_one(axes) and groups == 1 and min(ins, outs) >= FEWEST


def winograd_gradient_kernel(tile: Tile) -> Kernel:
    """The kernel of a weight gradient; split on blocks of 16 samples."""
    gradient = WinogradGradient(register_tiles(tile))

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.winograd_gradient_emit import emit_winograd_gradient

        return emit_winograd_gradient(gradient)

    return Kernel("conv_weight_winograd", gradient.text, build)


def register_tiles(tile: Tile) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Panels of a register tile, and how many input channels it may have, largest first."""
    if tile.vectors == 1:
        return ((1, (tile.rows, 1)),)
    return ((tile.vectors, (tile.rows, 1)), (1, (tile.rows * tile.vectors, tile.rows, 1)))


def winograd_gradient_words(
    x: int,
    x_block: int,
    x_channel: int,
    y: int,
    y_block: int,
    y_channel: int,
    samples: int,
    ins: int,
    outs: int,
    scratch: Sequence[int],
    made: Sequence[int],
    axes: Sequence[Axis],
) -> list[int]:
    """The argument words; strides in bytes.

    ``made`` is ``(pointer, row, block, panel)``, a row of ``[taps][in]`` being 16 channels wide. ``scratch`` is an
    address of `scratch_bytes` for each thread, and the bytes from one thread's to the next's.

    Raises:
        ValueError: if ``made`` has not four words.
    """
    if len(made) != WORDS_PER_OPERAND:
        raise ValueError(f"what is made has {WORDS_PER_OPERAND} words, got {len(made)}")
    (down, across), strip = axes, _strip_of(axes, ins, outs)
    pixels, turned, z, zeros, _ = _parts(ins, outs)
    header = [x, x_block, x_channel, y, y_block, y_channel, samples, ins, outs, *scratch, *made]
    header += [down.size, across.size, down.before, across.before, down.count, across.count]
    header += [strip.rows, strip.columns, *_piece(ins, outs)]
    header += accumulate((pixels, turned, z, zeros))
    return [*header, *chain(*LINES)]


def scratch_bytes(ins: int, outs: int) -> int:
    """Scratch for each thread: transformed pixels, turned cotangents, transformed ones, zeros, sums."""
    return sum(_parts(ins, outs))


def _strip_of(axes: Sequence[Axis], ins: int, outs: int) -> Strip:
    """Whole rows of tiles, or a part of one."""
    down, across = (-(-axis.count // 2) for axis in axes)
    ins, panels = _piece(ins, outs)
    tile = ins * SIDE * VECTOR + 2 * panels * TILE
    most = FEW_TILES if FEW_TILES * tile <= FIRST_LEVEL_BYTES else TILES
    if across > most:
        return Strip(1, -(-across // -(-across // most)))
    return Strip(min(down, most // across), across)


def _piece(ins: int, outs: int) -> tuple[int, int]:
    """Input channels, in eights, and panels of output channels of a piece; all pieces are about as large."""
    panels = -(-outs // UNIT)
    ins_each, panels_each = -(-ins // -(-ins // PIECE_INS)), -(-panels // -(-panels // PIECE_PANELS))
    return min(ins, -(-ins_each // 8) * 8), panels_each


def _parts(ins: int, outs: int) -> tuple[int, ...]:
    ins, panels = _piece(ins, outs)
    return ins * PITCH, panels * PANEL, panels * PANEL, VECTOR, PRODUCTS * ins * panels * VECTOR
