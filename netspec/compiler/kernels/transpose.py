"""Transpositions and copies between layouts of float32 matrices.

A product reads its right side in panels of columns. What a step needs transposed (weights for the backward product)
is written by the owner of the source's rows, or columns, right after it has updated them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from netspec.compiler.kernels.kernel import WORDS_PER_OPERAND, Kernel
from netspec.compiler.kernels.rows import Word, panel_shift

HEADER = 5  # outer extent, rows, columns, panel shifts of source and target; then the words of both
SOURCE, TARGET = HEADER, HEADER + WORDS_PER_OPERAND


Axis: TypeAlias = Literal["rows", "columns", "outer"]


def transpose_kernel(split: Axis = "rows") -> Kernel:
    """``target[o, c, r] = source[o, r, c]``, split on the source's rows, its columns (by 32) or the outer axis."""

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.transpose_emit import emit_transpose

        return emit_transpose(split)

    return Kernel(f"transpose_{split}", f"transpose, split on {split}", build)


def relayout_kernel() -> Kernel:
    """``target[o, r, c] = source[o, r, c]`` between two layouts, split on rows."""

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.transpose_emit import emit_relayout

        return emit_relayout()

    return Kernel("relayout", "relayout, split on rows", build)


def transpose_words(
    rows: Word,
    columns: Word,
    source: Sequence[Word],
    target: Sequence[Word],
    outer: Word | int = 1,
    source_width: int = 0,
    target_width: int = 0,
) -> list[Word | int]:
    """The argument words of `transpose_kernel` and `relayout_kernel`; words may be symbolic, strides are in bytes.

    ``rows`` and ``columns`` are the source's. Source and target are ``(pointer, row, outer, panel stride)`` with panels
    of so many columns; panel stride 0 says that rows are not cut into panels. Rows of the target are written in whole
    vectors: its padding receives anything.

    Raises:
        ValueError: if a side has not four words.
    """
    words: list[Word | int] = [outer, rows, columns, panel_shift(source_width), panel_shift(target_width)]
    for side in (source, target):
        if len(side) != WORDS_PER_OPERAND:
            raise ValueError(f"an operand has {WORDS_PER_OPERAND} words, got {len(side)}")
        words += side
    return words
