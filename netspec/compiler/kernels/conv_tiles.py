"""Which register tiles a convolution is made of: some output channels of some neighbouring pixels.

A tile of ``height x width`` sums loads ``width`` vectors of pixels and ``height`` weights for each tap, so the squarer
the better, and the larger as far as registers go. Of 6 channels and 24 pixels, tiles of 8 x 2 for 16 channels would
leave tiles of 4 x 2 and 2 x 2, whose few chains wait for one another: on AVX-512 6 x 4 is twice as fast. So tiles are
chosen for the channels and the runs of pixels there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TypeAlias

from netspec.compiler.kernels.kernel import UNIT
from netspec.compiler.kernels.processor import Tile

Widths: TypeAlias = tuple[tuple[int, tuple[int, ...]], ...]
Runs: TypeAlias = tuple[tuple[int, int], ...]
"""Length, and taps that are met along the last axis, of each run of neighbouring pixels."""

TALLEST = 8  # channels of a tile
LATENCY = 4  # cycles from a multiply-add to the next on the same register
A_TIME = 2  # multiply-adds, and loads, that begin in a cycle
CODE = 0.02  # what one more tile has to gain to be worth compiling, of the whole


@dataclass(frozen=True)
class Tiles:
    """Heights of the tiles that make a panel of 16 channels, and of those for the channels behind the last panel.

    ``widths`` are the pixels of the tiles of each height, widest first, each with how many taps along the last axis
    such tiles meet: every run is as many of the widest as it holds, then as many of the next. Without ``panel`` and
    ``rest`` (where groups begin anywhere in a panel) tiles of the heights of ``widths`` are taken as they fit, tallest
    first.
    """

    panel: tuple[int, ...]
    rest: tuple[int, ...]
    widths: tuple[tuple[int, Widths], ...]

    @property
    def text(self) -> str:
        shapes = "; ".join(f"{h}: {' '.join(map(_shown, widths))}" for h, widths in self.widths)
        return f"{'+'.join(map(str, self.panel)) or '-'}|{'+'.join(map(str, self.rest)) or '-'} [{shapes}]"


def _shown(width: tuple[int, tuple[int, ...]]) -> str:
    pixels, counts = width
    return f"{pixels} of {','.join(map(str, counts))}"


@lru_cache(maxsize=256)
def choose_tiles(tile: Tile, outs: int, groups: int, runs: Runs) -> Tiles:
    """The tiles for ``outs`` channels of each group and runs of pixels like these, on a processor's registers."""
    lengths = [length for length, _ in runs]
    held, registers = {16: (30, 1), 6: (7, 2)}.get(tile.rows * tile.vectors, (3, 4))
    tallest = min(TALLEST, held - 1)
    found = {height: _widths(height, held, registers, lengths) for height in range(1, tallest + 1)}
    costs = {height: cost for height, (_, cost) in found.items()}
    panel: tuple[int, ...] = ()
    rest: tuple[int, ...] = ()
    if groups > 1:
        heights = [h for h in (8, 6, 4, 2, 1) if h <= min(tallest, outs)]
    else:
        panel = _heights(UNIT, costs) if outs >= UNIT else ()
        rest = _heights(outs % UNIT, costs) if outs % UNIT else ()
        heights = sorted({*panel, *rest}, reverse=True)
    return Tiles(panel, rest, tuple((h, _with_counts(found[h][0], runs)) for h in heights))


def _with_counts(widths: Sequence[int], runs: Runs) -> Widths:
    """For each width how many taps the tiles of that width meet."""
    met: dict[int, set[int]] = {width: set() for width in widths}
    for length, count in runs:
        left = length
        for width in widths:
            if left >= width:
                met[width].add(max(count, 1))
            left %= width
    return tuple((width, tuple(sorted(counts))) for width, counts in met.items())


def _widths(height: int, held: int, registers: int, lengths: Sequence[int]) -> tuple[tuple[int, ...], float]:
    """The widths for a height that take the fewest cycles over runs of these lengths, and how many."""
    best: tuple[tuple[int, ...], float] = ((), float("inf"))
    for widest in range(1, held // (height + 1) + 1):
        rests = {n % widest for n in lengths} - {0}
        widths = tuple(sorted({widest, *rests} if max(lengths) >= widest else rests, reverse=True))
        cycles = sum(
            n // widest * _cycles(height, widest, registers) + _cycles(height, n % widest, registers) for n in lengths
        )
        cycles *= 1 + CODE * len(widths)
        if cycles < best[1]:
            best = widths, cycles
    return best


def _cycles(height: int, width: int, registers: int) -> float:
    """Of a tap; ``registers`` hold a vector of 16 samples."""
    if not width:
        return 0
    sums = height * width * registers
    loads = height + width * registers
    return max(sums / A_TIME, loads / A_TIME, LATENCY) + loads / 16


def _heights(channels: int, costs: dict[int, float]) -> tuple[int, ...]:
    """Tiles of at most two heights, tallest first, for so many channels."""
    best: tuple[tuple[int, ...], float] = ((), float("inf"))
    for tall, low in product(costs, costs):
        if low > tall or (low == tall and channels % tall):
            continue
        for count in range(channels // tall + 1):
            more, left = divmod(channels - count * tall, low)
            if left:
                continue
            heights = (tall,) * count + (low,) * more
            cost = sum(costs[h] for h in heights) * (1 + CODE * len(set(heights)))
            if cost < best[1]:
                best = heights, cost
    return best[0]


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


@lru_cache(maxsize=256)
def choose_weight_tiles(tile: Tile, ins: int, outs: int, groups: int) -> WeightTiles:
    """The tiles for the input and output channels of each group that take the fewest cycles."""
    held, registers = {16: (30, 1), 6: (8, 2)}.get(tile.rows * tile.vectors, (3, 4))
    panels = [UNIT] * (outs // UNIT > 0) + [outs % UNIT] * (outs % UNIT > 0)
    # A group may begin anywhere in a panel, so that any number of its channels may be left there.
    panels = panels if groups == 1 else list(range(1, min(outs, UNIT) + 1))
    best: tuple[WeightTiles, float] = (WeightTiles(1, ((1, (1,)),)), float("inf"))
    for chunk, widest in product(range(1, min(ins, TALLEST) + 1), range(1, UNIT + 1)):
        if chunk * widest + chunk > held:
            continue
        heights = [chunk] + [ins % chunk] * (ins % chunk > 0)
        widths = _greedy(widest, panels)
        cycles = sum(
            (ins // chunk if height == chunk else 1) * _cycles(height, width, registers)
            for height in heights
            for panel in panels
            for width in _parts(panel, widths)
        )
        cycles *= 1 + CODE * len(heights) * len(widths)
        if cycles < best[1]:
            best = WeightTiles(chunk, tuple((height, widths) for height in heights)), cycles
    return best[0]


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
