"""A stretch of an axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Lanes, Op, Sample
from netspec.compiler.ops.pad import Pad
from netspec.compiler.ops.windows import copied_in_lanes
from netspec.tensortype import BATCH, Dim, Layout, ShapeError, TensorType, known, laid_out

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Lowering
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class Slice(Op):
    """The elements ``start`` to ``stop``, exclusive, along ``axis``."""

    name: ClassVar[str] = "slice"
    axis: int
    start: Dim
    stop: Dim
    layouts: tuple[Layout, ...] = ()

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        (x,) = inputs
        if not 0 <= self.axis < x.rank:
            raise ShapeError(f"`slice` along axis {self.axis} of {x}")
        parts = (self.start, self.stop - self.start, x.shape[self.axis] - self.stop)
        if any(isinstance(part, int) and part < 0 for part in parts):
            raise ShapeError(f"`slice` {self.start} to {self.stop} along axis {self.axis} of {x}")
        made = x.with_shape((*x.shape[: self.axis], parts[1], *x.shape[self.axis + 1 :]))
        return laid_out((made,), self.layouts)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        (x,), (ct,) = node.inputs, cotangents
        after = x.type.shape[self.axis] - self.stop
        return (None if ct is None else g.add(Pad(self.axis, self.start, after), ct),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        stretch = slice(known(self.start), known(self.stop))
        return (inputs[0][(slice(None),) * self.axis + (stretch,)],)

    def lanes(self, inputs: Sequence[TensorType], results: Sequence[TensorType]) -> Lanes | None:
        return copied_in_lanes(self.axis, inputs)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.ops.stretch import Stretch, copy

        if lowering.inside(node.value(), node.inputs[0], self.axis, self.start):
            return
        source = Stretch(lowering.buffer(node.inputs[0]), self.axis, self.start, self.stop)
        copy(lowering, source, Stretch(lowering.buffer(node.value())))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for n in (1, 15, 16, 17, 33):
            yield Sample(cls(1, 2, 2 + n), (TensorType("float32", (BATCH, n + 3)),))
        yield Sample(cls(0, 1, BATCH), (TensorType("float32", (BATCH, 3)),))
        yield Sample(cls(0, 2, 2), (TensorType("float32", (4,)),))
        yield Sample(cls(0, 1, 19), (TensorType("float32", (20,)),))
        yield Sample(cls(2, 1, 4), (TensorType("float32", (BATCH, 3, 5)),))
        yield Sample(cls(1, 1, 3), (TensorType("float32", (BATCH, 4, 3, 5)),))
        for axis in (1, 2, 3):  # in lanes, the planes of 8 x 8 lie apart
            yield Sample(cls(axis, 1, 3), (TensorType("float32", (BATCH, 8, 8, 4)),))
