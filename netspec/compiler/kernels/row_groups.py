"""Sums over the places of a batch that name the same row of a table, and what is made of that row with them.

A row belongs to one thread, whatever places name it. That thread links the places of each row of its own, from the last
to the first, then adds what stands there in the order of the batch. So bits do not depend on threads, no row that the
batch does not name is touched, and nothing of the size of the table has to be cleared for a step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from netspec.compiler.kernels.kernel import Body, Kernel
from netspec.tensortype import DType

WORDS = (
    "clock",
    "index",
    "rows",
    "each",
    "columns",
    "source",
    "source_row",
    "width",
    "factors",
    "factors_row",
    "heads",
    "links",
)

Word = TypeVar("Word")


def merge_kernel(dtype: DType, *, outer: bool) -> Kernel:
    """``target[p]`` is the sum at all places that name the row of ``p``, if ``p`` is the first of them, else 0."""

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.row_groups_emit import emit_merge

        return emit_merge(dtype, outer=outer)

    return Kernel("merge_rows", f"merge rows{_outer(outer)} by {dtype}", build)


def update_kernel(
    dtype: DType, body: Body, tables: int, stepped: Sequence[bool], results: int, *, outer: bool
) -> Kernel:
    """The rows of ``results`` tables that are named become ``body`` of their sums, rows of ``tables`` and scalars.

    ``stepped`` says for each scalar whether it is one of each step.
    """

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.row_groups_emit import emit_update

        return emit_update(dtype, body, tables, stepped, results, outer=outer)

    text = f"update rows{_outer(outer)} by {dtype} of {tables} and {list(stepped)} to {results}\n{body.text}"
    return Kernel(f"update_rows_{tables}x{len(stepped)}x{results}", text, build)


def _outer(outer: bool) -> str:
    return " of outer products" if outer else ""


def group_words(
    clock: Word,
    index: Word,
    rows: Word,
    each: Word,
    columns: Word,
    source: Word,
    source_row: Word,
    width: Word,
    factors: Word,
    factors_row: Word,
    heads: Word,
    links: Word,
    places: Sequence[Sequence[Word]],
    scalars: Sequence[Word] = (),
) -> list[Word]:
    """The argument words: addresses, and bytes from a row to the next.

    ``each`` numbers of a row follow one another without padding; one below 0 names no row. To each belong ``columns``
    elements of the source, ``width`` bytes from those of the number before; or, of outer products, a factor and the
    whole row of the source.
    ``heads`` is an int64 for each row of the table, ``links`` one for each number; what they hold before does not
    matter. ``places`` are pairs of an address and a stride: the tables, then the results.
    """
    words = [clock, index, rows, each, columns, source, source_row, width, factors, factors_row, heads, links]
    return [*words, *(word for place in places for word in place), *scalars]
