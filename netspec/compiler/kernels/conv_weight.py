"""Weight gradients of convolutions: ``w[t, i, o] = epilogue(sum over samples, p of x[i, p + t] y[o, p], extras)``.

``x`` and the cotangent ``y`` lie as for `conv`, what is made as its weights do: in panels ``[out / 16][taps][in][16]``,
so an optimizer's update is the epilogue. Every multiply-add takes 16 samples; a sum is one ascending chain for each of
the 16 lanes, over blocks of samples and then pixels, and a fixed tree over the lanes at the end. So it depends neither
on threads, which own tiles of weights, nor on how rows are cut for the caches. What lanes without a sample hold
counts for nothing.

With ``by_block`` threads own blocks of 16 samples, whose sums are results of their own, to be added in order: so what
a layer has just computed for a block is read while it is in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TypeAlias

from netspec.compiler.kernels.conv import VECTOR
from netspec.compiler.kernels.conv_weight_tiles import SlidingTiles, WeightTiles
from netspec.compiler.kernels.kernel import UNIT, Body, Kernel, Operand, Result, operand_words
from netspec.compiler.kernels.windows import Axis, Meeting, meetings

WORDS = (
    *("x", "x_block", "x_channel", "y", "y_block", "y_channel", "samples", "ins", "outs", "groups"),
    *("clock", "sums", "sums_thread", "chunk", "outer", "outer_at", "inner", "inner_at"),
    *("x_plane", "y_plane", "x_row", "y_row", "x_pixel", "middle"),
)
Tiles: TypeAlias = WeightTiles | SlidingTiles
HEADER = 24  # words before those of the extras and the results, and the tables
OUTER_WORDS, INNER_WORDS = 6, 3  # of a row of the tables


@dataclass(frozen=True)
class ConvWeight:
    """The static description: all that the code depends on."""

    tiles: Tiles
    extras: tuple[Operand, ...]
    results: tuple[Result, ...]
    epilogue: Body
    by_block: bool

    @property
    def text(self) -> str:
        """Canonical, the key of the object cache."""
        extras, results = (", ".join(map(repr, part)) for part in (self.extras, self.results))
        kind = "conv weight by block" if self.by_block else "conv weight"
        return f"{kind} {self.tiles.chunk} [{self.tiles.text}] [{extras}] -> [{results}]\n{self.epilogue.text}"


def conv_weight_kernel(
    tiles: Tiles,
    extras: tuple[Operand, ...],
    results: tuple[Result, ...],
    epilogue: Body,
    *,
    by_block: bool = False,
) -> Kernel:
    """The kernel of a weight gradient; split on pieces of weights, or ``by_block`` on blocks of 16 samples.

    ``epilogue`` takes ``[sum, *extras]``, 16 output channels in the lanes, and gives one vector for each result.

    Raises:
        ValueError: if a result is not whole rows, or an extra is gathered or no float32.
    """
    if any(result.kind != "rows" for result in results) or any(e.gathered or e.dtype != "float32" for e in extras):
        raise ValueError("a weight gradient writes whole rows, gathers nothing and reads float32")
    conv = ConvWeight(tiles, extras, results, epilogue, by_block)

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.conv_weight_emit import emit_conv_weight
        from netspec.compiler.kernels.conv_weight_slide_emit import emit_sliding

        return emit_sliding(conv) if isinstance(tiles, SlidingTiles) else emit_conv_weight(conv)

    return Kernel(f"conv_weight{'_by_block' if by_block else ''}", conv.text, build)


def conv_weight_words(
    tiles: Tiles,
    x: int,
    x_block: int,
    x_channel: int,
    y: int,
    y_block: int,
    y_channel: int,
    samples: int,
    ins: int,
    outs: int,
    groups: int,
    axes: Sequence[Axis],
    clock: int,
    sums: Sequence[int],
    extras: Sequence[Sequence[int]] = (),
    results: Sequence[Sequence[int]] = (),
) -> list[int]:
    """The argument words; strides in bytes, ``ins`` the input channels of one group, ``outs`` those of all.

    Operands are ``(pointer, row, block, panel)``, a row of ``[taps][in]`` being 16 channels wide. ``sums`` is
    an address of `sums_bytes` for each thread, and the bytes from one thread's to the next's.

    Raises:
        ValueError: if an operand has not four words.
    """
    whole = [Axis(1, 1)] * (3 - len(axes)) + list(axes)
    sizes, counts = [axis.size for axis in whole], [axis.count for axis in whole]
    x_steps = [prod(sizes[i + 1 :]) * VECTOR for i in range(3)]
    y_steps = [prod(counts[i + 1 :]) * VECTOR for i in range(3)]
    *outer_axes, inner_axis = whole
    outer: list[int] = []
    for taps in product(*map(meetings, outer_axes)):
        for tap, x_step, y_step in zip(taps, x_steps, y_steps, strict=False):
            outer += _words(tap, x_step, y_step)
    inner = [word for tap in meetings(inner_axis) for word in _words(tap, x_steps[2], y_steps[2])]
    operands = operand_words((*extras, *results))
    outer_at = HEADER + len(operands)
    header = [x, x_block, x_channel, y, y_block, y_channel, samples, ins, outs, groups]
    header += [clock, *sums, tiles.rows(inner_axis.count)]
    header += [len(outer) // OUTER_WORDS, outer_at, inner_axis.extent, outer_at + len(outer)]
    header += [whole[0].stride * x_steps[0], y_steps[0], whole[1].stride * x_steps[1], y_steps[1]]
    header += [whole[2].stride * VECTOR, inner_axis.count - inner_axis.before - inner_axis.after]
    return [*header, *operands, *outer, *inner]


def _words(tap: Meeting, x_step: int, y_step: int) -> list[int]:
    return [tap.count, tap.position * x_step, tap.window * y_step]


def sums_bytes(tiles: Tiles, taps: int) -> int:
    """Scratch for each thread: the sums of a piece, of ``taps`` inner taps."""
    return taps * tiles.chunk * UNIT * VECTOR
