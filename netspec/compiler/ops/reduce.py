"""Sums and extremes over axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.parse import parse
from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Op, Sample, UnsupportedError, make
from netspec.compiler.ops.broadcast import Broadcast
from netspec.compiler.ops.elementwise import evaluate_formula, infer_formula, real_dtype
from netspec.compiler.ops.iota import Iota
from netspec.compiler.ops.reshape import Reshape
from netspec.tensortype import BATCH, Dim, ShapeError, TensorType, product

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Argument, Lowering
    from netspec.compiler.graph.op import Array, Real

NOWHERE = 2.0**24
"""An index above all others: float32 holds whole numbers exactly up to here."""

_ACC = parse("acc", ("acc",))


@dataclass(frozen=True)
class Reduce(Op):
    """The sum, largest or smallest element along ``axes``, ascending and not negative.

    With ``epilogue``, a formula of that and of further inputs that broadcast to its shape, the results are its own.
    Of several equal extremes the first, in row-major order, receives the gradient. A NaN is kept.
    """

    name: ClassVar[str] = "reduce"
    kind: Literal["sum", "max", "min"]
    axes: tuple[int, ...]
    keepdims: bool = False
    epilogue: Formula | None = None

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        x, *extras = inputs
        if list(self.axes) != sorted(set(self.axes)) or any(not 0 <= axis < x.rank for axis in self.axes):
            raise ShapeError(f"`reduce` needs ascending axes of {x.rank}, got {self.axes}")
        reduced = TensorType(real_dtype([x]), self.shape(x.shape))
        if self.epilogue is None:
            if extras:
                raise ShapeError(f"`reduce` without an epilogue takes one input, got {len(inputs)}")
            return (reduced,)
        results = infer_formula(self.name, self.epilogue, [reduced, *extras])
        if results[0].shape != reduced.shape:
            raise ShapeError(f"the epilogue of `reduce` has to keep the shape of {reduced}, got {results[0]}")
        return results

    def shape(self, shape: tuple[Dim, ...]) -> tuple[Dim, ...]:
        """What is left of ``shape``."""
        if self.keepdims:
            return tuple(1 if axis in self.axes else n for axis, n in enumerate(shape))
        return tuple(n for axis, n in enumerate(shape) if axis not in self.axes)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        if self.epilogue is not None:
            raise UnsupportedError("`reduce` with an epilogue has no gradient")
        (x,), (ct,) = node.inputs, cotangents
        if ct is None or x.type.dtype not in ("float32", "float64"):
            return (None,)
        kept = tuple(1 if axis in self.axes else n for axis, n in enumerate(x.type.shape))
        ct = ct if self.keepdims else g.add(Reshape(kept), ct)
        if self.kind == "sum":
            return (g.add(Broadcast(x.type.shape), ct),)
        return (_to_winners(g, self.kind, x, self.axes, ct),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        x, *extras = inputs
        if self.kind == "sum":  # in float64, so that the oracle's rounding is none of the kernel's concern
            reduced = np.asarray(np.sum(x, axis=self.axes, keepdims=self.keepdims, dtype=np.float64), real)
        else:
            extreme = np.max if self.kind == "max" else np.min
            reduced = np.asarray(extreme(x, axis=self.axes, keepdims=self.keepdims), real)
        return (reduced,) if self.epilogue is None else evaluate_formula(self.epilogue, [reduced, *extras], real)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.formula.render import body
        from netspec.compiler.graph.lowering import Access, Clock, Pointer, Split
        from netspec.compiler.kernels.fold import fold_kernel, fold_words
        from netspec.compiler.kernels.kernel import Operand, Result
        from netspec.compiler.ops.stretch import relay, steady

        if self.axes != (0,) or self.keepdims:
            raise UnsupportedError(f"`reduce` has a kernel over the first axis, not over {self.axes}")
        first, *extras = (lowering.buffer(value) for value in node.inputs)
        source = steady(lowering, first)
        columns = product(node.inputs[0].type.shape[1:])
        single = columns == 1
        views = [value.type.elements != 1 for value in node.inputs[1:]]
        wanted = [lowering.buffer(value, "none") for value in node.values]
        results = [x if x.contiguous else lowering.temporary(x.type) for x in wanted]
        if not all(x.contiguous for x, v in zip(extras, views, strict=True) if v):
            raise UnsupportedError(f"the epilogue of `reduce` reads rows without padding: {node!r}")
        panels = {b.type.layout.width for b in (source, *extras) if b.type.layout.kind == "panels"}
        kernel = fold_kernel(
            (Operand(source.type.dtype, spread=single),),
            body(_ACC),
            (self.kind,),
            tuple(Operand(spread=not v, stepped=x.place == "step") for v, x in zip(views, extras, strict=True)),
            tuple(Result("stepped" if x.place == "step" else "rows") for x in results),
            body(self.epilogue or _ACC),
        )
        arguments: dict[str, Argument] = {
            "clock": Clock(),
            "rows": node.inputs[0].type.shape[0],
            "columns": columns,
            "operands": [(Pointer(source), source.row_stride, 0, source.panel_stride)],
            "extras": [(Pointer(x), 0, 0, 0) for x in extras],
            "results": [(Pointer(x), 0, 0, 0) for x in results],
            "panel_width": max(panels, default=0),
        }
        split = Split("columns", columns)
        reads = [Access(source), *(Access(x, split if v else None) for v, x in zip(views, extras, strict=True))]
        lowering.call(kernel, fold_words, arguments, reads, [Access(x, split) for x in results])
        for made, target in zip(results, wanted, strict=True):
            if made is not target:
                relay(lowering, made, target)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for n in (1, 15, 16, 17, 33):
            for kind in ("sum", "max", "min"):
                yield Sample(Reduce(kind, (1,), keepdims=n == 16), (TensorType("float32", (BATCH, n)),))
            yield Sample(Reduce("sum", (0,)), (TensorType("float32", (BATCH, n)),))
        cube = TensorType("float32", (3, 4, 5))
        yield Sample(Reduce("max", (1,)), (TensorType("float32", (BATCH, 3, 17)),))
        yield Sample(Reduce("sum", (0, 2), keepdims=True), (TensorType("float32", (BATCH, 4, 5, 3)),))
        yield Sample(Reduce("sum", (0, 2)), (cube,))
        yield Sample(Reduce("max", (0, 2)), (cube,))
        yield Sample(Reduce("min", (0, 1, 2)), (cube,))
        yield Sample(Reduce("sum", ()), (cube,))
        yield Sample(Reduce("sum", (0,)), (TensorType("uint8", (17, 3)),), integers=256)
        step = parse("p - 0.1 * acc, acc", ("acc", "p"))
        rows, row = TensorType("float32", (BATCH, 17)), TensorType("float32", (17,))
        yield Sample(Reduce("sum", (0,), epilogue=step), (rows, row))


def _to_winners(g: GraphBuilder, kind: Literal["max", "min"], x: Value, axes: tuple[int, ...], ct: Value) -> Value:
    """``ct``, which has length 1 along ``axes``, at the first extreme of ``x``, 0 elsewhere.

    Axis by axis from the last: the first winner of a row, then the first of such rows: the first in row-major order.
    """
    stages = [x]
    for axis in reversed(axes):
        stages.append(g.add(Reduce(kind, (axis,), keepdims=True), stages[-1]))
    for axis, before, after in zip(axes, reversed(stages[:-1]), reversed(stages[1:]), strict=True):
        index = g.add(Iota(before.type.shape, axis))
        # `x < y` and not `x == y`: where y is NaN the first element is the winner, and hands the NaN of ct on
        loses = "x < y" if kind == "max" else "x > y"
        place = g.add(_map(f"where({loses}, {NOWHERE}, i)", "x", "y", "i"), before, after, index)
        first = g.add(Reduce("min", (axis,), keepdims=True), place)
        ct = g.add(_map("where(i == f, ct, 0)", "i", "f", "ct"), index, first, ct)
    return ct


def _map(text: str, *names: str) -> Op:
    return make("map", formula=parse(text, names))


def sum_to(g: GraphBuilder, value: Value, target: TensorType) -> Value:
    """``value`` summed over the axes along which ``target`` was broadcast to it."""
    shape = value.type.shape
    extra = len(shape) - target.rank
    narrow = [extra + axis for axis, n in enumerate(target.shape) if n == 1 and shape[extra + axis] != 1]
    axes = (*range(extra), *narrow)
    if axes:
        value = g.add(Reduce("sum", axes, keepdims=bool(narrow) and not extra), value)
    if value.type.shape != target.shape:
        value = g.add(Reshape(target.shape), value)
    return value
