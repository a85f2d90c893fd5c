"""Where the backward pass ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Op, Sample
from netspec.tensortype import BATCH, TensorType

if TYPE_CHECKING:
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class StopGradient(Op):
    """The input itself, which the gradient takes for a constant.

    The shift of a softmax is one: its gradients cancel, and computing them would cost two sweeps over the rows.
    """

    name: ClassVar[str] = "stop_gradient"

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        (x,) = inputs
        return (x,)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        return (None,)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        return (inputs[0],)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        yield Sample(cls(), (TensorType("float32", (BATCH, 17)),))
