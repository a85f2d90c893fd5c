"""For each sample another one of the batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.node import Node
from netspec.compiler.graph.op import Op, Sample
from netspec.tensortype import BATCH, ITEM_BYTES, ShapeError, TensorType, product, size

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Argument, Lowering
    from netspec.compiler.graph.op import Array, Real

BLOCK = 16
"""Samples that always stay with one thread: mates are of one block, so that nobody waits for another's samples."""


@dataclass(frozen=True)
class Mates(Op):
    """``x[mate]``, where the mate of row i is another row of its block of 16, chosen by a draw on [0, 1).

    In a block of n rows that is the one ``1 + floor(u * (n - 1))`` further, and after the last comes the first; a row
    that is alone is its own mate. Inputs: ``x[B, ...]`` and ``float32[B]``; or a table, ``int64[B]``, which names its
    rows, and ``float32[B]``.
    """

    name: ClassVar[str] = "mates"

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        x, *index, draws = inputs
        rows = index[0].shape if index else x.shape[:1]
        if x.rank == 0 or len(index) > 1 or draws.dtype != "float32" or draws.shape != rows:
            raise ShapeError(f"`mates` needs rows and a draw for each, got {', '.join(map(str, inputs))}")
        if index and index[0].dtype != "int64":
            raise ShapeError(f"`mates` needs an index int64[B], got {index[0]}")
        return (x.with_shape((*rows, *x.shape[1:])),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        x, *index, draws = inputs
        x = x[index[0]] if index else x
        row = np.arange(len(draws))
        block = row // BLOCK * BLOCK
        count = np.minimum(len(draws) - block, BLOCK)
        others = count - 1
        steps = np.minimum(np.floor(np.float32(draws) * others.astype(np.float32)).astype(np.int64), others - 1)
        mate = np.where(others > 0, block + (row - block + 1 + steps) % count, row)
        return (x[mate],)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.graph.lowering import Access, Clock, Pointer, Split
        from netspec.compiler.kernels.mates import mates_kernel, mates_words

        x, *index, draws = (lowering.buffer(value) for value in node.inputs)
        target = lowering.buffer(node.value())
        rows = draws.type.shape[0]
        arguments: dict[str, Argument] = {
            "source": Pointer(x),
            "source_row": x.row_stride,
            "target": Pointer(target),
            "target_row": target.row_stride,
            "draws": Pointer(draws),
            "rows": rows,
            "size": product(x.type.shape[1:]) * ITEM_BYTES[x.type.dtype],
        }
        split = Split("rows", rows)
        reads = [Access(x, None if index else split), Access(draws, split)]
        if index:
            arguments |= {"index": Pointer(index[0]), "clock": Clock()}
            reads.append(Access(index[0]))
        lowering.call(mates_kernel(bool(index)), mates_words, arguments, reads, [Access(target, split)])

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        draws, index = TensorType("float32", (BATCH,)), TensorType("int64", (BATCH,))
        for n in (1, 15, 16, 17, 33):
            yield Sample(cls(), (TensorType("float32", (BATCH, n)), draws), 0.0, 0.999)
        yield Sample(cls(), (TensorType("float32", (BATCH, 3, 4, 2)), draws), 0.0, 0.999)
        yield Sample(cls(), (TensorType("float32", (BATCH,)), draws), 0.0, 0.999)
        for dtype in ("uint8", "int32"):
            yield Sample(cls(), (TensorType(dtype, (size("N"),)), index, draws), 0.0, 0.999, integers=5)
