"""Zeros around an axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Lanes, Op, Sample
from netspec.compiler.ops.windows import copied_in_lanes
from netspec.tensortype import BATCH, Dim, Layout, ShapeError, TensorType, known, laid_out

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Lowering
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class Pad(Op):
    """``before`` zeros in front of the elements along ``axis`` and ``after`` behind them."""

    name: ClassVar[str] = "pad"
    axis: int
    before: Dim
    after: Dim
    layouts: tuple[Layout, ...] = ()

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        (x,) = inputs
        if not 0 <= self.axis < x.rank or any(isinstance(n, int) and n < 0 for n in (self.before, self.after)):
            raise ShapeError(f"`pad` by {self.before} and {self.after} along axis {self.axis} of {x}")
        length = self.before + x.shape[self.axis] + self.after
        made = x.with_shape((*x.shape[: self.axis], length, *x.shape[self.axis + 1 :]))
        return laid_out((made,), self.layouts)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        from netspec.compiler.ops.slice import Slice  # whose own gradient is a pad

        (x,), (ct,) = node.inputs, cotangents
        stop = self.before + x.type.shape[self.axis]
        return (None if ct is None else g.add(Slice(self.axis, self.before, stop), ct),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        (x,) = inputs
        widths = [(0, 0)] * x.ndim
        widths[self.axis] = (known(self.before), known(self.after))
        return (np.pad(x, widths),)

    def lanes(self, inputs: Sequence[TensorType], results: Sequence[TensorType]) -> Lanes | None:
        return copied_in_lanes(self.axis, inputs)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.ops.stretch import Stretch, copy, fill

        (x,), target = node.inputs, lowering.buffer(node.value())
        stop = self.before + x.type.shape[self.axis]
        fill(lowering, Stretch(target, self.axis, 0, self.before))
        copy(lowering, Stretch(lowering.buffer(x)), Stretch(target, self.axis, self.before, stop))
        fill(lowering, Stretch(target, self.axis, stop, stop + self.after))

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for n in (1, 15, 16, 17, 33):
            yield Sample(cls(1, 2, 1), (TensorType("float32", (BATCH, n)),))
        yield Sample(cls(0, 0, BATCH), (TensorType("float32", (BATCH, 3)),))
        yield Sample(cls(0, 3, 17), (TensorType("float32", (5,)),))
        yield Sample(cls(2, 1, 0), (TensorType("float32", (BATCH, 3, 5)),))
        yield Sample(cls(2, 2, 1), (TensorType("float32", (BATCH, 3, 4, 5)),))
        for axis in (1, 2, 3):  # in lanes, the planes of 8 x 8 lie apart
            yield Sample(cls(axis, 2, 1), (TensorType("float32", (BATCH, 8, 8, 3)),))
