"""Rows of a table, by numbers that a batch holds: what an embedding reads."""

from __future__ import annotations

from collections.abc import Callable

from netspec.compiler.kernels.kernel import Kernel
from netspec.tensortype import DType

WORDS = ("table", "table_row", "index", "target", "target_row", "rows", "each", "columns")
MASK_WORDS = ("index", "mask", "target", "rows", "each")
COPY_WORDS = ("source", "source_row", "target", "rows", "bytes", "index", "clock")


def lookup_kernel(dtype: DType) -> Kernel:
    """``target[r, k] = table[index[r, k]]`` for ``each`` numbers of a row, which are ``dtype``; split on rows."""

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.lookup_emit import emit_lookup

        return emit_lookup(dtype)

    return Kernel(f"lookup_{dtype}", f"lookup by {dtype}", build)


def lookup_words(
    table: int, table_row: int, index: int, target: int, target_row: int, rows: int, each: int, columns: int
) -> list[int]:
    """The argument words: addresses, bytes from a row to the next, rows, numbers of a row, elements of a table's row.

    Numbers follow one another without padding.
    """
    return [table, table_row, index, target, target_row, rows, each, columns]


def numbers_kernel() -> Kernel:
    """``target[r] = source[index[step * rows + r]]``, of whole numbers, which are copied bytes; split on rows."""

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.lookup_emit import emit_numbers

        return emit_numbers()

    return Kernel("gather_numbers", "gather numbers", build)


def numbers_words(source: int, source_row: int, target: int, rows: int, size: int, index: int, clock: int) -> list[int]:
    """The argument words: addresses, bytes from a row of the source to the next, rows, bytes of a row."""
    return [source, source_row, target, rows, size, index, clock]


def mask_kernel(dtype: DType) -> Kernel:
    """``target[r, k] = index[r, k]`` where ``mask[r] > 0``, else -1, as int32; split on rows."""

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.lookup_emit import emit_mask

        return emit_mask(dtype)

    return Kernel("mask_numbers", f"mask numbers that are {dtype}", build)


def mask_words(index: int, mask: int, target: int, rows: int, each: int) -> list[int]:
    """The argument words: addresses, rows, numbers of a row; there is no padding between them."""
    return [index, mask, target, rows, each]
