"""Numbers drawn by their frequencies, beside one that is given."""

from __future__ import annotations

from collections.abc import Callable

from netspec.compiler.kernels.kernel import Kernel
from netspec.tensortype import DType

WORDS = ("given", "keep", "other", "values", "draws", "draws_row", "target", "rows", "count")


def draw_rows_kernel(dtype: DType) -> Kernel:
    """``target[r] = given[r]``, then ``count`` numbers by the table of two columns, -1 in the place of the given one.

    Split on rows.
    """

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.draw_rows_emit import emit_draw_rows

        return emit_draw_rows(dtype)

    return Kernel("draw_rows", f"draw rows beside {dtype}", build)


def draw_rows_words(
    given: int, keep: int, other: int, values: int, draws: tuple[int, int], target: int, rows: int, count: int
) -> list[int]:
    """The argument words: addresses, how many numbers there are to draw from, bytes between rows of draws, sizes.

    The given numbers and the results follow one another without padding.
    """
    return [given, keep, other, values, *draws, target, rows, count]
