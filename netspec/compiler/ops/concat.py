"""Arrays one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Lanes, Op, Sample
from netspec.compiler.ops.slice import Slice
from netspec.compiler.ops.windows import copied_in_lanes
from netspec.tensortype import BATCH, ITEM_BYTES, ROWS, Dim, Layout, ShapeError, TensorType, laid_out, total

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Lowering
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class Concat(Op):
    """Any number of inputs one after the other along ``axis``; they agree in dtype and on all other axes."""

    name: ClassVar[str] = "concat"
    axis: int
    layouts: tuple[Layout, ...] = ()

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        if not inputs or not 0 <= self.axis < inputs[0].rank:
            raise ShapeError(f"`concat` along axis {self.axis} needs inputs that have one")
        total: Dim = 0
        for x in inputs:
            if x.dtype != inputs[0].dtype or _others(x, self.axis) != _others(inputs[0], self.axis):
                raise ShapeError(f"`concat` along axis {self.axis} does not fit {inputs[0]} and {x}")
            total = total + x.shape[self.axis]
        shape = inputs[0].shape
        made = inputs[0].with_shape((*shape[: self.axis], total, *shape[self.axis + 1 :]))
        return laid_out((made,), self.layouts)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        (ct,) = cotangents
        if ct is None:
            return (None,) * len(node.inputs)
        pieces: list[Value] = []
        start: Dim = 0
        for value in node.inputs:
            stop = start + value.type.shape[self.axis]
            pieces.append(g.add(Slice(self.axis, start, stop), ct))
            start = stop
        return pieces

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        return (np.concatenate(inputs, axis=self.axis),)

    def lanes(self, inputs: Sequence[TensorType], results: Sequence[TensorType]) -> Lanes | None:
        return copied_in_lanes(self.axis, inputs)

    def holds(self, node: Node) -> tuple[Dim | None, ...]:
        if self.axis != 1 or node.types[0].rank != 2 or node.types[0].layout != ROWS:
            return super().holds(node)
        widths = [value.type.shape[1] for value in node.inputs]
        return tuple(total(widths[:i]) * ITEM_BYTES[node.types[0].dtype] for i in range(len(widths)))

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.ops.stretch import Stretch, copy

        target = lowering.buffer(node.value())
        start: Dim = 0
        for value in node.inputs:
            stop: Dim = start + value.type.shape[self.axis]
            if lowering.buffer(value).memory is target.memory:  # its kernel has written it there
                start = stop
                continue
            copy(lowering, Stretch(lowering.buffer(value)), Stretch(target, self.axis, start, stop))
            start = stop

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for n in (1, 15, 16, 17, 33):
            yield Sample(cls(1), (TensorType("float32", (BATCH, n)), TensorType("float32", (BATCH, 3))))
        yield Sample(cls(0), tuple(TensorType("float32", (n, 5)) for n in (BATCH, 2, BATCH)))
        yield Sample(cls(0), (TensorType("float32", (3,)), TensorType("float32", (18,))))
        yield Sample(cls(2), tuple(TensorType("float32", (BATCH, 3, n)) for n in (5, 17, 1)))
        yield Sample(cls(2), tuple(TensorType("float32", (BATCH, 2, n, 3)) for n in (5, 1)))
        # In lanes, the planes of 8 x 8 lie apart.
        yield Sample(cls(2), tuple(TensorType("float32", (BATCH, 8, n, 3)) for n in (5, 3)))
        yield Sample(cls(3), tuple(TensorType("float32", (BATCH, 8, 8, n)) for n in (2, 1)))


def _others(x: TensorType, axis: int) -> tuple[tuple[Dim, ...], tuple[Dim, ...]]:
    return x.shape[:axis], x.shape[axis + 1 :]
