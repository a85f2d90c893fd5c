"""Another order of axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Op, Sample, UnsupportedError
from netspec.tensortype import BATCH, COLUMNS, Dim, Layout, ShapeError, Size, TensorType, laid_out, product

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Argument, Buffer, Lowering
    from netspec.compiler.graph.op import Array, Real

LINE = 64  # bytes of a vector
MOST_COPIES = 64
"""Of the heads of an attention, say: each is a kernel call."""


@dataclass(frozen=True)
class Transpose(Op):
    """Permute axes, ``perm`` as in NumPy."""

    name: ClassVar[str] = "transpose"
    perm: tuple[int, ...]
    layouts: tuple[Layout, ...] = ()

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        (x,) = inputs
        if sorted(self.perm) != list(range(x.rank)):
            raise ShapeError(f"`transpose` needs a permutation of {x.rank} axes, got {self.perm}")
        return laid_out((x.with_shape(x.shape[axis] for axis in self.perm),), self.layouts)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        (ct,) = cotangents
        return (None if ct is None else g.add(Transpose(inverse(self.perm)), ct),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        return (inputs[0].transpose(self.perm),)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.ops.stretch import relay, relay_middles, relay_swapped, steady

        if COLUMNS in (node.inputs[0].type.layout, node.types[0].layout):
            lowering.turn(node.value(), node.inputs[0])
            return
        source, target = steady(lowering, lowering.buffer(node.inputs[0])), lowering.buffer(node.value())
        shape, perm = merged(node.inputs[0].type.shape, self.perm)
        if self.perm == (1, 0):
            _transpose(lowering, source, target, (1, *node.inputs[0].type.shape))
        elif perm == tuple(range(len(perm))):
            relay(lowering, source, target)
        elif perm in ((1, 0), (0, 2, 1)):
            _transpose(lowering, source, target, (1, *shape)[-3:])
        elif perm == (1, 0, 2):
            relay_swapped(lowering, _in_rows(lowering, source, shape[0]), target, shape)
        elif perm == (0, 2, 1, 3) and isinstance(shape[1], int) and shape[1] <= MOST_COPIES:
            relay_middles(lowering, _in_rows(lowering, source, shape[0]), target, shape)
        elif perm == (2, 1, 0):
            outer, rows, columns = shape
            half = lowering.temporary(TensorType("float32", (outer, columns, rows)))
            _transpose(lowering, source, half, shape)
            _transpose(lowering, half, target, (1, outer, columns * rows))
        else:
            raise UnsupportedError(f"`transpose` has no kernel for the permutation {self.perm}")

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for n in (1, 15, 16, 17, 33):
            yield Sample(cls((1, 0)), (TensorType("float32", (BATCH, n)),))
        yield Sample(cls((2, 0, 1)), (TensorType("float32", (2, 3, 17)),))
        yield Sample(cls((0, 2, 1)), (TensorType("float32", (BATCH, 17, 5)),))
        yield Sample(cls((1, 0, 2)), (TensorType("float32", (BATCH, 3, 17)),))
        yield Sample(cls((0, 2, 1, 3)), (TensorType("float32", (1, 4, 3, 5)),))
        yield Sample(cls((0, 2, 1, 3)), (TensorType("float32", (BATCH, 4, 3, 5)),))
        yield Sample(cls((0, 3, 1, 2)), (TensorType("float32", (BATCH, 4, 3, 5)),))
        yield Sample(cls((1, 2, 0)), (TensorType("float32", (2, 3, 17)),))
        yield Sample(cls((2, 1, 0)), (TensorType("float32", (2, 3, 5)),))
        yield Sample(cls((2, 1, 0)), (TensorType("float32", (BATCH, 3, 5)),))
        yield Sample(cls((3, 1, 2, 0)), (TensorType("float32", (2, 3, 4, 5)),))
        yield Sample(cls((2, 0, 3, 1)), (TensorType("float32", (2, 3, 4, 5)),))
        yield Sample(cls(()), (TensorType("float32", ()),))


def inverse(perm: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes ``perm``."""
    return tuple(sorted(range(len(perm)), key=perm.__getitem__))


