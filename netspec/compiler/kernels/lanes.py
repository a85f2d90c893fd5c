"""From rows of samples to 16 samples in the lanes, and back: what kernels over windows read and write.

Rows are ``[sample][pixel][channel]``, lanes ``[block of 16 samples][channel][pixel][16]``. Lanes past the last sample
repeat it: what is computed in them is as finite as what is computed for it, and nobody reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from netspec.compiler.kernels.kernel import Kernel

Direction: TypeAlias = Literal["in", "out"]
WORDS = ("rows", "row", "lanes", "block", "samples", "pixels", "channels", "plane")


def lanes_kernel(direction: Direction) -> Kernel:
    """The copy from rows into lanes, or out of them; split on rows."""

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.lanes_emit import emit_lanes

        return emit_lanes(direction)

    return Kernel(f"lanes_{direction}", f"lanes, {direction}", build)


def lanes_words(
    rows: int, row: int, lanes: int, block: int, samples: int, pixels: int, channels: int, plane: int
) -> list[int]:
    """The argument words: addresses of both sides, bytes from a row and from a block to the next, extents.

    ``plane``: bytes from a channel to the next.

    Rows are written in whole vectors: padding behind them receives anything.
    """
    return [rows, row, lanes, block, samples, pixels, channels, plane]
