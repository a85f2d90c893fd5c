"""One value of all steps of a sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Op, Sample, make
from netspec.compiler.ops.broadcast import Broadcast
from netspec.compiler.ops.over_steps import OverSteps
from netspec.compiler.ops.reshape import Reshape
from netspec.tensortype import BATCH, Dim, ShapeError, TensorType, known, product

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Argument, Lowering
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class ReduceSteps(Op):
    """The sum, the largest or the last of ``x[t*R + r]`` over t, for each row r; 0 where there are no steps.

    ``float32[steps*R, ...]`` to ``float32[R, ...]``. A second input, ``float32[R]``, is how many steps each row has,
    those whose number is below it; without it all. ``max`` has a second result, the step of the first winner (-1 where
    there is none), which is where the gradient goes. A NaN is kept.
    """

    name: ClassVar[str] = "reduce_steps"
    kind: Literal["sum", "max", "last"]
    steps: Dim
    rows: Dim
    """Of each step: steps times rows are those of the input."""

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        x, *limits = inputs
        fits = x.dtype == "float32" and x.rank > 0 and self.steps * self.rows == x.shape[0]
        if not fits or [limit.shape for limit in limits] not in ([], [(self.rows,)]):
            raise ShapeError(
                f"`reduce_steps` of {self.steps} steps of {self.rows} rows cannot read {', '.join(map(str, inputs))}"
            )
        made = x.with_shape((self.rows, *x.shape[1:]))
        return (made, made) if self.kind == "max" else (made,)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        (_, *limits), ct = node.inputs, cotangents[0]
        none = [None] * len(limits)
        if ct is None:
            return (None, *none)
        if self.kind == "sum":
            return (g.add(OverSteps(self.steps, "below" if limits else "every"), ct, *limits), *none)
        chosen = node.values[1] if self.kind == "max" else self._last(g, node)
        return (g.add(OverSteps(self.steps, "at"), ct, chosen), *none)

    def _last(self, g: GraphBuilder, node: Node) -> Value:
        """The number of the last step, in the shape of the result."""
        from netspec.compiler.formula.parse import parse
        from netspec.compiler.ops.extent import Extent

        shape, steps = node.types[0].shape, g.add(Extent(self.steps))
        before = g.add(
            make("map", formula=parse("min(-floor(-n), m) - 1", ("n", "m"))), *(node.inputs[1:] or [steps]), steps
        )
        if before.type.rank:
            before = g.add(Reshape((shape[0], *(1,) * (len(shape) - 1))), before)
        return before if before.type.shape == shape else g.add(Broadcast(shape), before)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        x, *limits = inputs
        steps = known(self.steps)
        x = np.asarray(x, real).reshape(steps, -1, *x.shape[1:])
        count = np.minimum(np.ceil(limits[0]).astype(np.int64), steps) if limits else np.full(x.shape[1], steps)
        count = np.maximum(count, 0).reshape(1, -1, *(1,) * (x.ndim - 2))
        inside = np.arange(steps).reshape(-1, *(1,) * (x.ndim - 1)) < count
        if self.kind == "sum":
            return (np.where(inside, x, 0).sum(axis=0, dtype=np.float64).astype(real),)
        if self.kind == "last":
            taken = np.take_along_axis(x, np.maximum(count - 1, 0), axis=0)[0]
            return (np.where(count[0] > 0, taken, 0).astype(real),)
        places = np.where(inside, x, -np.inf).argmax(axis=0)
        top = np.take_along_axis(x, places[None], axis=0)[0]
        some = count[0] > 0
        return np.where(some, top, 0).astype(real), np.where(some, places, -1).astype(real)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.graph.lowering import Access, Pointer, Split
        from netspec.compiler.kernels.over_steps import reduce_steps_kernel, reduce_steps_words

        x, *limits = (lowering.buffer(value) for value in node.inputs)
        results = [lowering.buffer(value) for value in node.values]
        rows, columns = node.types[0].shape[0], product(x.type.shape[1:])
        places: list[Argument] = [(Pointer(made), made.row_stride) for made in results]
        arguments: dict[str, Argument] = {
            "source": (Pointer(x), x.row_stride),
            "limit": Pointer(limits[0]) if limits else 0,
            "target": places[0],
            "winner": places[1] if len(places) > 1 else (0, 0),
            "rows": rows,
            "steps": self.steps,
            "columns": columns,
        }
        kernel = reduce_steps_kernel(self.kind, limited=bool(limits), single=columns == 1)
        split = Split("rows", rows)
        reads = [Access(x), *(Access(limit, split) for limit in limits)]
        lowering.call(kernel, reduce_steps_words, arguments, reads, [Access(made, split) for made in results])

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        kinds: tuple[Literal["sum", "max", "last"], ...] = ("sum", "max", "last")
        for kind in kinds:
            for columns in (1, 16, 33):
                x = TensorType("float32", (5 * BATCH, columns))
                yield Sample(cls(kind, 5, BATCH), (x,))
                yield Sample(cls(kind, 5, BATCH), (x, TensorType("float32", (BATCH,))), 0.0, 6.0)
            yield Sample(cls(kind, 3, BATCH), (TensorType("float32", (3 * BATCH,)),))
            yield Sample(cls(kind, 2, BATCH), (TensorType("float32", (2 * BATCH, 3, 5)),))
