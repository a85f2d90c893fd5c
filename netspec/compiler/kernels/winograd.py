"""Convolutions by windows of 3 x 3 that move by one pixel, with 16 of 36 multiplications.

Winograd's minimal filtering F(2 x 2, 3 x 3), after Lavin & Gray 2016, Fast algorithms for convolutional neural
networks: four neighbouring results come from 4 x 4 pixels as ``A' [(G g G') * (B' d B)] A``, where ``*`` multiplies
element by element and sums over the input channels. Transforms cost additions, once for each input and once for each
output channel, so the more channels the more it saves.

Tensors lie as for `conv`. A strip of tiles of 2 x 2 results goes by at a time: all its pixels are transformed into
scratch memory, ``[16][in][tile][16 samples]``, then for some output channels of some tiles each of the 16 products is
one ascending chain of multiply-adds over the input channels, in registers. Weights are transformed once a step, into
panels ``[out / 16][16][in][16]``. Neither strips nor threads change a bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from netspec.compiler.kernels.conv import VECTOR
from netspec.compiler.kernels.conv_tiles import Tiles, choose_tiles
from netspec.compiler.kernels.kernel import UNIT, Body, Ended, Kernel, Operand, Result, operand_words
from netspec.compiler.kernels.processor import Tile
from netspec.compiler.kernels.windows import Axis

PRODUCTS = 16  # of a tile of 2 x 2 results
WORDS = (
    *("x", "x_block", "x_channel", "u", "u_panel", "blocks", "ins", "outs", "clock", "scratch", "scratch_thread"),
    *("read_rows", "read_columns", "before_rows", "before_columns", "rows", "columns"),
    *("strip_rows", "strip_columns", "pitch", "zeros_at", "products_at"),
)
HEADER = len(WORDS)
WEIGHT_WORDS = ("panels", "u", "columns", "depth", "first_tap", "tap_step")
STRIP_BYTES = 256 << 10  # what the transformed pixels of a strip may take of the second-level cache
# Channels of both sides that make it worth while: of 16, direct convolution is as fast, of 24 and 32 this is 1.2 and
# 1.4 times, of 64 to 128 1.5 to 1.7 times.
FEWEST = 24
MOST = 256  # input channels: four tiles of more leave the second-level cache


@dataclass(frozen=True)
class Winograd(Ended):
    """The static description: all that the code depends on."""

    tiles: Tiles

    @property
    def text(self) -> str:
        """Canonical, the key of the object cache."""
        return f"winograd {self.tiles.text} {self.ending}"


@dataclass(frozen=True)
class Strip:
    """Tiles of 2 x 2 results that are computed together."""

    rows: int
    columns: int

    @property
    def pitch(self) -> int:
        """Vectors from one input channel to the next: an odd number, so that channels do not meet in a cache set."""
        return self.rows * self.columns | 1


def fits(axes: Sequence[Axis], groups: int, ins: int, outs: int) -> bool:
    """Whether a convolution is one of these, with channels enough to save time."""
    return moves_by_one(axes) and groups == 1 and FEWEST <= ins <= MOST and outs >= FEWEST


def moves_by_one(axes: Sequence[Axis]) -> bool:
    """Whether windows are 3 x 3, move by one pixel and lie in the image at least in part."""
    like = all((axis.extent, axis.stride, axis.dilation) == (3, 1, 1) for axis in axes)
    inside = all(axis.before <= 2 and axis.after <= 2 and axis.count > 1 for axis in axes)
    return len(axes) == 2 and like and inside


def strip_of(rows: int, columns: int, ins: int) -> Strip:
    """Whole rows of tiles as far as they fit into the cache, or part of one; of results in ``rows`` and ``columns``."""
    down, across = -(-rows // 2), -(-columns // 2)
    most = max(4, STRIP_BYTES // (PRODUCTS * VECTOR * ins))
    if across > most:
        return Strip(1, -(-across // -(-across // most)))
    return Strip(min(down, most // across), across)


def tiles_of(tile: Tile, outs: int, strip: Strip, rows: int, columns: int) -> Tiles:
    """The register tiles for all runs of tiles of which strips are made."""
    down, across = -(-rows // 2), -(-columns // 2)
    heights = {min(strip.rows, down)} | {down % strip.rows} - {0}
    widths = {min(strip.columns, across)} | {across % strip.columns} - {0}
    return choose_tiles(tile, outs, 1, tuple(sorted((h * w, 1) for h in heights for w in widths)))


def winograd_kernel(tiles: Tiles, extras: tuple[Operand, ...], results: tuple[Result, ...], epilogue: Body) -> Kernel:
    """The kernel of a convolution; split on blocks of 16 samples. Tiles, extras and results are as those of `conv`."""
    winograd = Winograd(tiles, extras=extras, results=results, epilogue=epilogue)

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.winograd_emit import emit_winograd

        return emit_winograd(winograd)

    return Kernel("conv2d_3_winograd", winograd.text, build)


def winograd_words(
    x: int,
    x_block: int,
    x_channel: int,
    u: int,
    samples: int,
    ins: int,
    outs: int,
    clock: int,
    scratch: Sequence[int],
    read: Sequence[int],
    before: Sequence[int],
    written: Sequence[int],
    widest: int,
    extras: Sequence[Sequence[int]] = (),
    results: Sequence[Sequence[int]] = (),
) -> list[int]:
    """The argument words; strides in bytes.

    ``read`` and ``written`` are the rows and columns of pixels, ``before`` the padding in front of them, ``widest`` the
    largest number of sums in a register tile. Operands are ``(pointer, block, channel, 0)``. ``scratch`` is an address
    of `scratch_bytes` for each thread, and the bytes from one thread's to the next's.

    Raises:
        ValueError: if an operand has not four words.
    """
    operands = operand_words((*extras, *results))
    rows, columns = written
    strip = strip_of(rows, columns, ins)
    pixels, zeros, _ = _parts(ins, strip, widest)
    header = [x, x_block, x_channel, u, PRODUCTS * ins * VECTOR, -(-samples // UNIT), ins, outs, clock, *scratch]
    header += [*read, *before, *written]
    header += [strip.rows, strip.columns, strip.pitch * VECTOR, pixels, pixels + zeros]
    return [*header, *operands]


def scratch_bytes(ins: int, strip: Strip, widest: int) -> int:
    """Scratch for each thread: transformed pixels, zeros, products of a tile."""
    return sum(_parts(ins, strip, widest))


def _parts(ins: int, strip: Strip, widest: int) -> tuple[int, int, int]:
    return PRODUCTS * ins * strip.pitch * VECTOR, VECTOR, PRODUCTS * widest * VECTOR


def widest_of(tiles: Tiles) -> int:
    """The largest number of sums in a register tile."""
    return max(height * width for height, widths in tiles.widths for width, _ in widths)


def winograd_weights_kernel() -> Kernel:
    """The kernel that transforms weights, from the panels of `conv_pack`; split on columns."""

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.winograd_emit import emit_winograd_weights

        return emit_winograd_weights()

    return Kernel("winograd_weights", "winograd weights", build)


def winograd_weights_words(panels: int, u: int, columns: int, depth: int, *, turned: bool) -> list[int]:
    """The argument words; ``turned``: for an input gradient, which reads the taps from the last to the first."""
    tap = depth * VECTOR
    return [panels, u, columns, depth, 8 * tap if turned else 0, -tap if turned else tap]
