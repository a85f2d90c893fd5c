"""Numbers drawn by their frequencies, beside the one that is right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.node import Node
from netspec.compiler.graph.op import Op, Sample
from netspec.compiler.ops.places import NUMBERS, numbers_of
from netspec.tensortype import BATCH, ShapeError, TensorType, known

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Argument, Lowering
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class DrawRows(Op):
    """``[given, n_1, ..., n_K]`` for each row, where ``n_k`` is drawn, or -1 if it is the given number.

    Inputs: whole numbers ``[R]``, the table of a distribution over V numbers, ``float32[V]`` and ``int32[V]``, and
    draws on [0, 1), ``float32[R, 2 * K]``, two for each number: the first chooses a cell v, the second whether the
    number is v (below ``table[v]``) or the other one of that cell. Any distribution has such a table, and a draw takes
    two reads.

    Reference: Walker 1977, An efficient method for generating discrete random variables with general distributions.
    """

    name: ClassVar[str] = "draw_rows"

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        given, keep, other, draws = inputs
        if given.dtype not in NUMBERS or given.rank != 1 or keep.rank != 1 or keep.shape != other.shape:
            raise ShapeError(f"`draw_rows` needs numbers and a table, got {', '.join(map(str, inputs))}")
        if draws.rank != 2 or draws.shape[0] != given.shape[0] or known(draws.channels) % 2:
            raise ShapeError(f"`draw_rows` needs two draws for each number, got {draws}")
        return (TensorType("int32", (given.shape[0], 1 + known(draws.channels) // 2)),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        given, keep, other, draws = inputs
        cells = (np.float32(draws[:, ::2]) * np.float32(len(keep))).astype(np.int64).clip(max=len(keep) - 1)
        chosen = np.where(draws[:, 1::2] < keep[cells], cells, other[cells])
        chosen = np.where(chosen == given[:, None], -1, chosen)
        return (np.concatenate([given[:, None], chosen], axis=1).astype(np.int32),)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.graph.lowering import Access, Pointer, Split
        from netspec.compiler.kernels.draw_rows import draw_rows_kernel, draw_rows_words

        given, draws = numbers_of(lowering, node.inputs[0]), lowering.buffer(node.inputs[3])
        keep, other = (lowering.buffer(value) for value in node.inputs[1:3])
        target = lowering.buffer(node.value(), "none")
        rows, count = node.types[0].shape
        arguments: dict[str, Argument] = {
            "given": Pointer(given),
            "keep": Pointer(keep),
            "other": Pointer(other),
            "values": keep.type.elements,
            "draws": (Pointer(draws), draws.row_stride),
            "target": Pointer(target),
            "rows": rows,
            "count": known(count) - 1,
        }
        split = Split("rows", rows)
        reads = [Access(given, split), Access(keep), Access(other), Access(draws, split)]
        lowering.call(draw_rows_kernel(given.type.dtype), draw_rows_words, arguments, reads, [Access(target, split)])

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        table = (TensorType("float32", (7,)), TensorType("int32", (7,)))
        for dtype, k in (("uint16", 1), ("int32", 5), ("uint8", 17)):
            given = TensorType(dtype, (BATCH,))  # type: ignore[arg-type]
            yield Sample(cls(), (given, *table, TensorType("float32", (BATCH, 2 * k))), 0.0, 0.999, integers=7)