def merged(shape: Sequence[Dim], perm: Sequence[int]) -> tuple[tuple[Dim, ...], tuple[int, ...]]:
    """The same permutation of as few axes as possible: those of length 1 dropped, those that stay neighbours merged."""
    groups: list[list[int]] = []
    for axis in (axis for axis in perm if shape[axis] != 1):
        if groups and all(shape[between] == 1 for between in range(groups[-1][-1] + 1, axis)) and groups[-1][-1] < axis:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    order = sorted(groups)
    return tuple(product(shape[axis] for axis in group) for group in order), tuple(map(order.index, groups))


def _transpose(lowering: Lowering, source: Buffer, target: Buffer, shape: tuple[Dim, ...]) -> None:
    """Swap the last two of three axes, by blocks of 16 x 16 that write whole vectors."""
    from netspec.compiler.graph.lowering import Access, Pointer, Split
    from netspec.compiler.kernels.transpose import transpose_kernel, transpose_words
    from netspec.compiler.ops.contract import shares_columns
    from netspec.compiler.ops.stretch import ITEM, relay

    outer, rows, columns = shape
    first = rows if outer == 1 else outer
    source = _in_rows(lowering, source, first)
    made = target
    if outer != 1 or not _takes_vectors(target, columns, rows):
        made = lowering.temporary(TensorType("float32", (outer * columns, rows)), "vectors")
    along, across = (source.row_stride, 0) if outer == 1 else (columns * ITEM, source.row_stride)
    arguments: dict[str, Argument] = {
        "outer": outer,
        "rows": rows,
        "columns": columns,
        "source": (Pointer(source), along, across, source.panel_stride),
        "target": (Pointer(made), made.row_stride, columns * made.row_stride, made.panel_stride),
        "source_width": source.type.layout.width,
        "target_width": made.type.layout.width,
    }
    split = Split("rows", first)
    written = Split("columns", rows) if outer == 1 else None
    kernel = transpose_kernel("rows" if outer == 1 else "outer")
    if outer == 1 and made is target and shares_columns(rows, columns):
        split = written = Split("pairs", columns)
        kernel = transpose_kernel("columns")
    lowering.call(kernel, transpose_words, arguments, [Access(source, split)], [Access(made, written)])
    if made is not target:
        relay(lowering, made, target)


def _in_rows(lowering: Lowering, buffer: Buffer, rows: Dim) -> Buffer:
    """The buffer seen as that many rows; a copy if its own rows are others and padded."""
    from netspec.compiler.ops.stretch import ITEM, relay

    if buffer.type.layout.kind == "panels" or (not buffer.contiguous and buffer.rows == rows):
        return buffer
    if not buffer.contiguous:
        flat = lowering.temporary(TensorType("float32", buffer.type.shape))
        relay(lowering, buffer, flat)
        buffer = flat
    features = product(buffer.type.shape) if rows == 1 else _quotient(buffer.type, rows)
    return replace(buffer, rows=rows, row_stride=features * ITEM, whole=buffer.memory)


def _quotient(type_: TensorType, rows: Dim) -> Dim:
    """How many elements each of ``rows`` rows has, which are some of the first axes."""
    axes = next(axes for axes in range(type_.rank + 1) if product(type_.shape[:axes]) == rows)
    return product(type_.shape[axes:])


def _takes_vectors(buffer: Buffer, rows: Dim, columns: Dim) -> bool:
    """Whether whole vectors can be written into each of ``rows`` rows."""
    from netspec.compiler.ops.stretch import ITEM

    if buffer.type.layout.kind == "panels":
        return True
    spare = buffer.row_stride - columns * ITEM
    if isinstance(columns, Size):
        return buffer.rows == rows and isinstance(spare, int) and spare >= LINE
    return buffer.rows == rows and isinstance(spare, int) and spare >= -columns % 16 * ITEM
