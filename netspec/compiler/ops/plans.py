"""Plans of routes: from which places each place of the result is made, and with which weights.

A place is a pixel and one block of its channels, numbered row by row with blocks running faster, so that ``[B, *space,
blocks * C]`` read row by row is ``[B, places, C]``. Plans know nothing of ``C``: all channels of a block go together.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod
from typing import TYPE_CHECKING, TypeAlias

from netspec.compiler.graph.op import part
from netspec.compiler.ops.windows import Window, axes_of
from netspec.tensortype import ShapeError

if TYPE_CHECKING:
    from netspec.compiler.kernels.windows import Axis

Sources: TypeAlias = tuple[tuple[int, float], ...]
"""The places that one place is the weighted sum of."""


@dataclass(frozen=True)
class Plan(ABC):
    """How places of ``space`` go to places of another space."""

    @property
    def blocks(self) -> tuple[int, int]:
        """How many blocks the channels have that are read, and those that are written."""
        return 1, 1

    @abstractmethod
    def written(self, space: tuple[int, ...]) -> tuple[int, ...]:
        """The space of the result.

        Raises:
            ShapeError: if the plan is for another number of axes.
        """

    @abstractmethod
    def sources(self, space: tuple[int, ...]) -> tuple[Sources, ...]:
        """What each place of the result is made of, ascending."""


@lru_cache(maxsize=256)
def routes(plan: Plan, space: tuple[int, ...], turned: bool) -> tuple[Sources, ...]:
    """What each written place is made of; ``turned``, what each read place goes to, which is the gradient."""
    ahead = plan.sources(space)
    if not turned:
        return ahead
    back: list[list[tuple[int, float]]] = [[] for _ in range(prod(space) * plan.blocks[0])]
    for place, sources in enumerate(ahead):
        for source, weight in sources:
            back[source].append((place, weight))
    return tuple(tuple(one) for one in back)


@part
@dataclass(frozen=True)
class Nearest(Plan):
    """Every position repeated ``factors`` times along each axis."""

    factors: tuple[int, ...]

    def written(self, space: tuple[int, ...]) -> tuple[int, ...]:
        return _scaled(space, self.factors)

    def sources(self, space: tuple[int, ...]) -> tuple[Sources, ...]:
        axes = [[((i // f, 1.0),) for i in range(n * f)] for n, f in zip(space, self.factors, strict=True)]
        return _crossed(axes, space)


@part
@dataclass(frozen=True)
class Linear(Plan):
    """``factors`` times as many positions along each axis, on straight lines between the centres of what is read.

    Position i of the result lies at ``(i + 1/2) / factor - 1/2`` of what is read; beyond the outermost centres the
    outermost values stay.
    """

    factors: tuple[int, ...]

    def written(self, space: tuple[int, ...]) -> tuple[int, ...]:
        return _scaled(space, self.factors)

    def sources(self, space: tuple[int, ...]) -> tuple[Sources, ...]:
        return _crossed([_between(n, f) for n, f in zip(space, self.factors, strict=True)], space)


@part
@dataclass(frozen=True)
class Patches(Plan):
    """What each window meets, side by side as the channels of one pixel: window by window, tap by tap."""

    windows: tuple[Window, ...]
    windows_laid: int

    @property
    def blocks(self) -> tuple[int, int]:
        return 1, self.windows_laid * prod(window.extent for window in self.windows)

    def written(self, space: tuple[int, ...]) -> tuple[int, ...]:
        if prod(axis.count for axis in axes_of(self.windows, space)) != self.windows_laid:
            raise ShapeError(f"windows are laid down on {space} another number of times than {self.windows_laid}")
        return (1,) * len(space)

    def sources(self, space: tuple[int, ...]) -> tuple[Sources, ...]:
        axes = axes_of(self.windows, space)
        found: list[Sources] = []
        for window in product(*(range(axis.count) for axis in axes)):
            for tap in product(*(range(axis.extent) for axis in axes)):
                read = [_reads(axis, w, t) for axis, w, t in zip(axes, window, tap, strict=True)]
                inside = all(0 <= i < n for i, n in zip(read, space, strict=True))
                found.append(((_flat(read, space), 1.0),) if inside else ())
        return tuple(found)


@part
@dataclass(frozen=True)
class Unfold(Plan):
    """Blocks of channels become neighbouring pixels, ``factors`` along each axis, row by row."""

    factors: tuple[int, ...]

    @property
    def blocks(self) -> tuple[int, int]:
        return prod(self.factors), 1

    def written(self, space: tuple[int, ...]) -> tuple[int, ...]:
        return _scaled(space, self.factors)

    def sources(self, space: tuple[int, ...]) -> tuple[Sources, ...]:
        found: list[Sources] = []
        for place in product(*(range(n) for n in self.written(space))):
            pixel = _flat([i // f for i, f in zip(place, self.factors, strict=True)], space)
            block = _flat([i % f for i, f in zip(place, self.factors, strict=True)], self.factors)
            found.append(((pixel * prod(self.factors) + block, 1.0),))
        return tuple(found)


@part
@dataclass(frozen=True)
class Spread(Plan):
    """The only pixel repeated to all of ``space`` and its channels ``times`` times beside each other."""

    space: tuple[int, ...]
    times: int = 1

    @property
    def blocks(self) -> tuple[int, int]:
        return 1, self.times

    def written(self, space: tuple[int, ...]) -> tuple[int, ...]:
        if space != (1,) * len(self.space):
            raise ShapeError(f"one pixel is spread over {self.space}, got {space}")
        return self.space

    def sources(self, space: tuple[int, ...]) -> tuple[Sources, ...]:
        return (((0, 1.0),),) * (prod(self.space) * self.times)


def _scaled(space: tuple[int, ...], factors: tuple[int, ...]) -> tuple[int, ...]:
    if len(space) != len(factors):
        raise ShapeError(f"{len(factors)} factors do not scale {len(space)} axes")
    return tuple(n * f for n, f in zip(space, factors, strict=True))


def _flat(place: Sequence[int], sizes: Sequence[int]) -> int:
    at = 0
    for i, n in zip(place, sizes, strict=True):
        at = at * n + i
    return at


def _crossed(axes: Sequence[Sequence[Sources]], space: tuple[int, ...]) -> tuple[Sources, ...]:
    """Sources of places by those of their positions along each axis."""
    return tuple(
        tuple((_flat([i for i, _ in pairs], space), prod(w for _, w in pairs)) for pairs in product(*each))
        for each in product(*axes)
    )


def _between(n: int, factor: int) -> list[Sources]:
    """The one or two neighbours of each position of an axis made ``factor`` times as long."""
    found: list[Sources] = []
    for i in range(n * factor):
        at = min(max((i + 0.5) / factor - 0.5, 0.0), n - 1.0)
        low = min(int(at), n - 1)
        share = at - low
        found.append(((low, 1 - share), (low + 1, share)) if share else ((low, 1.0),))
    return found


def _reads(axis: Axis, window: int, tap: int) -> int:
    return window * axis.stride + tap * axis.dilation - axis.before
