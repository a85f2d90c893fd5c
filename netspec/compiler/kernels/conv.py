"""Direct convolutions with 16 samples in the lanes: ``y[o, p] = epilogue(sum of w[t, i, o] x[i, p + t], extras)``.

Tensors lie as ``[block of 16 samples][channel][pixel][16]``: a vector is one pixel of 16 samples, however many
channels there are, and no window is ever copied. Weights lie in panels, ``[out / 16][taps][in][16]``; a tile holds
some output channels of some neighbouring pixels in registers. What windows meet at the edges are tables among the
words (`windows`), so the kernel of an output is also that of an input gradient, which takes the weights turned.

Each element is one ascending chain of multiply-adds from zero, over input channels and then taps, whatever tile or
thread computes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from netspec.compiler.kernels.conv_tiles import Tiles, choose_tiles, whole_row
from netspec.compiler.kernels.kernel import UNIT, Body, Ended, Kernel, Operand, Result, operand_words
from netspec.compiler.kernels.processor import Tile
from netspec.compiler.kernels.windows import WORDS_OF_RUN, Taps, tables

WORDS = (
    *("x", "x_block", "x_channel", "w", "w_in", "w_panel", "blocks", "ins", "outs", "groups"),
    *("clock", "rows", "rows_at", "runs", "runs_at", "ins_block", "partial", "partial_channel", "partial_thread"),
)
HEADER = 20  # words before the steps of each axis, those of the extras and the results, and the tables
FIRST_LEVEL_BYTES = 16 << 10  # what the weights of a block of input channels may take of it
VECTOR = 64  # bytes of 16 float32
INLINE_COST = 8  # of an epilogue that is written out for each vector of a tile, in cycles


@dataclass(frozen=True)
class Conv(Ended):
    """The static description of a convolution: all that its code depends on.

    ``extents``: taps along each axis, the last of which is written out.
    """

    tiles: Tiles
    extents: tuple[int, ...]

    @property
    def text(self) -> str:
        """Canonical, the key of the object cache; outer axes are loops, whose extents do not matter."""
        window = "x".join(["n"] * (len(self.extents) - 1) + [str(self.extents[-1])])
        return f"conv {self.tiles.text} {window} {self.ending}"


def conv_kernel(
    tiles: Tiles, extents: tuple[int, ...], extras: tuple[Operand, ...], results: tuple[Result, ...], epilogue: Body
) -> Kernel:
    """The kernel of a convolution; split on blocks of 16 samples.

    ``tiles`` must be chosen for its channels and its runs of pixels (`tiles_of`). ``epilogue`` takes
    ``[sum, *extras]`` and gives one vector for each result; a spread extra is one number a channel.

    Raises:
        ValueError: if a result is not whole rows, or an extra is gathered or no float32.
    """
    conv = Conv(tiles, extents, extras=extras, results=results, epilogue=epilogue)
    conv.check("a convolution")

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.conv_emit import emit_conv

        return emit_conv(conv)

    return Kernel(f"conv{len(extents)}d_{extents[-1]}", conv.text, build)


def tiles_of(tile: Tile, outs: int, groups: int, axes: Sequence[Taps]) -> Tiles:
    """The tiles for ``outs`` channels of each group, written at the places of ``axes``."""
    runs = tuple(sorted((run.length, run.place.count) for run in axes[-1].runs()))
    return choose_tiles(tile, outs, groups, runs, whole_row(axes[-1]))


def conv_words(
    x: int,
    x_block: int,
    x_channel: int,
    x_steps: Sequence[int],
    w: int,
    samples: int,
    ins: int,
    outs: int,
    groups: int,
    axes: Sequence[Taps],
    extents: Sequence[int],
    clock: int,
    scratch: Sequence[int],
    extras: Sequence[Sequence[int]] = (),
    results: Sequence[Sequence[int]] = (),
) -> list[int]:
    """The argument words of a convolution; strides in bytes, ``ins`` and ``outs`` the channels of one group.

    Operands are ``(pointer, block, channel, 0)``; vectors of neighbouring pixels follow one another. ``scratch`` is an
    address of `scratch_bytes` for each thread, and the bytes from one thread's to the next's.

    Raises:
        ValueError: if an operand has not four words.
    """
    w_steps, w_in = tap_strides(extents, ins)
    steps = [
        n
        for axis, read, tap in zip(axes, x_steps, w_steps, strict=True)
        for n in (axis.position_step * read, axis.tap_step * tap)
    ]
    operands = operand_words((*extras, *results))
    rows, runs = tables(axes, x_steps, w_steps)
    rows_at = HEADER + len(steps) + len(operands)
    counts = len(rows) // (2 + len(axes)), len(runs) // WORDS_OF_RUN
    row_bytes = len(axes[-1].places) * VECTOR
    blocks, w_panel = -(-samples // UNIT), prod(extents) * ins * VECTOR
    header = [x, x_block, x_channel, w, w_in, w_panel, blocks, ins, outs, groups, clock]
    header += [counts[0], rows_at, counts[1], rows_at + len(rows)]
    header += [ins_block(extents, ins), scratch[0], row_bytes, scratch[1], 0]
    return [*header, *steps, *operands, *rows, *runs]


def tap_strides(extents: Sequence[int], ins: int) -> tuple[list[int], int]:
    """Bytes from one tap to the next along each axis, and from one input channel to the next, within a panel."""
    strides = [ins * VECTOR]
    for extent in reversed(extents[1:]):
        strides.insert(0, strides[0] * extent)
    return strides, VECTOR


def ins_block(extents: Sequence[int], ins: int) -> int:
    """Input channels whose weights for a panel stay in the first-level cache while a row of pixels passes by."""
    most = max(1, FIRST_LEVEL_BYTES // (VECTOR * prod(extents)))
    return -(-ins // -(-ins // most))


def scratch_bytes(pixels: int, outs: int) -> int:
    """Scratch for each thread: a row of sums between two blocks of input channels."""
    return VECTOR * pixels * outs
