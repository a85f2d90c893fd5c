"""Where windows lie: which taps of a window meet something at each position, along one axis and over all of them.

An output position of a convolution reads ``position * stride + tap * dilation - before``; what leads back to an input
position is the same set of pairs, read the other way. Both are said alike: for every written position a first tap and a
first position that is read, how many there are, and constant steps from one to the next. So padding costs no memory and
no multiplications, and one kernel serves outputs and input gradients for any stride and dilation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from math import gcd

WORDS_OF_RUN = 7


@dataclass(frozen=True)
class Axis:
    """A window along one axis: ``extent`` taps, ``dilation`` apart, moved by ``stride`` over ``size`` positions.

    ``before`` positions of padding stand in front; ``count`` is how many times the window is laid down.
    """

    size: int
    extent: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0

    @property
    def span(self) -> int:
        """Positions from the first to the last tap."""
        return (self.extent - 1) * self.dilation + 1

    @property
    def count(self) -> int:
        return (self.size + self.before + self.after - self.span) // self.stride + 1

    @property
    def equal(self) -> bool:
        """Whether all windows have as many taps."""
        return True

    @property
    def frame(self) -> tuple[int, int]:
        """Positions in front of the axis and behind it that taps may reach."""
        return self.before, self.after + self.span

    def reads(self, tap: int) -> range:
        """What a tap of every window reads, counted from the first position of the frame."""
        return range(tap * self.dilation, tap * self.dilation + (self.count - 1) * self.stride + 1, self.stride)

    @property
    def apart(self) -> bool:
        """Whether no position is in two windows."""
        return self.stride >= self.span

    @property
    def covers(self) -> bool:
        """Whether every position is in a window."""
        return all(place.count for place in self.backward().places)

    def forward(self) -> Taps:
        """What each laid down window reads."""
        places = []
        for window in range(self.count):
            first = window * self.stride - self.before
            taps = self._inside(first, self.dilation, self.size)
            places.append(Place(len(taps), first + taps.start * self.dilation, taps.start) if taps else NOTHING)
        return Taps(tuple(places), self.dilation, 1, 1)

    def _inside(self, first: int, step: int, size: int) -> range:
        """The taps, ``step`` apart from ``first`` on, that lie on an axis of ``size``: reckoned, not searched."""
        return range(max(0, -(first // step)), min(self.extent, -((first - size) // step)))

    def backward(self) -> Taps:
        """The windows, and the taps of them, that each position is read by."""
        common = gcd(self.stride, self.dilation)
        period, back = self.stride // common, self.dilation // common
        inverse = pow(back, -1, period)
        places = []
        for position in range(self.size):
            ahead, rest = divmod(position + self.before, common)
            # The first tap at which a window of any number begins; from there on every ``period``-th, ``back`` windows
            # further to the front each.
            tap = ahead * inverse % period
            window = (ahead - tap * back) // period
            skipped = max(0, -((self.count - 1 - window) // back))
            tap, window = tap + skipped * period, window - skipped * back
            count = min(window // back, (self.extent - 1 - tap) // period) + 1
            places.append(Place(count, window, tap) if rest == 0 and count > 0 else NOTHING)
        return Taps(tuple(places), -back, period, self.stride)


@dataclass(frozen=True)
class Shares:
    """``count`` windows that cover an axis of ``size`` positions, as equal as whole positions allow.

    Window i reaches from ``i * size / count``, rounded down, to ``(i + 1) * size / count``, rounded up.
    """

    size: int
    count: int

    def bounds(self) -> list[tuple[int, int]]:
        """The first position of each window, and the first one behind it."""
        return [(i * self.size // self.count, -(-(i + 1) * self.size // self.count)) for i in range(self.count)]

    @property
    def extent(self) -> int:
        """How many positions the largest window has."""
        return max(stop - start for start, stop in self.bounds())

    @property
    def equal(self) -> bool:
        """Whether all windows have as many positions."""
        return len({stop - start for start, stop in self.bounds()}) == 1

    @property
    def frame(self) -> tuple[int, int]:
        """Positions in front of the axis and behind it that taps may reach."""
        return 0, 1

    def reads(self, tap: int) -> list[int]:
        """What a tap of every window reads; those that are too short for it, the position behind the axis."""
        return [start + tap if start + tap < stop else self.size for start, stop in self.bounds()]

    @property
    def apart(self) -> bool:
        """Whether no position is in two windows."""
        return all(stop <= start for (_, stop), (start, _) in pairwise(self.bounds()))

    @property
    def covers(self) -> bool:
        """Whether every position is in a window."""
        return True

    def forward(self) -> Taps:
        """What each window reads."""
        return Taps(tuple(Place(stop - start, start, 0) for start, stop in self.bounds()), 1, 1, 1)


@dataclass(frozen=True)
class Place:
    """What is read for one written position: how many taps, the first position, the first tap."""

    count: int
    position: int
    tap: int


NOTHING = Place(0, 0, 0)


@dataclass(frozen=True)
class Taps:
    """The places of an axis; from one tap to the next the position and the tap move by constant steps.

    ``phases``: positions so far apart have like places.
    """

    places: tuple[Place, ...]
    position_step: int
    tap_step: int
    phases: int

    def runs(self) -> Iterator[Run]:
        """Written positions a constant step apart with the same taps, whose read positions are evenly spaced."""
        for phase in range(min(self.phases, len(self.places))):
            positions = range(phase, len(self.places), self.phases)
            cuts = [0, *self._changes(positions), len(positions)]
            for begin, end in pairwise(cuts):
                if begin < end:
                    yield self._run(positions[begin:end])

    def _changes(self, positions: Sequence[int]) -> Iterator[int]:
        """The places in ``positions`` where another run begins."""
        begun = 0
        for i in range(1, len(positions)):
            first, last, one = (self.places[positions[n]] for n in (begun, i - 1, i))
            alike = (one.count, one.tap) == (last.count, last.tap)
            even = i == begun + 1 or one.position - last.position == self.places[positions[begun + 1]].position - (
                first.position
            )
            if not (alike and even):
                begun = i
                yield i

    def _run(self, positions: Sequence[int]) -> Run:
        first = self.places[positions[0]]
        advance = self.places[positions[1]].position - first.position if len(positions) > 1 else 0
        return Run(len(positions), positions[0], self.phases, first, advance)


@dataclass(frozen=True)
class Run:
    """``length`` written positions from ``start`` on, ``step`` apart; each reads ``advance`` positions further on."""

    length: int
    start: int
    step: int
    place: Place
    advance: int


def tables(axes: Sequence[Taps], read: Sequence[int], taps: Sequence[int]) -> tuple[list[int], list[int]]:
    """The words of a kernel over windows: of the outer positions, and of the runs along the last axis.

    An outer position is ``(first written pixel, byte offset of what is read, of the taps, counts of each outer axis)``,
    a run ``(length, first pixel, pixels from one to the next, count, byte offset of what is read, bytes from one to the
    next, byte offset of the taps)``.

    Args:
        axes: Every axis, the last one innermost.
        read: Bytes from one read position to the next, along each axis.
        taps: Bytes from one tap to the next, along each axis.
    """
    *outer, inner = axes
    sizes = [len(axis.places) for axis in axes]
    rows: list[int] = []
    for row in product(*(range(size) for size in sizes[:-1])):
        pixel, places = 0, [axis.places[i] for axis, i in zip(outer, row, strict=True)]
        for i, size in zip(row, sizes[1:], strict=True):
            pixel = (pixel + i) * size
        rows += [
            pixel,
            sum(place.position * step for place, step in zip(places, read, strict=False)),
            sum(place.tap * step for place, step in zip(places, taps, strict=False)),
            *(place.count for place in places),
        ]
    runs: list[int] = []
    for run in inner.runs():
        place = run.place
        runs += [
            *(run.length, run.start, run.step, place.count),
            *(place.position * read[-1], run.advance * read[-1], place.tap * taps[-1]),
        ]
    return rows, runs


@dataclass(frozen=True)
class Meeting:
    """What one tap meets: ``count`` windows from ``window`` on, which read from ``position`` on, a stride apart."""

    count: int
    window: int
    position: int


def meetings(axis: Axis) -> list[Meeting]:
    """For each tap of an axis the windows in which it meets something."""
    found = []
    for tap in range(axis.extent):
        first = tap * axis.dilation - axis.before
        start = max(0, -(first // axis.stride))
        stop = min(axis.count, -((first - axis.size) // axis.stride))
        found.append(Meeting(stop - start, start, first + start * axis.stride) if start < stop else Meeting(0, 0, 0))
    return found
