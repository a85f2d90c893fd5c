"""Mean and variance over all axes but that of the channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.parse import parse
from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Lanes, Op, Sample, UnsupportedError
from netspec.compiler.ops.broadcast import Broadcast
from netspec.compiler.ops.elementwise import evaluate_formula, infer_formula, real_dtype
from netspec.compiler.ops.extent import Extent
from netspec.compiler.ops.map import Map
from netspec.tensortype import BATCH, LANES, ShapeError, TensorType, product

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Argument, Lowering
    from netspec.compiler.graph.op import Array, Real

# Divided once for each channel: a division takes as long as reading the element from the second-level cache.
_SHIFT, _SLOPE = Map(parse("m / n", ("m", "n"))), Map(parse("2 * v / n", ("v", "n")))
_BOTH = Map(parse("m + (x - mean) * v", ("m", "x", "mean", "v")))
_VARIANCE = Map(parse("(x - mean) * v", ("x", "mean", "v")))


@dataclass(frozen=True)
class Moments(Op):
    """Mean and variance of each channel: ``float32[B, *places, C]`` to ``float32[C]`` twice.

    The variance is the mean squared deviation, of ``n`` numbers divided by ``n``. With ``epilogue``, a formula of both
    and of further inputs of their shape or of none, the results are its own.
    """

    name: ClassVar[str] = "moments"
    epilogue: Formula | None = None

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        x, *extras = inputs
        if x.rank < 2 or x.dtype not in ("float32", "float64"):
            raise ShapeError(f"`moments` needs real samples with channels, got {x}")
        made = (TensorType(real_dtype([x]), (x.channels,)),) * 2
        return made if self.epilogue is None else infer_formula(self.name, self.epilogue, [*made, *extras])

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        if self.epilogue is not None:
            raise UnsupportedError("`moments` with an epilogue has no gradient")
        (x,), (mean, _), (by_mean, by_variance) = node.inputs, node.values, cotangents
        n = g.add(Extent(product(x.type.shape[:-1])))
        shift = None if by_mean is None else g.add(_SHIFT, by_mean, n)
        slope = None if by_variance is None else g.add(_SLOPE, by_variance, n)
        if slope is None:
            return (None if shift is None else g.add(Broadcast(x.type.shape), shift),)
        return (g.add(_VARIANCE, x, mean, slope) if shift is None else g.add(_BOTH, shift, x, mean, slope),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        x, *extras = inputs
        axes = tuple(range(x.ndim - 1))
        made = tuple(np.asarray(f(x, axis=axes, dtype=np.float64), real) for f in (np.mean, np.var))
        return made if self.epilogue is None else evaluate_formula(self.epilogue, [*made, *extras], real)

    def lanes(self, inputs: Sequence[TensorType], results: Sequence[TensorType]) -> Lanes | None:
        return Lanes((True, *(False for _ in inputs[1:])), results=False) if inputs[0].rank > 2 else None

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.graph.lowering import Access, Clock, Pointer, Split
        from netspec.compiler.kernels import moments
        from netspec.compiler.ops.channel_ends import ITEM, end_channels, partials_of

        x, *extras = (lowering.buffer(value) for value in node.inputs)
        if x.type.dtype != "float32" or x.type.layout.kind == "panels":
            raise UnsupportedError(f"`moments` reads float32 in rows or lanes, not {x.type}")
        samples, *places, channels = x.type.shape
        partials, second = partials_of(lowering, samples, channels, 2)
        lies: moments.Lies = "lanes" if x.type.layout == LANES else "rows"
        shared: dict[str, Argument] = {
            "samples": samples,
            "pixels": product(places),
            "channels": channels,
            "partials": Pointer(partials),
            "partial": 16 * partials.row_stride,
            "second": second,
        }
        source: dict[str, Argument] = {
            "x": Pointer(x),
            "step": x.row_stride,
            "inner": x.panel_stride if lies == "lanes" else channels * ITEM,
        }
        own = Split("rows", samples)
        kernel = moments.block_moments_kernel(lies)
        lowering.call(
            kernel, moments.block_moments_words, {**shared, **source}, [Access(x, own)], [Access(partials, own)]
        )
        ends = moments.joined_moments_kernel, moments.joined_moments_words
        end_channels(lowering, node, extras, 2, self.epilogue, *ends, {**shared, "clock": Clock()}, partials)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for channels in (1, 3, 16, 17, 33):
            yield Sample(cls(), (TensorType("float32", (BATCH, channels)),))
            yield Sample(cls(), (TensorType("float32", (BATCH, 3, 2, channels)),), low=900, high=901)
        yield Sample(cls(), (TensorType("float32", (BATCH, 1, 1, 5)),))
        yield Sample(cls(), (TensorType("float32", (BATCH, 257, 2)),))
        epilogue = parse("1 / sqrt(v + 1e-5), r + 0.1 * (m - r) * k", ("m", "v", "r", "k"))
        types = (TensorType("float32", (BATCH, 3, 2, 5)), TensorType("float32", (5,)), TensorType("float32", ()))
        yield Sample(cls(epilogue), types)
