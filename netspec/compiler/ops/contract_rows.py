"""Products of rows with chosen rows of a table: the few scores that a loss over a large vocabulary needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Op, Sample
from netspec.compiler.ops.places import check_numbers, numbers_of
from netspec.compiler.ops.scatter_add import ScatterAdd
from netspec.tensortype import BATCH, Dim, ShapeError, TensorType

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Argument, Lowering
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class ContractRows(Op):
    """``y[r, k] = sum over c of x[r, c] table[index[r, k], c]``, 0 where the number is below 0.

    ``float32[R, C]``, ``float32[V, C]`` and whole numbers ``[R, K]`` to ``[R, K]``.
    """

    name: ClassVar[str] = "contract_rows"

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        x, table, index = inputs
        _check(self.name, x.shape, table, index, (*index.shape[:1], table.channels))
        return (x.with_shape(index.shape),)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        (x, table, index), (ct,) = node.inputs, cotangents
        if ct is None:
            return (None, None, None)
        return g.add(MixRows(), ct, table, index), g.add(ScatterAdd(table.type.shape[0], True), index, x, ct), None

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        x, table, index = inputs
        rows = np.where((index >= 0)[..., None], np.asarray(table, real)[index], 0)
        return (np.einsum("rc,rkc->rk", np.asarray(x, real), rows).astype(real),)

    def lower(self, node: Node, lowering: Lowering) -> None:
        _lower("contract", node, lowering)

    def multiply_adds(self, inputs: Sequence[TensorType]) -> Dim:
        return inputs[2].elements * inputs[1].channels

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for n in (1, 15, 16, 17, 33, 100):
            for dtype, k in (("int32", 3), ("uint16", 1), ("int32", 17)):
                x, table = TensorType("float32", (BATCH, n)), TensorType("float32", (7, n))
                yield Sample(cls(), (x, table, TensorType(dtype, (BATCH, k))), integers=7)  # type: ignore[arg-type]


@dataclass(frozen=True)
class MixRows(Op):
    """``y[r, c] = sum over k of x[r, k] table[index[r, k], c]``, without what a number below 0 names.

    ``float32[R, K]``, ``float32[V, C]`` and whole numbers ``[R, K]`` to ``[R, C]``.
    """

    name: ClassVar[str] = "mix_rows"

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        x, table, index = inputs
        _check(self.name, x.shape, table, index, index.shape)
        return (x.with_shape((index.shape[0], table.channels)),)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        (x, table, index), (ct,) = node.inputs, cotangents
        if ct is None:
            return (None, None, None)
        return g.add(ContractRows(), ct, table, index), g.add(ScatterAdd(table.type.shape[0], True), index, ct, x), None

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        x, table, index = inputs
        rows = np.where((index >= 0)[..., None], np.asarray(table, real)[index], 0)
        return (np.einsum("rk,rkc->rc", np.asarray(x, real), rows).astype(real),)

    def lower(self, node: Node, lowering: Lowering) -> None:
        _lower("mix", node, lowering)

    def multiply_adds(self, inputs: Sequence[TensorType]) -> Dim:
        return inputs[2].elements * inputs[1].channels

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for n in (1, 15, 16, 17, 33):
            index = TensorType("int32", (BATCH, 3))
            yield Sample(cls(), (TensorType("float32", (BATCH, 3)), TensorType("float32", (7, n)), index), integers=7)


def _check(name: str, shape: tuple[Dim, ...], table: TensorType, index: TensorType, wanted: tuple[Dim, ...]) -> None:
    check_numbers(name, index)
    if table.rank != 2 or index.rank != 2 or shape != wanted:
        raise ShapeError(f"`{name}` needs rows, a table and numbers that fit, got {shape}, {table}, {index}")


def _lower(kind: str, node: Node, lowering: Lowering) -> None:
    from netspec.compiler.graph.lowering import Access, Pointer, Split
    from netspec.compiler.kernels.chosen_rows import chosen_rows_kernel, chosen_rows_words

    x, table = (lowering.buffer(value) for value in node.inputs[:2])
    index, target = numbers_of(lowering, node.inputs[2]), lowering.buffer(node.value())
    rows, each = index.type.shape
    arguments: dict[str, Argument] = {
        "x": (Pointer(x), x.row_stride),
        "table": (Pointer(table), table.row_stride),
        "index": Pointer(index),
        "target": (Pointer(target), target.row_stride),
        "rows": rows,
        "each": each,
        "columns": table.type.channels,
    }
    split = Split("rows", rows)
    reads = [Access(x, split), Access(table), Access(index, split)]
    kernel = chosen_rows_kernel(kind, index.type.dtype)
    lowering.call(kernel, chosen_rows_words, arguments, reads, [Access(target, split)])
