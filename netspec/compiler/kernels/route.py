"""Weighted sums of vectors by a table, with 16 samples in the lanes: copies, interpolation and their gradients.

A written vector is one ascending chain of multiply-adds over what the table lists for it; where it lists nothing it is
zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import pack, unpack

from netspec.compiler.kernels.kernel import UNIT, Kernel

WORDS = ("x", "x_block", "x_channel", "y", "y_block", "y_channel", "blocks", "channels", "places")


def route_kernel() -> Kernel:
    """``y[place] = sum of weight * x[source]`` for every channel; split on blocks of 16 samples."""

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.route_emit import emit_route

        return emit_route()

    return Kernel("route", "route", build)


def route_words(
    x: Sequence[int],
    y: Sequence[int],
    samples: int,
    channels: int,
    reads: Sequence[int],
    writes: Sequence[int],
    sources: Sequence[Sequence[tuple[int, float]]],
) -> list[int]:
    """The argument words; sides are ``(pointer, bytes from a block to the next, from a channel to the next)``.

    ``reads`` and ``writes`` are the bytes from a block's beginning to the first channel of each place. The table has
    for each written place ``(bytes, number of sources)`` and then ``(bytes, weight)`` of each.
    """
    table: list[int] = []
    for place, of in zip(writes, sources, strict=True):
        table += [place, len(of)]
        for source, weight in of:
            table += [reads[source], _bits(weight)]
    return [*x, *y, -(-samples // UNIT), channels, len(writes), *table]


def _bits(weight: float) -> int:
    """A float32 in the low half of a word."""
    (bits,) = unpack("<i", pack("<f", weight))
    return int(bits)
