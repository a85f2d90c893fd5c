"""Products with chosen rows of a table, and sums of them: what sampled losses compute instead of a whole product."""

from __future__ import annotations

from collections.abc import Callable

from netspec.compiler.kernels.kernel import Kernel
from netspec.tensortype import DType

WORDS = ("x", "x_row", "table", "table_row", "index", "target", "target_row", "rows", "each", "columns")


def chosen_rows_kernel(kind: str, dtype: DType) -> Kernel:
    """``contract``: ``target[r, k] = x[r] . table[index[r, k]]``; ``mix``: ``target[r] = sum_k x[r, k] table[...]``.

    ``sum``: ``target[r] = sum_k table[index[k * rows + r]]``; ``sum_limited``: of the k below ``x[r]``.

    Split on rows. A product is 16 partial sums in the lanes and a fixed tree over these, a sum one chain in the order
    of k. Numbers below 0 name no row.
    """

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.chosen_rows_emit import emit_chosen_rows

        return emit_chosen_rows(kind, dtype)

    return Kernel(f"{kind}_rows", f"{kind} rows by {dtype}", build)


def chosen_rows_words(
    x: tuple[int, int],
    table: tuple[int, int],
    index: int,
    target: tuple[int, int],
    rows: int,
    each: int,
    columns: int,
) -> list[int]:
    """The argument words: addresses with bytes from a row to the next, numbers of a row, elements of a table's row.

    Numbers follow one another without padding.
    """
    return [*x, *table, index, *target, rows, each, columns]
