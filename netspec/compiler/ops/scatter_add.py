"""Sums of what belongs to each row of a table: the gradient of a lookup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.formula.parse import parse
from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Op, Sample, UnsupportedError
from netspec.compiler.ops.places import at_places, places_shape, samples_of_places, summed, update_call
from netspec.tensortype import BATCH, Dim, TensorType, known

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Lowering
    from netspec.compiler.graph.op import Array, Real

_SUM = parse("g", ("g",))


@dataclass(frozen=True)
class ScatterAdd(Op):
    """``y[v] = sum of x[p] over the places p with index[p] = v``, in the order of the batch.

    Whole numbers ``[R]`` or ``[R, K]`` and ``float32[R, C]`` or ``[R, K, C]`` to ``[rows, C]``. With ``outer``, rows
    ``[R, C]`` and factors ``[R, K]``: at a place stands its factor times its row. With ``steps``, numbers
    ``[steps*R]`` and rows ``[R, C]``, which stand at every step. ``dense`` as in `lookup`.
    """

    name: ClassVar[str] = "scatter_add"
    rows: Dim
    outer: bool = False
    steps: Dim = 0
    dense: bool = False

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        index, *x = inputs
        shape = places_shape(self.name, self.outer, index, x, self.steps)
        return (x[0].with_shape((self.rows, shape[-1])),)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        from netspec.compiler.ops.contract_rows import ContractRows, MixRows
        from netspec.compiler.ops.lookup import Lookup

        (index, *x), (ct,) = node.inputs, cotangents
        if ct is None:
            return (None,) * len(node.inputs)
        if self.steps:
            raise UnsupportedError("`scatter_add` over steps is made by a pass and has no gradient")
        if not self.outer:
            return (None, g.add(Lookup(), ct, index))
        rows, factors = x
        return (None, g.add(MixRows(), factors, ct, index), g.add(ContractRows(), rows, ct, index))

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        index, *x = inputs
        return (summed(known(self.rows), index, at_places(self.outer, x, real, self.steps)),)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.ops.stretch import Stretch, fill

        index, *x = node.inputs
        target = lowering.buffer(node.value())
        fill(lowering, Stretch(target))
        update_call(lowering, _SUM, index, x, [], [], [target], self.steps)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for outer, types in samples_of_places((1, 15, 16, 17, 33)):
            yield Sample(cls(7, outer), types, integers=7)
        yield Sample(
            cls(7, steps=3), (TensorType("int32", (3 * BATCH,)), TensorType("float32", (BATCH, 17))), integers=7
        )
