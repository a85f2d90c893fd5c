"""Which register tiles a weight gradient is made of: input channels by output channels, or taps by output channels.

A tile of one tap takes its sums from memory and back for every few rows of pixels that the first-level cache holds. A
tile that slides holds the sums of all taps along the last axis, reads each cotangent once for all of them, and keeps
its sums as long as the rows last: the weights of LeNet-5's first convolution, which has one input channel, then take
half as long. What a sum adds, and in which order, is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from netspec.compiler.kernels.conv_tiles import CODE, TALLEST, cycles_of
from netspec.compiler.kernels.kernel import UNIT
from netspec.compiler.kernels.processor import Tile
from netspec.compiler.kernels.windows import Axis

VECTOR = 64  # bytes of 16 float32
FIRST_LEVEL_BYTES = 16 << 10  # what the pixels that a tile walks over may take of it, tap by tap
SLIDING_BYTES = 32 << 10  # and all taps at once
WRITTEN_OUT = 12  # pixels at most: a loop of ten is left by a branch that is often foreseen wrongly
REPEATED = 1.15  # what it costs to take sums from memory and back for every tap


@dataclass(frozen=True)
class WeightTiles:
    """Tiles of a weight gradient: input channels by output channels, and the widths for each height, widest first.

    Pieces of ``chunk`` input channels are made of tiles of the heights as they fit, tallest first.
    """

    chunk: int
    shapes: tuple[tuple[int, tuple[int, ...]], ...]

    @property
    def text(self) -> str:
        return "; ".join(f"{height}: {' '.join(map(str, widths))}" for height, widths in self.shapes)

    def rows(self, pixels: int) -> int:
        """Rows of ``pixels`` that stay in the first-level cache while all inner taps pass by."""
        widest = max(width for _, widths in self.shapes for width in widths)
        return max(1, FIRST_LEVEL_BYTES // ((self.chunk + widest) * VECTOR * pixels))


@dataclass(frozen=True)
class SlidingTiles:
    """Tiles of all ``extent`` taps along the last axis by output channels, widest first, of one input channel.

    ``before`` and ``after`` windows reach over the edges; of those in between, ``step`` are written out. The sums of
    ``chunk`` input channels wait together.
    """

    chunk: int
    widths: tuple[int, ...]
    extent: int
    before: int
    after: int
    step: int

    @property
    def text(self) -> str:
        window = f"{self.extent} taps, {self.before} before, {self.after} after, by {self.step}"
        return f"{window}: {' '.join(map(str, self.widths))}"

    def rows(self, pixels: int) -> int:
        """Rows of ``pixels`` whose cotangents stay in the first-level cache while all input channels pass by."""
        if self.chunk == 1:
            return EVERY
        return max(1, SLIDING_BYTES // ((1 + self.widths[0]) * VECTOR * pixels))


EVERY = 1 << 32  # more rows than there are


@lru_cache(maxsize=256)
def choose_weight_tiles(
    tile: Tile, ins: int, outs: int, groups: int, axis: Axis | None = None
) -> WeightTiles | SlidingTiles:
    """The tiles for the input and output channels of each group that take the fewest cycles.

    ``axis`` is the last one; without it, tiles go tap by tap.
    """
    held, registers = {16: (30, 1), 6: (8, 2)}.get(tile.rows * tile.vectors, (3, 4))
    panels = [UNIT] * (outs // UNIT > 0) + [outs % UNIT] * (outs % UNIT > 0)
    # A group may begin anywhere in a panel, so that any number of its channels may be left there.
    panels = panels if groups == 1 else list(range(1, min(outs, UNIT) + 1))
    tapwise, cost = _tapwise(held, registers, ins, panels)
    if axis is None or not _slides(axis):
        return tapwise
    sliding, least = _sliding(held, registers, ins, panels, axis)
    return sliding if sliding is not None and least < REPEATED * cost * axis.extent else tapwise


def _slides(axis: Axis) -> bool:
    """Whether neighbouring windows share all taps but one, and some window meets all of them."""
    over = axis.before + axis.after
    return (
        axis.stride == axis.dilation == 1 < axis.extent
        and max(axis.before, axis.after) < axis.extent
        and (axis.count > over)
    )


def _sliding(
    held: int, registers: int, ins: int, panels: Sequence[int], axis: Axis
) -> tuple[SlidingTiles | None, float]:
    """The best tiles of all taps, if registers hold any, and the cycles that they take for a pixel."""
    best: tuple[SlidingTiles | None, float] = (None, float("inf"))
    middle = axis.count - axis.before - axis.after
    step = max(n for n in range(1, WRITTEN_OUT + 1) if middle % n == 0)
    for widest in range(1, min(UNIT, (held - axis.extent) // axis.extent) + 1):
        widths = _greedy(widest, panels)
        cycles = sum(
            ins * cycles_of(axis.extent, width, registers) for panel in panels for width in _parts(panel, widths)
        )
        cycles *= 1 + CODE * len(widths)
        if cycles < best[1]:
            found = SlidingTiles(min(ins, TALLEST), widths, axis.extent, axis.before, axis.after, step)
            best = found, cycles
    return best


def _tapwise(held: int, registers: int, ins: int, panels: Sequence[int]) -> tuple[WeightTiles, float]:
    """The best tiles of one tap, and the cycles that they take for a tap of a pixel."""
    best: tuple[WeightTiles, float] = (WeightTiles(1, ((1, (1,)),)), float("inf"))
    for chunk, widest in product(range(1, min(ins, TALLEST) + 1), range(1, UNIT + 1)):
        if chunk * widest + chunk > held:
            continue
        heights = [chunk] + [ins % chunk] * (ins % chunk > 0)
        widths = _greedy(widest, panels)
        cycles = sum(
            (ins // chunk if height == chunk else 1) * cycles_of(height, width, registers)
            for height in heights
            for panel in panels
            for width in _parts(panel, widths)
        )
        cycles *= 1 + CODE * len(heights) * len(widths)
        if cycles < best[1]:
            best = WeightTiles(chunk, tuple((height, widths) for height in heights)), cycles
    return best


def _greedy(widest: int, panels: Sequence[int]) -> tuple[int, ...]:
    """Widths of which every panel can be made, the widest that fits first."""
    widths = {widest}
    for panel in panels:
        left = panel - sum(_parts(panel, sorted(widths, reverse=True)))
        widths |= {left} - {0}
    widths = {width for width in widths if width <= max(panels)}
    return tuple(sorted(widths, reverse=True))


def _parts(panel: int, widths: Sequence[int]) -> list[int]:
    """The widths that a panel is made of, as far as they go."""
    found = []
    for width in widths:
        found += [width] * (panel // width)
        panel %= width
    return found
