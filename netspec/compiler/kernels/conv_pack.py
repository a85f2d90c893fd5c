"""Weights of a convolution in panels: ``[column / 16][tap][depth][16]``, what its tiles read one after the other.

Columns are the channels that are written, the depth those that are read, both of one group after the other. A group
takes ``slots`` columns; behind its own, and behind the last column, is zero. With taps and depth exchanged panels are
``[column / 16][depth][tap][16]``.
"""

from __future__ import annotations

from collections.abc import Callable

from netspec.compiler.kernels.kernel import Kernel

WORDS = (
    "w",
    "panels",
    "taps",
    "tap",
    "depth",
    "depth_step",
    "columns",
    "per_group",
    "column_step",
    "group_step",
    "slots",
)


def conv_pack_kernel() -> Kernel:
    """The kernel that packs, split on columns."""

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.conv_pack_emit import emit_conv_pack

        return emit_conv_pack()

    return Kernel("conv_pack", "conv pack", build)


def conv_pack_words(
    w: int,
    panels: int,
    taps: int,
    tap: int,
    depth: int,
    depth_step: int,
    columns: int,
    per_group: int,
    column_step: int,
    group_step: int,
    slots: int,
) -> list[int]:
    """The argument words: addresses, extents, and bytes of ``w`` from a tap, depth, column or group to the next."""
    return [w, panels, taps, tap, depth, depth_step, columns, per_group, column_step, group_step, slots]
