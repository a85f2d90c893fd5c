"""Rows of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.op import Op, Sample
from netspec.tensortype import BATCH, ShapeError, TensorType, size

if TYPE_CHECKING:
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

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        index = TensorType("int64", (BATCH,))
        for n in (1, 15, 16, 17, 33):
            yield Sample(cls(), (TensorType("uint8", (size("N"), n)), index), integers=5)
        yield Sample(cls(), (TensorType("int64", (size("N"),)), index), integers=5)
        yield Sample(cls(), (TensorType("float32", (size("N"), 2, 3)), index), integers=5)
