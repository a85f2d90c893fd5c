"""What ops over the places of a batch share, each of which names a row of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from netspec.compiler.formula.formula import Formula
from netspec.compiler.graph.node import Value
from netspec.compiler.graph.op import UnsupportedError
from netspec.tensortype import BATCH, ITEM_BYTES, Dim, DType, ShapeError, TensorType, known, product

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Access, Argument, Buffer, Lowering
    from netspec.compiler.graph.op import Array, Real

NUMBERS: tuple[DType, ...] = ("uint8", "uint16", "int32", "int64")
"""The types of whole numbers that may name rows; one below 0 names none."""


def check_numbers(name: str, index: TensorType) -> None:
    """Raise a `ShapeError` unless ``index`` is whole numbers of a batch."""
    if index.rank == 0 or index.dtype not in NUMBERS:
        raise ShapeError(f"`{name}` needs whole numbers, got {index}")


def places_shape(name: str, outer: bool, index: TensorType, x: Sequence[TensorType], steps: Dim = 0) -> tuple[Dim, ...]:
    """The shape of what stands at the places of ``index``: that of ``x``, or a row for each factor of products.

    With ``steps`` the rows of ``x`` stand at every one of so many steps.

    Raises:
        ShapeError: if that is no row for each number.
    """
    check_numbers(name, index)
    if outer:
        rows, factors = x
        if rows.rank == 2 and index.rank == 2 and factors.shape == index.shape and rows.shape[0] == index.shape[0]:
            return (*index.shape, rows.channels)
    elif steps:
        if x[0].rank == 2 and index.shape == (steps * x[0].shape[0],):
            return (*index.shape, x[0].channels)
    elif x[0].shape[:-1] == index.shape:
        return x[0].shape
    raise ShapeError(f"`{name}` needs a row for each number of {index}, got {', '.join(map(str, x))}")


def at_places(outer: bool, x: Sequence[Array], real: Real, steps: Dim = 0) -> Array:
    """What stands at each place."""
    import numpy as np

    if steps:
        return np.tile(np.asarray(x[0], real), (known(steps), 1))
    if outer:
        rows, factors = (np.asarray(each, real) for each in x)
        return np.asarray(factors[..., None] * rows[:, None, :], real)
    return np.asarray(x[0], real)


def summed(rows: int, index: Array, values: Array) -> Array:
    """``[rows, C]``: what stands at the places of each row, added in their order."""
    import numpy as np

    total = np.zeros((rows, values.shape[-1]), values.dtype)
    named = index >= 0
    np.add.at(total, index[named], values[named])
    return total


def samples_of_places(sizes: Sequence[int]) -> Iterator[tuple[bool, tuple[TensorType, ...]]]:
    """Numbers below 7 and what stands at their places, for the contract tests: whether it is outer products, types."""
    for n in sizes:
        yield False, (TensorType("uint16", (BATCH,)), TensorType("float32", (BATCH, n)))
    yield False, (TensorType("int32", (BATCH, 3)), TensorType("float32", (BATCH, 3, 5)))
    for n in (5, 16, 33):
        factors = TensorType("float32", (BATCH, 3))
        yield True, (TensorType("int32", (BATCH, 3)), TensorType("float32", (BATCH, n)), factors)


def numbers_of(lowering: Lowering, value: Value) -> Buffer:
    """The memory of whole numbers of a batch, one behind the other.

    Raises:
        UnsupportedError: if there is padding between them.
    """
    buffer = lowering.buffer(value)
    if not buffer.contiguous:
        raise UnsupportedError(f"numbers that name rows lie without padding, not as {buffer.type} does")
    return buffer


class Grouped(NamedTuple):
    """What a call needs to group the places of a batch by the rows that they name."""

    dtype: DType
    outer: bool
    arguments: Mapping[str, Argument]
    reads: list[Access]
    writes: list[Access]


def grouped(lowering: Lowering, index: Value, x: Sequence[Value], rows: Dim, steps: Dim = 0) -> Grouped:
    """The arguments and accesses of a call over the places of ``index``, at which ``x`` stands."""
    from netspec.compiler.graph.lowering import Access, Clock, Pointer, Split

    numbers, source = numbers_of(lowering, index), lowering.buffer(x[0])
    factors = [lowering.buffer(value) for value in x[1:]]
    heads = lowering.temporary(TensorType("int64", (rows,)))
    links = lowering.temporary(TensorType("int64", (index.type.elements,)))
    arguments: dict[str, Argument] = {
        "clock": Clock(),
        "index": Pointer(numbers),
        # At every step the same: rows of numbers are then the steps, and each number belongs to a row of the source.
        "rows": steps or index.type.shape[0],
        "each": x[0].type.shape[0] if steps else product(index.type.shape[1:]),
        "columns": x[0].type.channels,
        "source": Pointer(source),
        "source_row": 0 if steps else source.row_stride,
        "width": source.row_stride if steps else x[0].type.channels * ITEM_BYTES["float32"],
        "factors": Pointer(factors[0]) if factors else 0,
        "factors_row": factors[0].row_stride if factors else 0,
        "heads": Pointer(heads),
        "links": Pointer(links),
    }
    own = Split("pieces", rows)
    reads = [Access(buffer) for buffer in (numbers, source, *factors)]
    return Grouped(numbers.type.dtype, bool(factors), arguments, reads, [Access(heads, own), Access(links, own)])


def update_call(
    lowering: Lowering,
    formula: Formula,
    index: Value,
    x: Sequence[Value],
    tables: Sequence[Buffer],
    scalars: Sequence[Value],
    results: Sequence[Buffer],
    steps: Dim = 0,
) -> None:
    """Let the rows of ``results`` that are named become ``formula`` of rows of ``tables``, of sums and of numbers."""
    from netspec.compiler.formula.render import body
    from netspec.compiler.graph.lowering import Access, Pointer, Split
    from netspec.compiler.kernels.row_groups import group_words, update_kernel

    rows = results[0].type.shape[0]
    groups, numbers = grouped(lowering, index, x, rows, steps), [lowering.buffer(value) for value in scalars]
    stepped = [buffer.place == "step" for buffer in numbers]
    kernel = update_kernel(groups.dtype, body(formula), len(tables), stepped, len(results), outer=groups.outer)
    arguments: dict[str, Argument] = {
        **groups.arguments,
        "places": [(Pointer(buffer), buffer.row_stride) for buffer in (*tables, *results)],
        "scalars": [Pointer(buffer) for buffer in numbers],
    }
    reads = [*groups.reads, *map(Access, (*tables, *numbers))]
    own = Split("pieces", rows)
    lowering.call(kernel, group_words, arguments, reads, [*groups.writes, *(Access(r, own) for r in results)])
