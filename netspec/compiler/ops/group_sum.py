"""Sums over the places of each sample, and over groups of its channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.parse import parse
from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Lanes, Op, Sample, UnsupportedError
from netspec.compiler.ops.broadcast import Broadcast
from netspec.compiler.ops.elementwise import evaluate_formula, infer_formula
from netspec.tensortype import BATCH, LANES, ROWS, Dim, Layout, ShapeError, TensorType, known, laid_out, product

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Argument, Buffer, Lowering
    from netspec.compiler.graph.op import Array, Real
    from netspec.compiler.kernels.kernel import Operand

_ITSELF = parse("x", ("x",))
ITEM, VECTOR = 4, 64  # bytes of a float32, and of 16


@dataclass(frozen=True)
class GroupSum(Op):
    """``y[b, 1, c] = sum over p, d of x[b, p, d]`` for the channels ``d`` of the group of ``c``.

    ``float32[B, *space, C]`` to ``float32[B, 1, ..., 1, C]``: the sum of a group stands at each of its channels. As
    many groups as channels sum each channel by itself. With ``terms``, a formula of inputs of that shape, of one number
    for each channel of a sample, for each channel, or of one number, each of its results is summed.
    """

    name: ClassVar[str] = "group_sum"
    groups: int
    terms: Formula | None = None
    layouts: tuple[Layout, ...] = ()

    @property
    def summed(self) -> Formula:
        """What is summed."""
        return self.terms or _ITSELF

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        whole, *others = infer_formula(self.name, self.summed, inputs)
        if whole.rank < 3 or known(whole.channels) % self.groups:
            raise ShapeError(f"`group_sum` of {self.groups} groups needs samples with places and channels, got {whole}")
        wrong = next((x for x in inputs if not (x.shape == whole.shape or is_narrow(x, whole))), None)
        if wrong is not None:
            raise ShapeError(f"`group_sum` reads {whole} and numbers of its channels, got {wrong}")
        made = tuple(TensorType(x.dtype, summed_shape(x)) for x in (whole, *others))
        return laid_out(made, self.layouts)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        if self.terms is not None:
            raise UnsupportedError("`group_sum` of formulas is made by a pass and has no gradient")
        (x,), (ct,) = node.inputs, cotangents
        if ct is None:
            return (None,)
        own = ct if self.groups == x.type.channels else g.add(GroupSum(self.groups), ct)
        return (g.add(Broadcast(x.type.shape), own),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        made = []
        for term in evaluate_formula(self.summed, inputs, np.float64):
            samples, *space, channels = term.shape
            total = term.reshape(samples, -1, self.groups, channels // self.groups).sum(axis=(1, 3))
            each = np.repeat(total, channels // self.groups, axis=-1)
            made.append(np.asarray(each.reshape(samples, *(1 for _ in space), channels), real))
        return tuple(made)

    def lanes(self, inputs: Sequence[TensorType], results: Sequence[TensorType]) -> Lanes | None:
        rank = results[0].rank
        wanted = tuple(x.rank == rank and not isinstance(x.shape[0], int) for x in inputs)
        return Lanes(wanted, always=True, rows=(ROWS,) * len(inputs))

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.formula.render import body
        from netspec.compiler.graph.lowering import Access, Clock, Split
        from netspec.compiler.kernels.group_sum import GroupSums, Lies, group_sum_kernel, group_sum_words

        inputs = [lowering.buffer(value) for value in node.inputs]
        results = [lowering.buffer(value, "vectors") for value in node.values]
        whole = max((value.type for value in node.inputs), key=lambda x: x.rank and known(product(x.shape[1:])))
        in_lanes = LANES in self.layouts
        seen = _in_lanes if in_lanes else _in_rows
        operands = [seen(buffer, whole) for buffer in inputs]
        samples, *space, channels = whole.shape
        arguments: dict[str, Argument] = {
            "samples": samples,
            "pixels": product(space),
            "channels": channels,
            "clock": Clock(),
            "operands": [place for _, place in operands],
            "results": [seen(buffer, whole)[1] for buffer in results],
        }
        lies: Lies = "lanes" if in_lanes else "rows"
        sums = GroupSums(lies, tuple(kind for kind, _ in operands), body(self.summed), len(results))
        split = Split("rows", samples)
        reads = [Access(b, None if b.type.rank < whole.rank else split) for b in inputs]
        pack = partial(group_sum_words, lies, groups=self.groups)
        lowering.call(group_sum_kernel(sums), pack, arguments, reads, [Access(b, split) for b in results])

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for n in (1, 15, 17, 32):
            yield Sample(cls(n), (TensorType("float32", (BATCH, 3, 2, n)),))
        for groups in (1, 2, 6):
            yield Sample(cls(groups), (TensorType("float32", (BATCH, 5, 18)),))
            yield Sample(cls(groups), (TensorType("float32", (BATCH, 1, 1, 6)),))
        shapes = ((BATCH, 3, 2, 6), (BATCH, 3, 2, 6), (BATCH, 1, 1, 6), (6,), ())
        terms = parse("a * (b - m) * s + k, where(b > 0, a, 0)", ("a", "b", "m", "s", "k"))
        yield Sample(cls(3, terms), tuple(TensorType("float32", shape) for shape in shapes))


def summed_shape(whole: TensorType) -> tuple[Dim, ...]:
    """That of a number for each channel of each sample: places have the size 1."""
    return (whole.shape[0], *(1 for _ in whole.shape[1:-1]), whole.channels)


def is_narrow(x: TensorType, whole: TensorType) -> bool:
    """Whether it is a number for each channel of each sample, a number for each channel, or one number."""
    return x.shape in (summed_shape(whole), whole.shape[-1:], (), (1,))


def _in_lanes(buffer: Buffer, whole: TensorType) -> tuple[Operand, Argument]:
    from netspec.compiler.graph.lowering import Pointer
    from netspec.compiler.kernels.kernel import Operand

    if buffer.type.rank < whole.rank:
        place = (Pointer(buffer), 0, ITEM if buffer.type.rank and buffer.type.shape[0] == whole.channels else 0, 0)
        return Operand(spread=True, stepped=buffer.place == "step"), place
    pixel = VECTOR if buffer.type.shape == whole.shape else 0
    return Operand(), (Pointer(buffer), buffer.row_stride, buffer.panel_stride, pixel)


def _in_rows(buffer: Buffer, whole: TensorType) -> tuple[Operand, Argument]:
    from netspec.compiler.graph.lowering import Pointer
    from netspec.compiler.kernels.kernel import Operand

    if buffer.type.elements == 1 and buffer.type.rank < whole.rank:
        return Operand(spread=True, stepped=buffer.place == "step"), (Pointer(buffer), 0, 0, 0)
    sample = buffer.row_stride if buffer.type.rank == whole.rank else 0
    pixel = whole.channels * ITEM if buffer.type.shape == whole.shape else 0
    return Operand(), (Pointer(buffer), sample, VECTOR, pixel)
