"""Sums over neighbouring channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Lanes, Op, Sample
from netspec.tensortype import BATCH, Layout, ShapeError, TensorType, known, laid_out, product

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Argument, Lowering
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class ChannelWindow(Op):
    """``y[b, p, c]``, the sum of ``x[b, p, c - before]`` to ``x[b, p, c + after]``, of those that there are."""

    name: ClassVar[str] = "channel_window"
    before: int
    after: int
    layouts: tuple[Layout, ...] = ()

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        (x,) = inputs
        if x.rank < 3 or min(self.before, self.after) < 0:
            raise ShapeError(f"`channel_window` from {-self.before} to {self.after} needs places and channels, got {x}")
        return laid_out((x.with_shape(x.shape),), self.layouts)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        (ct,) = cotangents
        return (None if ct is None else g.add(ChannelWindow(self.after, self.before), ct),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        x = np.asarray(inputs[0], real)
        channels = x.shape[-1]
        ends = min(self.before, channels), min(self.after, channels)
        padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [ends])
        return (np.add.reduce([padded[..., i : i + channels] for i in range(sum(ends) + 1)]),)

    def lanes(self, inputs: Sequence[TensorType], results: Sequence[TensorType]) -> Lanes | None:
        return Lanes((True,), always=True)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.graph.lowering import Access, Pointer, Split
        from netspec.compiler.kernels.channel_window import channel_window_kernel, channel_window_words
        from netspec.compiler.ops.lanes import in_lanes, out_of_lanes, result_in_lanes

        x = in_lanes(lowering, lowering.buffer(node.inputs[0]))
        target = lowering.buffer(node.value())
        y = result_in_lanes(lowering, target)
        samples, *space, channels = x.type.shape
        arguments: dict[str, Argument] = {
            "x": Pointer(x),
            "y": Pointer(y),
            "block": x.row_stride,
            "channel": x.panel_stride,
            "samples": samples,
            "pixels": product(space),
            "channels": channels,
            "before": min(self.before, known(channels)),
            "after": min(self.after, known(channels)),
        }
        own = Split("rows", samples)
        kernel = channel_window_kernel()
        lowering.call(kernel, channel_window_words, arguments, [Access(x, own)], [Access(y, own)])
        if y is not target:
            out_of_lanes(lowering, y, target)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for channels in (1, 3, 17):
            yield Sample(cls(2, 2), (TensorType("float32", (BATCH, 3, 2, channels)),))
        yield Sample(cls(2, 1), (TensorType("float32", (BATCH, 1, 5)),))
        yield Sample(cls(0, 9), (TensorType("float32", (BATCH, 7, 4)),))
