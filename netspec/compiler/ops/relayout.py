"""The same values in another layout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Op, Sample, UnsupportedError
from netspec.tensortype import BATCH, LANES, ROWS, Layout, ShapeError, TensorType

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Lowering
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class Relayout(Op):
    """``float32[B, *space, C]`` with samples in the lanes, or in rows; weights of a convolution as filters.

    A pass puts it where readers differ.
    """

    name: ClassVar[str] = "relayout"
    layout: Layout = ROWS

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        (x,) = inputs
        if x.rank < 2:
            raise ShapeError(f"`relayout` needs samples with channels, got {x}")
        return (x.with_layout(self.layout),)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        raise UnsupportedError("`relayout` is made by a pass and has no gradient")

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        return (np.asarray(inputs[0], real),)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.ops.filters import pack_filters
        from netspec.compiler.ops.lanes import copy_lanes, out_of_lanes
        from netspec.compiler.ops.stretch import relay

        source, target = lowering.buffer(node.inputs[0]), lowering.buffer(node.value())
        if target.type.layout.kind in ("filters", "turned"):
            pack_filters(lowering, source, target)
        elif source.type.layout == target.type.layout == ROWS:
            relay(lowering, source, target)
        elif target.type.layout == LANES:
            copy_lanes(lowering, "in", source, target)
        else:
            out_of_lanes(lowering, source, target)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for n in (1, 15, 16, 17):
            yield Sample(cls(), (TensorType("float32", (BATCH, 3, 2, n)),))
