"""Windows that slide over the axes between the batch and the channels, and what lowering them shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Final, overload

from netspec.compiler.graph.op import Lanes, part
from netspec.tensortype import Dim, ShapeError, TensorType, known

if TYPE_CHECKING:
    from collections.abc import Iterator

    from netspec.compiler.graph.op import Array
    from netspec.compiler.kernels.windows import Axis, Shares

VECTOR = 64  # bytes of 16 float32

MOST: Final = 1 << 21
"""Positions of an axis that windows slide over, and of all axes but the last together; places of a `route`; channels.

Kernels get tables of them, some 50 bytes and 2 us for each: for two millions it is 5 s until a step can begin.
"""


@part
@dataclass(frozen=True)
class Window:
    """How a window slides along one axis: ``extent`` taps ``dilation`` apart, and the padding around the axis."""

    extent: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0

    def axis(self, size: int) -> Axis:
        """The window on an axis of ``size`` positions.

        Raises:
            ShapeError: if it is larger.
        """
        from netspec.compiler.kernels.windows import Axis

        axis = Axis(size, self.extent, self.stride, self.dilation, self.before, self.after)
        if axis.count < 1:
            raise ShapeError(f"a window that spans {axis.span} does not fit into {size + self.before + self.after}")
        return axis


@part
@dataclass(frozen=True)
class Share:
    """How many windows share an axis, whatever its size.

    Along an axis of n positions window i reaches from ``i * n / count``, rounded down, to ``(i + 1) * n / count``,
    rounded up: windows cover everything and overlap where they do not divide it.
    """

    count: int

    def axis(self, size: int) -> Shares:
        """The windows on an axis of ``size`` positions."""
        from netspec.compiler.kernels.windows import Shares

        return Shares(size, self.count)


def copied_in_lanes(axis: int, inputs: Sequence[TensorType]) -> Lanes | None:
    """How stretches of ``axis`` are copied where samples lie in the lanes: channels and pixels, not samples."""
    first = inputs[0]
    whole = first.rank >= 3 and not isinstance(first.shape[0], int) and first.dtype == "float32"
    fixed = all(isinstance(n, int) for x in inputs for n in x.shape[1:])
    return Lanes((True,) * len(inputs)) if axis and whole and fixed else None


@overload
def axes_of(windows: Sequence[Window], space: Sequence[Dim]) -> list[Axis]: ...
@overload
def axes_of(windows: Sequence[Window | Share], space: Sequence[Dim]) -> list[Axis | Shares]: ...
def axes_of(windows: Sequence[Window | Share], space: Sequence[Dim]) -> Sequence[Axis | Shares]:
    """The windows on the axes of an array.

    Raises:
        ShapeError: if a window is larger than what it slides over, there is not one for each axis, or there are more
            positions than kernels can list.
    """
    if len(windows) != len(space):
        raise ShapeError(f"{len(windows)} windows do not slide over {len(space)} axes")
    axes = [window.axis(known(size)) for window, size in zip(windows, space, strict=True)]
    for sizes in ([axis.size for axis in axes], [axis.count for axis in axes]):
        refuse_too_many(sizes[-1], "positions of an axis that windows slide over")
        refuse_too_many(prod(sizes[:-1]), "positions of the axes before the last that windows slide over")
    return axes


def refuse_too_many(count: int, what: str) -> None:
    """Whether a table can list so many.

    Raises:
        ShapeError: if they are more than `MOST`.
    """
    if count > MOST:
        raise ShapeError(f"{count:,} {what} are more than the {MOST:,} that are possible")


def taps(x: Array, axes: Sequence[Axis | Shares], fill: float = 0.0) -> Iterator[tuple[tuple[int, ...], Array]]:
    """For each tap what every window reads there, ``fill`` where it meets nothing: ``[B, *counts, C]``."""
    import numpy as np

    padded = np.pad(x, [(0, 0), *(axis.frame for axis in axes), (0, 0)], constant_values=fill)
    for tap in np.ndindex(*(axis.extent for axis in axes)):
        yield tap, padded[(slice(None), *_cut(tap, axes))]


def untaps(parts: Iterator[tuple[tuple[int, ...], Array]], axes: Sequence[Axis | Shares]) -> Array:
    """The adjoint of `taps`: adds what each tap gives to where it was read."""
    import numpy as np

    total = None
    for tap, array in parts:
        if total is None:
            space = [axis.size + sum(axis.frame) for axis in axes]
            total = np.zeros((array.shape[0], *space, array.shape[-1]), array.dtype)
        cut = (slice(None), *_cut(tap, axes))
        if isinstance(cut[-1], slice):
            total[cut] += array
        else:  # where there are more windows than positions, a tap of several reads the same one
            np.add.at(total, cut, array)
    assert total is not None
    whole = (slice(axis.frame[0], axis.frame[0] + axis.size) for axis in axes)
    return np.ascontiguousarray(total[(slice(None), *whole)])


def _cut(tap: Sequence[int], axes: Sequence[Axis | Shares]) -> tuple[Any, ...]:
    """The index of what a tap of every window reads; slices, which copy nothing, where positions are a step apart."""
    import numpy as np

    reads = [axis.reads(t) for t, axis in zip(tap, axes, strict=True)]
    steps = [slice(r.start, r.stop, r.step) for r in reads if isinstance(r, range)]
    return tuple(steps) if len(steps) == len(reads) else np.ix_(*reads)


def space_steps(sizes: Sequence[int]) -> list[int]:
    """Bytes from one position to the next along each axis of a plane."""
    return [VECTOR * prod(sizes[i + 1 :]) for i in range(len(sizes))]
