"""Sums over all axes but that of the channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.parse import parse
from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Lanes, Op, Sample, UnsupportedError
from netspec.compiler.ops.elementwise import evaluate_formula, infer_formula
from netspec.tensortype import BATCH, ShapeError, TensorType, product

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Argument, Buffer, Lowering
    from netspec.compiler.graph.op import Array, Real
    from netspec.compiler.kernels.kernel import Operand

_ITSELF = parse("x", ("x",))
ITEM = 4  # bytes of a float32


@dataclass(frozen=True)
class ChannelSum(Op):
    """``y[c] = sum over b, p of x[b, p, c]``: ``float32[B, *space, C]`` to ``float32[C]``.

    A pass makes it of `reduce` where samples lie in the lanes. With ``terms``, a formula of inputs of that shape, of
    one number a channel or of one number, each of its results is summed. With ``epilogue``, a formula of the sums and
    of further inputs of their shape or of none, the results are its own.
    """

    name: ClassVar[str] = "channel_sum"
    epilogue: Formula | None = None
    terms: Formula | None = None

    @property
    def summed(self) -> Formula:
        """What is summed; the first inputs are its own."""
        return self.terms or _ITSELF

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        count = len(self.summed.inputs)
        first, extras = inputs[:count], inputs[count:]
        whole, *others = infer_formula(self.name, self.summed, first)
        if whole.rank < 2:
            raise ShapeError(f"`channel_sum` needs samples with channels, got {whole}")
        wrong = next((x for x in first if x.shape != whole.shape and not _of_channel(x, whole)), None)
        if wrong is not None:
            raise ShapeError(f"`channel_sum` reads {whole} and numbers of its channels, got {wrong}")
        made = [TensorType(x.dtype, (whole.channels,)) for x in (whole, *others)]
        return tuple(made) if self.epilogue is None else infer_formula(self.name, self.epilogue, [*made, *extras])

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        raise UnsupportedError("`channel_sum` is made by a pass and has no gradient")

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        count = len(self.summed.inputs)
        terms = evaluate_formula(self.summed, inputs[:count], np.float64)
        made = tuple(np.asarray(term.sum(axis=tuple(range(term.ndim - 1))), real) for term in terms)
        return made if self.epilogue is None else evaluate_formula(self.epilogue, [*made, *inputs[count:]], real)

    def lanes(self, inputs: Sequence[TensorType], results: Sequence[TensorType]) -> Lanes | None:
        first = inputs[: len(self.summed.inputs)]
        rank = max(x.rank for x in first)
        return Lanes(
            tuple(i < len(first) and x.rank == rank and x.elements != x.channels for i, x in enumerate(inputs)),
            results=False,
            always=True,
        )

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.formula.render import body
        from netspec.compiler.graph.lowering import Access, Clock, Pointer, Split
        from netspec.compiler.kernels import channel_sum
        from netspec.compiler.ops.channel_ends import end_channels, partials_of

        count, sums = len(self.summed.inputs), len(self.summed.outputs)
        buffers = [lowering.buffer(value) for value in node.inputs]
        first = self._in_lanes(lowering, buffers[:count])
        samples, *space, channels = next(b.type.shape for b in first if b.panel_stride)
        partials, following = partials_of(lowering, samples, channels, sums)
        shared: dict[str, Argument] = {
            "samples": samples,
            "channels": channels,
            "clock": Clock(),
            "partials": Pointer(partials),
            "partial": 16 * partials.row_stride,
            "following": following,
        }
        rows = Split("rows", samples)
        lowering.call(
            channel_sum.block_sums_kernel(tuple(map(_operand, first)), body(self.summed), sums),
            channel_sum.block_sums_words,
            {**shared, "pixels": product(space), "operands": [_address(buffer) for buffer in first]},
            [Access(buffer, rows if buffer.panel_stride else None) for buffer in first],
            [Access(partials, rows)],
        )
        ends = channel_sum.joined_sums_kernel, channel_sum.joined_sums_words
        end_channels(lowering, node, buffers[count:], sums, self.epilogue, *ends, shared, partials)

    def _in_lanes(self, lowering: Lowering, buffers: Sequence[Buffer]) -> list[Buffer]:
        """What is read element by element with samples in the lanes; numbers of channels as they are."""
        from netspec.compiler.ops.lanes import in_lanes

        rank = max(buffer.type.rank for buffer in buffers)
        return [
            in_lanes(lowering, b) if b.type.rank == rank and b.type.elements != b.type.channels else b for b in buffers
        ]

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for n in (1, 15, 17, 33):
            yield Sample(cls(), (TensorType("float32", (BATCH, 3, 2, n)),))
        whole, channel, number = (TensorType("float32", shape) for shape in ((BATCH, 5, 7), (7,), ()))
        yield Sample(cls(parse("p - 0.1 * acc", ("acc", "p"))), (whole, channel))
        terms = parse("a, a * (b - m) * k, where(b > 0, a, 0)", ("a", "b", "m", "k"))
        yield Sample(cls(None, terms), (whole, whole, channel, number))
        epilogue = parse("s + u * k, p - t", ("s", "t", "u", "p", "k"))
        yield Sample(cls(epilogue, terms), (whole, whole, channel, number, channel, number))


def _of_channel(x: TensorType, whole: TensorType) -> bool:
    return x.elements == 1 or x.elements == x.channels == whole.channels


def _operand(buffer: Buffer) -> Operand:
    from netspec.compiler.kernels.kernel import Operand

    return Operand(spread=not buffer.panel_stride, stepped=buffer.place == "step")


def _address(buffer: Buffer) -> Argument:
    from netspec.compiler.graph.lowering import Pointer

    if buffer.panel_stride:
        return (Pointer(buffer), buffer.row_stride, buffer.panel_stride, 0)
    return (Pointer(buffer), 0, ITEM if buffer.type.elements != 1 else 0, 0)
