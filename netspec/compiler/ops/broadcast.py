"""Repetition along axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Op, Sample
from netspec.tensortype import BATCH, Dim, ShapeError, TensorType, broadcast, known, show_shape

if TYPE_CHECKING:
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class Broadcast(Op):
    """The input repeated to ``shape`` by NumPy's rules."""

    name: ClassVar[str] = "broadcast"
    shape: tuple[Dim, ...]

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        (x,) = inputs
        if broadcast(x.shape, self.shape) != self.shape:
            raise ShapeError(f"{x} does not broadcast to {show_shape(self.shape)}")
        return (x.with_shape(self.shape),)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        from netspec.compiler.ops.reduce import sum_to  # whose own gradient is a broadcast

        (x,), (ct,) = node.inputs, cotangents
        return (None if ct is None else sum_to(g, ct, x.type),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        return (np.broadcast_to(inputs[0], tuple(map(known, self.shape))),)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for n in (1, 15, 16, 17, 33):
            yield Sample(cls((BATCH, n)), (TensorType("float32", (n,)),))
            yield Sample(cls((BATCH, n)), (TensorType("float32", (BATCH, 1)),))
        yield Sample(cls((2, 3, 5)), (TensorType("float32", (3, 1)),))
        yield Sample(cls((BATCH, 3)), (TensorType("float32", ()),))
