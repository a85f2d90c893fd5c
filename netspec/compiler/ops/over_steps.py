"""What belongs to a whole sequence, at its steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Op, Sample, UnsupportedError
from netspec.tensortype import BATCH, Dim, ShapeError, TensorType, known, lengths, product

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Argument, Lowering
    from netspec.compiler.graph.op import Array, Real


def over_lengths(g: GraphBuilder, value: Value, rows: Dim) -> Value:
    """What belongs to samples at all their places: ``[B, ...]`` to ``[rows, ...]``."""
    for length in lengths(rows):
        value = g.add(OverSteps(length), value)
    return value


@dataclass(frozen=True)
class OverSteps(Op):
    """``y[t*R + r] = x[r]`` at the steps that ``where`` names, else 0.

    ``every``: all of them. ``below``: those before the number of the row, a second input ``float32[R]``. ``at``: the
    one whose number the second input holds, in the shape of ``x``. ``float32[R, ...]`` to ``float32[steps*R, ...]``.
    """

    name: ClassVar[str] = "over_steps"
    steps: Dim
    where: Literal["every", "below", "at"] = "every"

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        x, *limits = inputs
        wanted = {"every": [], "below": [x.shape[:1]], "at": [x.shape]}[self.where]
        if not x.rank or x.dtype != "float32" or [limit.shape for limit in limits] != wanted:
            raise ShapeError(f"`over_steps` `{self.where}` cannot read {', '.join(map(str, inputs))}")
        return (x.with_shape((self.steps * x.shape[0], *x.shape[1:])),)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        from netspec.compiler.ops.reduce_steps import ReduceSteps  # whose own gradient is this op

        (x, *limits), (ct,) = node.inputs, cotangents
        if self.where == "at":
            raise UnsupportedError("`over_steps` at chosen steps has no gradient")
        none = [None] * len(limits)
        return (None if ct is None else g.add(ReduceSteps("sum", self.steps, x.type.shape[0]), ct, *limits), *none)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        x, *limits = inputs
        t = np.arange(known(self.steps)).reshape(-1, *(1,) * x.ndim)
        y = np.broadcast_to(x, (len(t), *x.shape))
        if limits:
            limit = limits[0].reshape(*limits[0].shape, *(1,) * (x.ndim - limits[0].ndim))
            y = np.where(t < limit if self.where == "below" else t == limit, y, 0)
        return (y.reshape(-1, *x.shape[1:]).astype(real),)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.graph.lowering import Access, Pointer, Split
        from netspec.compiler.kernels.over_steps import over_steps_kernel, over_steps_words

        x, *limits = (lowering.buffer(value) for value in node.inputs)
        target = lowering.buffer(node.value())
        rows = node.types[0].shape[0]
        columns = product(x.type.shape[1:])
        arguments: dict[str, Argument] = {
            "source": (Pointer(x), x.row_stride),
            "limit": (Pointer(limits[0]), limits[0].row_stride) if limits else (0, 0),
            "target": (Pointer(target), target.row_stride),
            "rows": rows,
            "step_rows": x.type.shape[0],
            "columns": columns,
        }
        kernel = over_steps_kernel(self.where, single=columns == 1)
        reads = [Access(buffer) for buffer in (x, *limits)]
        lowering.call(kernel, over_steps_words, arguments, reads, [Access(target, Split("rows", rows))])

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for columns in (1, 16, 33):
            x = TensorType("float32", (BATCH, columns))
            yield Sample(cls(5), (x,))
            yield Sample(cls(5, "below"), (x, TensorType("float32", (BATCH,))), 0.0, 6.0)
            yield Sample(cls(3, "at"), (x, x), 0.0, 3.0)
        yield Sample(cls(4, "below"), (TensorType("float32", (BATCH,)),) * 2, 0.0, 6.0)
        yield Sample(cls(2), (TensorType("float32", (BATCH, 3, 5)),))
