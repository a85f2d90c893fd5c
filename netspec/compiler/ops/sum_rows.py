"""Sums of rows of a table that the steps of a sequence name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.node import Node
from netspec.compiler.graph.op import Op, Sample
from netspec.compiler.ops.places import check_numbers, numbers_of
from netspec.tensortype import BATCH, Dim, ShapeError, TensorType, known

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Argument, Lowering
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class SumRows(Op):
    """``y[r] = sum over t of table[index[t*R + r]]`` for the steps t below the limit of the row.

    ``float32[V, C]``, whole numbers ``[steps*R]`` (one below 0 names no row) and maybe limits ``float32[R]`` to
    ``[R, C]``: a `lookup` and the sum over its steps.
    """

    name: ClassVar[str] = "sum_rows"
    steps: Dim
    rows: Dim

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        table, index, *limits = inputs
        check_numbers(self.name, index)
        fits = table.rank == 2 and index.shape == (self.steps * self.rows,)
        if not fits or [limit.shape for limit in limits] not in ([], [(self.rows,)]):
            raise ShapeError(f"`sum_rows` needs a table and a number a step, got {', '.join(map(str, inputs))}")
        return (table.with_shape((self.rows, table.channels)),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        table, index, *limits = inputs
        numbers = index.reshape(known(self.steps), -1)
        named = numbers >= 0
        if limits:
            named &= np.arange(len(numbers))[:, None] < limits[0]
        rows = np.where(named[..., None], np.asarray(table, real)[numbers], 0)
        return (rows.sum(axis=0, dtype=np.float64).astype(real),)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.graph.lowering import Access, Pointer, Split
        from netspec.compiler.kernels.chosen_rows import chosen_rows_kernel, chosen_rows_words

        table, index = lowering.buffer(node.inputs[0]), numbers_of(lowering, node.inputs[1])
        limits, target = [lowering.buffer(value) for value in node.inputs[2:]], lowering.buffer(node.value())
        arguments: dict[str, Argument] = {
            "x": (Pointer(limits[0]), limits[0].row_stride) if limits else (0, 0),
            "table": (Pointer(table), table.row_stride),
            "index": Pointer(index),
            "target": (Pointer(target), target.row_stride),
            "rows": self.rows,
            "each": self.steps,
            "columns": table.type.channels,
        }
        split = Split("rows", self.rows)
        reads = [Access(table), Access(index), *(Access(limit, split) for limit in limits)]
        kernel = chosen_rows_kernel("sum_limited" if limits else "sum", index.type.dtype)
        lowering.call(kernel, chosen_rows_words, arguments, reads, [Access(target, split)])

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for n in (1, 16, 17, 100):
            types = TensorType("float32", (7, n)), TensorType("int32", (5 * BATCH,))
            yield Sample(cls(5, BATCH), types, integers=7)
            yield Sample(cls(5, BATCH), (*types, TensorType("float32", (BATCH,))), 0.0, 6.0, integers=7)
