"""Another shape for the same elements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Op, Sample
from netspec.tensortype import BATCH, Dim, ShapeError, TensorType, known, product, show_shape

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Lowering
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class Reshape(Op):
    """The same elements in row-major order, in ``shape``."""

    name: ClassVar[str] = "reshape"
    shape: tuple[Dim, ...]

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        (x,) = inputs
        if product(self.shape) != x.elements:
            raise ShapeError(f"{x} has {x.elements} elements, {show_shape(self.shape)} has {product(self.shape)}")
        return (x.with_shape(self.shape),)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        (x,), (ct,) = node.inputs, cotangents
        return (None if ct is None else g.add(Reshape(x.type.shape), ct),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        return (inputs[0].reshape(tuple(map(known, self.shape))),)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.ops.stretch import relay

        if not lowering.alias(node.value(), node.inputs[0]):
            relay(lowering, lowering.buffer(node.inputs[0]), lowering.buffer(node.value()))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for n in (1, 15, 16, 17, 33):
            yield Sample(cls((BATCH, 2 * n)), (TensorType("float32", (BATCH, 2, n)),))
        yield Sample(cls((BATCH * 3, 5)), (TensorType("float32", (BATCH, 3, 5)),))
        yield Sample(cls((BATCH, 3, 5)), (TensorType("float32", (BATCH * 3, 5)),))
        yield Sample(cls((6, 5)), (TensorType("float32", (10, 3)),))
        yield Sample(cls((1, 1)), (TensorType("float32", ()),))
        yield Sample(cls((4, 2, 8)), (TensorType("uint8", (4, 16)),))
