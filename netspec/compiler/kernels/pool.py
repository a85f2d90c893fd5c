"""Pooling with 16 samples in the lanes: the largest or the mean of what each window meets, and its gradient.

Few samples are pooled with 16 channels in the lanes, in rows as they lie. What windows meet at the edges are the tables
of `windows`; padding never wins and does not count. The gradient of the largest goes to one winner, the first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal, TypeAlias

from netspec.compiler.kernels.kernel import UNIT, Kernel
from netspec.compiler.kernels.windows import WORDS_OF_RUN, Axis, Shares, tables

PoolKind: TypeAlias = Literal["max", "average"]
WORDS = ("blocks", "channels", "plane", "rows", "rows_at", "runs", "runs_at", "clears", "pixel", "vectors")
SIDES = ("x", "y", "cotangent", "result")
SIDE_WORDS = 3  # pointer, bytes from a block and from a channel to the next
WRITTEN_OUT = 9  # taps of a window that are no loops
HEADER = 10  # words before those of the sides, the steps of each axis, and the tables


@dataclass(frozen=True)
class PoolCode:
    """All that the code depends on.

    ``extents`` are the taps along each axis if there are few, which are then written out; else None for each.
    ``disjoint``: no two windows meet the same place, so that a gradient is stored and never added up. ``rows``: 16
    channels are in the lanes, not samples; ``whole``, they fill all lanes.
    """

    kind: PoolKind
    extents: tuple[int | None, ...]
    backward: bool
    disjoint: bool
    rows: bool
    whole: bool

    @property
    def name(self) -> str:
        form = "_gradient" if self.backward else "_rows" if self.rows else ""
        return f"{self.kind}_pool{len(self.extents)}d{form}"


def pool_kernel(
    kind: PoolKind, axes: Sequence[Axis | Shares], *, backward: bool = False, rows_of: int | None = None
) -> Kernel:
    """The kernel of a pooling by windows like those of ``axes``, or of its gradient; split on blocks of 16 samples.

    With ``rows_of`` so many channels it pools samples in rows, and is split on vectors of channels of samples.

    Raises:
        ValueError: for the gradient of samples in rows.
    """
    if backward and rows_of is not None:
        raise ValueError("the gradient of pooling has samples in the lanes")
    few = all(axis.equal for axis in axes) and prod(axis.extent for axis in axes) <= WRITTEN_OUT
    extents = tuple(axis.extent if few else None for axis in axes)
    disjoint = backward and all(axis.apart for axis in axes)
    code = PoolCode(kind, extents, backward, disjoint, rows_of is not None, (rows_of or 0) % UNIT == 0)

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.pool_emit import emit_pool

        return emit_pool(code)

    window = "x".join("n" if extent is None else str(extent) for extent in extents)
    kinds = f"{' disjoint' if disjoint else ''}{' masked' if code.rows and not code.whole else ''}"
    return Kernel(code.name, f"pool {code.name} {window}{kinds}", build)


def pool_words(
    samples: int,
    channels: int,
    steps: Sequence[int],
    x: Sequence[int],
    y: Sequence[int],
    cotangent: Sequence[int],
    result: Sequence[int],
    axes: Sequence[Axis | Shares],
    pixels: int,
    pixel: int = 0,
) -> list[int]:
    """The argument words; ``steps`` are bytes from one position of ``x`` to the next, along each axis.

    Forward, ``y`` is written from ``x``; backward, ``result`` of ``pixels`` from ``cotangent`` and, for the largest,
    ``x`` and ``y``. Sides are ``(pointer, block, channel)``; those that are not used are zeros. Of samples in rows,
    ``(pointer, sample, vector of channels)``, and ``pixel`` are the bytes of a written one.
    """
    taps = [axis.forward() for axis in axes]
    rows, runs = tables(taps, steps, [0] * len(axes))
    moves = [axis.position_step * step for axis, step in zip(taps, steps, strict=True)]
    clears = not all(axis.apart and axis.covers for axis in axes)
    rows_at = HEADER + SIDE_WORDS * len(SIDES) + len(moves)
    counts = len(rows) // (2 + len(axes)), len(runs) // WORDS_OF_RUN
    header = [samples if pixel else -(-samples // UNIT), channels, pixels]
    header += [counts[0], rows_at, counts[1], rows_at + len(rows), int(clears)]
    header += [pixel or UNIT * 4, -(-channels // UNIT)]
    return [*header, *x, *y, *cotangent, *result, *moves, *rows, *runs]
