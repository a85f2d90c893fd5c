"""Which register tiles a convolution is made of: some output channels of some neighbouring pixels.

A tile of ``height x width`` sums loads ``width`` vectors of pixels and ``height`` weights for each tap, so the squarer
the better, and the larger as far as registers go. Of 6 channels and 24 pixels, tiles of 8 x 2 for 16 channels would
leave tiles of 4 x 2 and 2 x 2, whose few chains wait for one another: on AVX-512 6 x 4 is twice as fast. So tiles are
chosen for the channels and the runs of pixels there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TypeAlias

from netspec.compiler.kernels.kernel import UNIT
from netspec.compiler.kernels.processor import Tile
from netspec.compiler.kernels.windows import Taps

Widths: TypeAlias = tuple[tuple[int, tuple[int, ...]], ...]
Runs: TypeAlias = tuple[tuple[int, int], ...]
"""Length, and taps that are met along the last axis, of each run of neighbouring pixels."""

TALLEST = 8  # channels of a tile
LATENCY = 4  # cycles from a multiply-add to the next on the same register
A_TIME = 2  # multiply-adds, and loads, that begin in a cycle
EDGES = 1.1  # what whole rows have to gain, for each of their tiles reads all of the row
CODE = 0.02  # what one more tile has to gain to be worth compiling, of the whole


@dataclass(frozen=True)
class WholeRow:
    """All pixels of a row in one tile, whatever they meet at the edges.

    ``places``: for each pixel the first position that it reads, its first tap, and how many taps; from one to the next
    the position moves by ``step``. An input gradient of 5 x 5 over 14 pixels has 8 at the edges, whose tiles of one
    pixel take nearly half of its time.
    """

    places: tuple[tuple[int, int, int], ...]
    step: int

    @property
    def text(self) -> str:
        shown = " ".join(f"{position}@{tap}x{count}" for position, tap, count in self.places)
        return f"row by {self.step}: {shown}"

    @property
    def taps(self) -> int:
        """Taps of the window."""
        return max(tap + count for _, tap, count in self.places)

    @property
    def reads(self) -> tuple[tuple[int, tuple[tuple[int, int], ...]], ...]:
        """For each position that is read, which pixels read it by which taps; each pixel's taps come in their order."""
        found: dict[int, list[tuple[int, int]]] = {}
        for pixel, (position, tap, count) in enumerate(self.places):
            for k in range(count):
                found.setdefault(position + k * self.step, []).append((pixel, tap + k))
        return tuple((position, tuple(found[position])) for position in sorted(found, reverse=self.step < 0))


def whole_row(axis: Taps) -> WholeRow | None:
    """A row of pixels as one tile, where pixels meet differing numbers of taps one apart."""
    counts = {place.count for place in axis.places}
    if axis.tap_step != 1 or abs(axis.position_step) != 1 or len(counts) == 1 or 0 in counts:
        return None
    places = tuple((place.position, place.tap, place.count) for place in axis.places)
    return WholeRow(places, axis.position_step)


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
    row: WholeRow | None = None

    @property
    def text(self) -> str:
        shapes = "; ".join(f"{h}: {' '.join(map(_shown, widths))}" for h, widths in self.widths)
        if self.row is not None:
            shapes = self.row.text
        return f"{'+'.join(map(str, self.panel)) or '-'}|{'+'.join(map(str, self.rest)) or '-'} [{shapes}]"


def _shown(width: tuple[int, tuple[int, ...]]) -> str:
    pixels, counts = width
    return f"{pixels} of {','.join(map(str, counts))}"


@lru_cache(maxsize=256)
def choose_tiles(tile: Tile, outs: int, groups: int, runs: Runs, row: WholeRow | None = None) -> Tiles:
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
    if row is not None and groups == 1:
        cycles = {h: _cycles_of_runs(h, found[h][0], registers, runs) for h in heights}
        whole = _row_tiles(row, outs, held, registers)
        if whole is not None and EDGES * whole[1] < _of_all(panel, rest, outs, cycles):
            return whole[0]
    return Tiles(panel, rest, tuple((h, _with_counts(found[h][0], runs)) for h in heights))


def _row_tiles(row: WholeRow, outs: int, held: int, registers: int) -> tuple[Tiles, float] | None:
    """Tiles of whole rows, if registers hold any, and their cycles for a row of taps."""
    sums = sum(count for _, _, count in row.places)
    most = held // (len(row.places) + row.taps)
    costs = {}
    for height in range(1, min(most, outs) + 1):
        loads = len(row.reads) * registers + height * row.taps
        cycles = max(height * sums * registers / A_TIME, loads / A_TIME, LATENCY * row.taps)
        costs[height] = cycles + loads / 16
    if not costs:
        return None
    panel = _heights(UNIT, costs) if outs >= UNIT else ()
    rest = _heights(outs % UNIT, costs) if outs % UNIT else ()
    widths: Widths = ((len(row.places), (0,)),)
    heights = sorted({*panel, *rest}, reverse=True)
    return Tiles(panel, rest, tuple((h, widths) for h in heights), row), _of_all(panel, rest, outs, costs)


def _of_all(panel: tuple[int, ...], rest: tuple[int, ...], outs: int, costs: Mapping[int, float]) -> float:
    return outs // UNIT * sum(costs[h] for h in panel) + sum(costs[h] for h in rest)


def _cycles_of_runs(height: int, widths: Sequence[int], registers: int, runs: Runs) -> float:
    """Of a row of taps over all runs of pixels."""
    total = 0.0
    for length, count in runs:
        left = length
        for width in widths:
            total += left // width * count * cycles_of(height, width, registers)
            left %= width
    return total


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
            n // widest * cycles_of(height, widest, registers) + cycles_of(height, n % widest, registers)
            for n in lengths
        )
        cycles *= 1 + CODE * len(widths)
        if cycles < best[1]:
            best = widths, cycles
    return best


def cycles_of(height: int, width: int, registers: int) -> float:
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
