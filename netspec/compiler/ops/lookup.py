"""Rows of a table that is trained, by numbers of the batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Op, Sample
from netspec.compiler.ops.places import NUMBERS, check_numbers, numbers_of
from netspec.compiler.ops.scatter_add import ScatterAdd
from netspec.tensortype import BATCH, ShapeError, TensorType, product

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Argument, Lowering
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class Lookup(Op):
    """``table[index]``: ``float32[V, C]`` and whole numbers ``[R]`` or ``[R, K]`` to ``[R, C]`` or ``[R, K, C]``.

    A number below 0 names no row, and zeros stand there. A table of whole numbers, ``int32[V, C]``, is looked up alike.

    ``dense`` is for whoever makes a step of the gradient: it then changes every row, not only those that
    were read. For an optimizer without states that is the same.
    """

    name: ClassVar[str] = "lookup"
    dense: bool = False

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        table, index = inputs
        if table.rank != 2 or table.dtype not in ("float32", "float64", "int32"):
            raise ShapeError(f"`lookup` needs a table of rows, got {table}")
        check_numbers(self.name, index)
        return (table.with_shape((*index.shape, table.channels)),)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        (table, index), (ct,) = node.inputs, cotangents
        return (None if ct is None else g.add(ScatterAdd(table.type.shape[0], dense=self.dense), index, ct), None)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        table, index = inputs
        rows = table if table.dtype == np.int32 else np.asarray(table, real)
        return (np.where((index >= 0)[..., None], rows[index], rows.dtype.type(0)),)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.graph.lowering import Access, Pointer, Split
        from netspec.compiler.kernels.lookup import lookup_kernel, lookup_words

        table, index = lowering.buffer(node.inputs[0]), numbers_of(lowering, node.inputs[1])
        # Four bytes are copied, whatever they mean; whole numbers lie without padding.
        target = lowering.buffer(node.value(), "none") if table.type.dtype == "int32" else lowering.buffer(node.value())
        rows = index.type.shape[0]
        arguments: dict[str, Argument] = {
            "table": Pointer(table),
            "table_row": table.row_stride,
            "index": Pointer(index),
            "target": Pointer(target),
            "target_row": target.row_stride,
            "rows": rows,
            "each": product(index.type.shape[1:]),
            "columns": table.type.channels,
        }
        split = Split("rows", rows)
        reads = [Access(table), Access(index, split)]
        lowering.call(lookup_kernel(index.type.dtype), lookup_words, arguments, reads, [Access(target, split)])

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for n in (1, 15, 16, 17, 33):
            yield Sample(cls(), (TensorType("float32", (7, n)), TensorType("uint16", (BATCH,))), integers=7)
        for n in (1, 16, 24):
            yield Sample(cls(), (TensorType("int32", (7, n)), TensorType("uint16", (BATCH,))), integers=7)
        for dtype in NUMBERS[::2]:
            yield Sample(cls(), (TensorType("float32", (7, 5)), TensorType(dtype, (BATCH, 3))), integers=7)
