"""Rows of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.node import Node
from netspec.compiler.graph.op import Op, Sample, UnsupportedError
from netspec.tensortype import BATCH, ITEM_BYTES, ShapeError, TensorType, product, size

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Argument, Lowering
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class Gather(Op):
    """``table[index]``: for each index, the row of the table's first axis."""

    name: ClassVar[str] = "gather"

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        table, index = inputs
        if table.rank == 0:
            raise ShapeError("`gather` needs a table of rows, got a single number")
        if index.dtype != "int64" or index.rank != 1:
            raise ShapeError(f"`gather` needs an index int64[B], got {index}")
        return (table.with_shape((*index.shape, *table.shape[1:])),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        table, index = inputs
        return (table[index],)

    def lower(self, node: Node, lowering: Lowering) -> None:
        """Whole numbers are copied as they are; all else is a row kernel's."""
        from netspec.compiler.graph.lowering import Access, Clock, Pointer, Split
        from netspec.compiler.kernels.lookup import numbers_kernel, numbers_words

        if node.types[0].dtype == "float32":
            raise UnsupportedError("`gather` of real numbers is row work; `fuse-rows` has to go before")
        (table, index), target = map(lowering.buffer, node.inputs), lowering.buffer(node.value(), "none")
        rows = target.type.shape[0]
        arguments: dict[str, Argument] = {
            "source": Pointer(table),
            "source_row": table.row_stride,
            "target": Pointer(target),
            "rows": rows,
            "size": product(table.type.shape[1:]) * ITEM_BYTES[table.type.dtype],
            "index": Pointer(index),
            "clock": Clock(),
        }
        split = Split("rows", rows)
        reads = [Access(table), Access(index)]
        lowering.call(numbers_kernel(), numbers_words, arguments, reads, [Access(target, split)])

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        index = TensorType("int64", (BATCH,))
        for n in (1, 15, 16, 17, 33):
            yield Sample(cls(), (TensorType("uint8", (size("N"), n)), index), integers=5)
        yield Sample(cls(), (TensorType("int64", (size("N"),)), index), integers=5)
        yield Sample(cls(), (TensorType("float32", (size("N"), 2, 3)), index), integers=5)
