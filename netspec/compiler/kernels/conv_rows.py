"""Direct convolutions with 16 output channels in the lanes: ``y[p, o] = epilogue(sum of x[p + t, i] w[t, i, o])``.

What few samples are convolved with: tensors lie in rows, ``[sample][pixel][channel]``, as everything else reads and
writes them. A tile holds some neighbouring pixels by some vectors of output channels in registers; a tap costs it one
number of each pixel, in all lanes, and one vector of weights for each vector of channels. Weights lie in panels,
``[group][out / 16][in][taps][16]``, which a tile reads from one end to the other (layout ``filters``). Where every
channel has a window of its own (depthwise), the lanes are 16 channels of ``x`` too, and weights lie as they are.

Each element is the same chain of multiply-adds as with samples in the lanes (`conv`): over input channels and then
taps, so that a sample has the same bits in either form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product
from math import prod

from netspec.compiler.kernels.kernel import UNIT, Body, Ended, Kernel, Operand, Result, operand_words
from netspec.compiler.kernels.processor import Tile
from netspec.compiler.kernels.windows import Run, Taps

WORDS = (
    *("x", "x_sample", "x_group", "w", "w_group", "w_panel", "w_in", "samples", "groups", "ins", "outs"),
    *("sets", "segments", "segments_at", "clock"),
)
HEADER = len(WORDS)  # words before the steps of each axis, those of the extras and the results, and the segments
VECTOR = 64  # bytes of 16 float32
ITEM = 4
WORDS_OF_SEGMENT = 6  # and the counts of each axis
SHORT = 6  # pixels side by side that make a tile well enough
PIECE = 128  # pixels of a segment at most, so that threads find pieces to share
WIDEST = 14  # pixels of a tile
MOST_VECTORS = 8  # of channels of a tile
LATENCY = 4  # cycles from a multiply-add to the next on the same register
STREAM = 1.5  # cycles in which a vector of weights comes from the second-level cache
CODE = 0.02  # what one more tile has to gain to be worth compiling, of the whole


@dataclass(frozen=True)
class Segment:
    """Pixels evenly spaced that meet the same taps: ``length`` from ``pixel`` on, ``step`` apart.

    ``x`` and ``w`` are bytes to the first tap of the first of them, ``advance`` bytes of ``x`` from one to the next.
    """

    length: int
    pixel: int
    step: int
    x: int
    advance: int
    w: int
    counts: tuple[int, ...]


@dataclass(frozen=True)
class RowTiles:
    """Register tiles: ``vectors`` of channels, of which ``rest`` are left at the end, by pixels of each width.

    Every segment is as many of the widest of ``widths`` as it holds, then as many of the next.
    """

    vectors: int
    rest: int
    widths: tuple[int, ...]

    @property
    def text(self) -> str:
        return f"{' '.join(map(str, self.widths))} x {self.vectors}{f' or {self.rest}' if self.rest else ''}"


@dataclass(frozen=True)
class RowsConv(Ended):
    """The static description of a convolution over rows: all that its code depends on.

    ``whole``: channels fill their vectors. ``own``: each output channel reads the input channel of its own number.
    """

    tiles: RowTiles
    axes: int
    whole: bool
    own: bool

    @property
    def text(self) -> str:
        kind = f"{self.axes}d{' whole' if self.whole else ''}{' own' if self.own else ''}"
        return f"conv rows {kind} {self.tiles.text} {self.ending}"


def conv_rows_kernel(
    tiles: RowTiles,
    axes: int,
    outs: int,
    extras: tuple[Operand, ...],
    results: tuple[Result, ...],
    epilogue: Body,
    *,
    own: bool = False,
) -> Kernel:
    """The kernel of a convolution of ``outs`` channels a group; split on segments of pixels by sets of channels.

    ``epilogue`` takes ``[sum, *extras]`` and gives one vector for each result; a spread extra is a single number.

    Raises:
        ValueError: if a result is not whole rows, or an extra is gathered or no float32.
    """
    conv = RowsConv(tiles, axes, outs % UNIT == 0, own, extras=extras, results=results, epilogue=epilogue)
    conv.check("a convolution")

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.conv_rows_emit import emit_conv_rows

        return emit_conv_rows(conv)

    return Kernel(f"conv{axes}d_rows", conv.text, build)


def segments_of(axes: Sequence[Taps], read: Sequence[int], taps: Sequence[int]) -> list[Segment]:
    """All written pixels, cut into segments.

    A block of pixels with the same taps is cut along the last axis, or along the one before where that is longer: the
    single columns at the edges of a padded image are segments too, not single pixels.

    Args:
        axes: Every axis, the last one innermost.
        read: Bytes from one read position to the next, along each axis.
        taps: Bytes from one tap to the next, along each axis.
    """
    sizes = [len(axis.places) for axis in axes]
    strides = [prod(sizes[i + 1 :]) for i in range(len(sizes))]
    found: list[Segment] = []
    for runs in product(*(tuple(axis.runs()) for axis in axes)):
        along = len(runs) - 1
        if along and runs[-1].length < min(SHORT, runs[-2].length):
            along -= 1
        lengths = [run.length if i != along else 1 for i, run in enumerate(runs)]
        for place in product(*map(range, lengths)):
            found += _pieces(runs, place, along, strides, read, taps)
    return _spread(found)


def _pieces(
    runs: Sequence[Run], place: Sequence[int], along: int, strides: Sequence[int], read: Sequence[int],
    taps: Sequence[int],
) -> list[Segment]:  # fmt: skip
    """The segments along one axis from one place of a block on."""
    pixel = sum((run.start + n * run.step) * stride for run, n, stride in zip(runs, place, strides, strict=True))
    x = sum((run.place.position + n * run.advance) * step for run, n, step in zip(runs, place, read, strict=True))
    w = sum(run.place.tap * step for run, step in zip(runs, taps, strict=True))
    counts = tuple(run.place.count for run in runs)
    step, advance = runs[along].step * strides[along], runs[along].advance * read[along]
    length = runs[along].length
    pieces = -(-length // PIECE)
    cuts = [length * i // pieces for i in range(pieces + 1)]
    return [
        Segment(stop - start, pixel + start * step, step, x + start * advance, advance, w, counts)
        for start, stop in pairwise(cuts)
    ]


def _spread(segments: Sequence[Segment]) -> list[Segment]:
    """Segments in an order in which any stretch of them has its share of the long ones and of the short ones."""
    work: dict[tuple[int, tuple[int, ...]], list[Segment]] = {}
    for segment in segments:
        work.setdefault((segment.length, segment.counts), []).append(segment)
    placed = [((i + 0.5) / len(alike), n, s) for n, alike in enumerate(work.values()) for i, s in enumerate(alike)]
    return [segment for _, _, segment in sorted(placed, key=lambda item: item[:2])]


@lru_cache(maxsize=256)
def choose_row_tiles(tile: Tile, outs: int, segments: tuple[tuple[int, int], ...]) -> RowTiles:
    """The tiles that take the fewest cycles for ``outs`` channels of a group.

    Args:
        tile: That of products, which says how many registers there are.
        outs: Channels of a group.
        segments: Length of each segment, and how many taps it meets.
    """
    panels = -(-outs // UNIT)
    lengths: dict[int, int] = {}
    for length, taps in segments:
        lengths[length] = lengths.get(length, 0) + taps
    held, registers = {16: (30, 1), 6: (7, 2)}.get(tile.rows * tile.vectors, (3, 4))
    best: tuple[float, int, tuple[int, ...]] = (float("inf"), 1, (1,))
    for vectors in range(1, min(MOST_VECTORS, panels, held - 1) + 1):
        sets = {vectors: panels // vectors, panels % vectors: 1}
        for widest in range(1, min(WIDEST, (held - vectors) // vectors) + 1):
            widths = sorted({widest} | {n % widest for n in lengths} - {0}, reverse=True)
            widths = [n for n in widths if n != widest or max(lengths) >= widest]
            cycles = sum(
                often * count * (n // widest * _cycles(widest, v, registers) + _cycles(n % widest, v, registers))
                for n, count in lengths.items()
                for v, often in sets.items()
                if v
            )
            cycles *= 1 + CODE * len(widths) * (1 + (panels % vectors > 0))
            best = min(best, (cycles, vectors, tuple(widths)))
    _, vectors, chosen = best
    return RowTiles(vectors, panels % vectors, chosen)


def _cycles(pixels: int, vectors: int, registers: int) -> float:
    """Of a tap."""
    if not pixels:
        return 0.0
    held = vectors * registers
    return max(pixels * held / 2, (pixels + held) / 2, LATENCY, STREAM * vectors) + (pixels + held) / 16


def conv_rows_words(
    x: Sequence[int],
    x_steps: Sequence[int],
    w: int,
    samples: int,
    ins: int,
    outs: int,
    groups: int,
    axes: Sequence[Taps],
    extents: Sequence[int],
    tiles: RowTiles,
    clock: int,
    extras: Sequence[Sequence[int]] = (),
    results: Sequence[Sequence[int]] = (),
    own: bool = False,
) -> list[int]:
    """The argument words of a convolution; ``ins`` and ``outs`` are the channels of one group.

    ``x`` is ``(pointer, bytes from a sample to the next)``, ``x_steps`` bytes from one position to the next along each
    axis. Operands are ``(pointer, sample, pixel, 0)``; channels follow one another.

    Raises:
        ValueError: if an operand has not four words.
    """
    w_steps, w_in, w_panel = filter_strides(extents, ins, outs, own=own)
    operands = operand_words((*extras, *results))
    steps = [
        n
        for axis, read, tap in zip(axes, x_steps, w_steps, strict=True)
        for n in (axis.position_step * read, axis.tap_step * tap)
    ]
    segments = segments_of(axes, x_steps, w_steps)
    panels = -(-outs // UNIT)
    header = [x[0], x[1], ins * ITEM, w, panels * w_panel, w_panel, w_in, samples, groups, ins, outs]
    header += [-(-panels // tiles.vectors), len(segments), HEADER + len(steps) + len(operands), clock]
    table = [
        n
        for s in segments
        for n in (s.length, s.pixel, s.step, s.x, s.advance, s.w, *s.counts)
    ]  # fmt: skip
    return [*header, *steps, *operands, *table]


def filter_strides(extents: Sequence[int], ins: int, outs: int, *, own: bool) -> tuple[list[int], int, int]:
    """Bytes of the weights from one tap to the next along each axis, to the next input channel, to the next panel."""
    tap = outs * ITEM if own else VECTOR
    strides = [tap]
    for extent in reversed(extents[1:]):
        strides.insert(0, strides[0] * extent)
    if own:
        return strides, 0, VECTOR
    return strides, prod(extents) * VECTOR, prod(extents) * ins * VECTOR


def lengths_of(axes: Sequence[Taps]) -> tuple[tuple[int, int], ...]:
    """Length of each segment, and how many taps it meets, sorted: what tiles are chosen by."""
    nothing = [0] * len(axes)
    return tuple(sorted((s.length, prod(s.counts)) for s in segments_of(axes, nothing, nothing)))
