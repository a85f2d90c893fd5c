"""Places copied or mixed by a fixed plan: maps made larger, patches laid side by side, channels made pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Lanes, Op, Sample
from netspec.compiler.ops.plans import Linear, Nearest, Patches, Plan, Spread, Unfold, routes
from netspec.compiler.ops.windows import VECTOR, Window, refuse_too_many
from netspec.tensortype import BATCH, Dim, Layout, ShapeError, TensorType, known, laid_out, product

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Argument, Buffer, Lowering
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class Route(Op):
    """``y[b, q, c] = sum over p of weight[q, p] x[b, p, c]`` for places ``p`` and ``q``, as the plan says.

    ``float32[B, *space, blocks * C]`` to ``float32[B, *written, others * C]``. ``turned`` goes from the plan's result
    back to its ``space`` by the same weights, which is the gradient.
    """

    name: ClassVar[str] = "route"
    plan: Plan
    space: tuple[int, ...]
    turned: bool = False
    layouts: tuple[Layout, ...] = ()

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        (x,) = inputs
        sides = [(self.space, self.plan.blocks[0]), (self.plan.written(self.space), self.plan.blocks[1])]
        (read, blocks), (written, others) = reversed(sides) if self.turned else sides
        channels = known(x.channels)
        refuse_too_many(max(prod(read) * blocks, prod(written) * others), "places of a map")
        if x.shape[1:-1] != read or channels % blocks:
            raise ShapeError(f"`route` reads places {read} with channels in {blocks} blocks, got {x}")
        return laid_out((TensorType(x.dtype, (x.shape[0], *written, channels // blocks * others)),), self.layouts)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        (ct,) = cotangents
        return (None if ct is None else g.add(replace(self, turned=not self.turned), ct),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        x = np.asarray(inputs[0], real)
        (made,) = self.infer([TensorType("float32", x.shape)])
        found = routes(self.plan, self.space, self.turned)
        places = prod(x.shape[1:-1]) * self.plan.blocks[self.turned]
        read = x.reshape(x.shape[0], places, -1)
        y = np.zeros((x.shape[0], len(found), read.shape[-1]), real)
        for k in range(max(map(len, found), default=0)):
            to = [q for q, sources in enumerate(found) if len(sources) > k]
            weights = np.array([found[q][k][1] for q in to], real)
            y[:, to] += weights[:, None] * read[:, [found[q][k][0] for q in to]]
        return (y.reshape(tuple(map(known, made.shape))),)

    def lanes(self, inputs: Sequence[TensorType], results: Sequence[TensorType]) -> Lanes | None:
        return Lanes((True,), always=True)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.graph.lowering import Access, Pointer, Split
        from netspec.compiler.kernels.route import route_kernel, route_words
        from netspec.compiler.ops.lanes import in_lanes, out_of_lanes, result_in_lanes

        x, target = in_lanes(lowering, lowering.buffer(node.inputs[0])), lowering.buffer(node.value())
        y = result_in_lanes(lowering, target)
        blocks, others = self.plan.blocks[self.turned], self.plan.blocks[not self.turned]
        channels = known(x.type.channels) // blocks
        arguments: dict[str, Argument] = {
            "x": (Pointer(x), x.row_stride, x.panel_stride),
            "y": (Pointer(y), y.row_stride, y.panel_stride),
            "samples": x.type.shape[0],
            "channels": channels,
        }
        # Where the vectors of the first channel of each place lie in a block of 16 samples.
        pack = partial(
            route_words,
            reads=_offsets(x, blocks, channels),
            writes=_offsets(y, others, channels),
            sources=routes(self.plan, self.space, self.turned),
        )
        split = Split("rows", x.type.shape[0])
        lowering.call(route_kernel(), pack, arguments, [Access(x, split)], [Access(y, split)])
        if y is not target:
            out_of_lanes(lowering, y, target)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for n in (1, 3, 17):
            yield _sample(cls(Nearest((2, 3)), (3, 2)), (BATCH, 3, 2, n))
            yield _sample(cls(Linear((2, 3)), (3, 1)), (BATCH, 3, 1, n))
            yield _sample(cls(Unfold((2,)), (5,)), (BATCH, 5, 2 * n))
            yield _sample(cls(Unfold((2, 1)), (2, 3), turned=True), (BATCH, 4, 3, n))
        yield _sample(cls(Patches((Window(3, 2, 1, 1, 0), Window(2)), 2), (4, 2)), (BATCH, 4, 2, 3))
        yield _sample(cls(Patches((Window(2),), 3), (4,), turned=True), (BATCH, 1, 12))
        yield _sample(cls(Linear((2, 2, 2)), (2, 2, 2), turned=True), (BATCH, 4, 4, 4, 2))
        yield _sample(cls(Spread((2, 3), 2), (1, 1)), (BATCH, 1, 1, 5))


def _offsets(buffer: Buffer, blocks: int, channels: int) -> list[int]:
    pixels, plane = known(product(buffer.type.shape[1:-1])), known(buffer.panel_stride)
    return [pixel * VECTOR + block * channels * plane for pixel in range(pixels) for block in range(blocks)]


def _sample(op: Op, shape: tuple[Dim, ...]) -> Sample:
    return Sample(op, (TensorType("float32", shape),))
