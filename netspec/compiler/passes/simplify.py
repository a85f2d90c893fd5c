"""Local simplification: what costs a kernel and changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar

from netspec.compiler.formula.compose import canonical, rename, select, substitute, trim
from netspec.compiler.formula.expr import ZERO, Call, Constant, Expr, Name, replace_all
from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.parse import parse
from netspec.compiler.formula.simplify import simplify
from netspec.compiler.graph.arithmetic import constant
from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Graph, Node, Value
from netspec.compiler.graph.op import Op
from netspec.compiler.graph.rewrite import Rewrite, rewrite
from netspec.compiler.ops.broadcast import Broadcast
from netspec.compiler.ops.cast import Cast
from netspec.compiler.ops.concat import Concat
from netspec.compiler.ops.conv import Conv, ConvWeight
from netspec.compiler.ops.elementwise import by_place
from netspec.compiler.ops.extent import Extent
from netspec.compiler.ops.iota import Iota
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.pad import Pad
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.slice import Slice
from netspec.compiler.ops.stop_gradient import StopGradient
from netspec.compiler.ops.transpose import Transpose
from netspec.compiler.passes.fold_pads import FoldPad, FoldSlice
from netspec.tensortype import Dim, broadcast

# The layers of a network repeat a handful of formulas, so what is done to one is remembered.
_tidy = lru_cache(maxsize=4096)(lambda formula: canonical(simplify(formula)))
_ITSELF = Formula(("x0",), (Name("x0"),))
_SUM = parse("x0 + x1", ("x0", "x1"))
_trim = lru_cache(maxsize=4096)(trim)


class TidyFormula(Rewrite):
    """Simplify a map's formula and name its inputs by position.

    Equal maps of different authors then are equal nodes, and their kernels are one kernel.
    """

    root = Map

    def apply(self, node: Node, g: GraphBuilder) -> tuple[Value, ...] | None:
        formula = _formula(node)
        tidy = _tidy(formula)
        return None if tidy == formula else g.node(Map(tidy), *node.inputs).values


class FoldConstants(Rewrite):
    """Put constant inputs of a map into its formula: ``map(a * b)(x, 2)`` becomes ``map(2 * a)(x)``.

    A size that is a number is such a constant. Without it a scalar would be a buffer that every element reads.
    """

    root = Map

    def apply(self, node: Node, g: GraphBuilder) -> tuple[Value, ...] | None:
        formula = _formula(node)
        values = {name: constant_of(value) for name, value in zip(formula.inputs, node.inputs, strict=True)}
        known: dict[str, Expr] = {name: Constant(value) for name, value in values.items() if value is not None}
        kept = [value for name, value in zip(formula.inputs, node.inputs, strict=True) if name not in known]
        if not known or _shape(kept) != node.types[0].shape:
            return None
        names = tuple(name for name in formula.inputs if name not in known)
        return g.node(Map(substitute(formula, known, names)), *kept).values


class MergeInputs(Rewrite):
    """Read a value once that is input to a map twice, and not at all where the formula does not name it."""

    root = Map

    def apply(self, node: Node, g: GraphBuilder) -> tuple[Value, ...] | None:
        formula = _formula(node)
        if len(set(node.inputs)) < len(node.inputs):
            inputs = tuple(dict.fromkeys(node.inputs))
            merged = rename(formula, [f"x{inputs.index(value)}" for value in node.inputs])
            return g.node(Map(merged), *inputs).values
        trimmed, kept = _trim(formula)
        inputs = tuple(node.inputs[i] for i in kept)
        if len(kept) == len(node.inputs) or _shape(inputs) != node.types[0].shape:
            return None
        return g.node(Map(trimmed), *inputs).values


class DropIdentity(Rewrite):
    """Take a map's result that is one of its inputs, unchanged in type, from where it comes from.

    The gradient of ``a + b`` makes such results; each would be a copy.
    """

    root = Map

    def apply(self, node: Node, g: GraphBuilder) -> tuple[Value, ...] | None:
        formula = _formula(node)
        given = dict(zip(formula.inputs, node.inputs, strict=True))
        passed = {
            i: given[output.name]
            for i, output in enumerate(formula.outputs)
            if isinstance(output, Name) and given[output.name].type == node.types[i]
        }
        computed = [i for i in range(len(formula.outputs)) if i not in passed]
        if not passed:
            return None
        if computed:
            rest = g.node(Map(select(formula, computed)), *node.inputs)
            passed |= {i: rest.value(at) for at, i in enumerate(computed)}
        return tuple(passed[i] for i in range(len(formula.outputs)))


class AbsorbBroadcast(Rewrite):
    """Let a map read what a broadcast repeats, where its other inputs have the whole shape already.

    The same for a reshape that adds or drops axes of length 1 in front, which broadcasting does by itself.
    """

    root = Map

    def apply(self, node: Node, g: GraphBuilder) -> tuple[Value, ...] | None:
        inputs = list(node.inputs)
        for i, value in enumerate(inputs):
            source = _repeated(value)
            if source is not None and _shape([*inputs[:i], source, *inputs[i + 1 :]]) == node.types[0].shape:
                inputs[i] = source
        return None if tuple(inputs) == node.inputs else g.node(node.op, *inputs).values


class SinkBroadcast(Rewrite):
    """Turn a map whose only wide inputs are broadcasts into a broadcast of a narrow map.

    The gradient of a mean is a scalar repeated; arithmetic on it is then done once instead of for every element.
    """

    root = Map

    def apply(self, node: Node, g: GraphBuilder) -> Value | None:
        formula, shape = _formula(node), node.types[0].shape
        if len(node.types) != 1 or not shape or by_place(formula):
            return None
        sources = [v.node.inputs[0] if isinstance(v.node.op, Broadcast) else v for v in node.inputs]
        if _shape(sources) == shape or _shape(node.inputs) != shape:
            return None
        return g.add(Broadcast(shape), g.add(Map(formula), *sources))


def _repeated(value: Value) -> Value | None:
    """What a broadcast, or a reshape in the place of one, repeats."""
    op = value.node.op
    if isinstance(op, Broadcast):
        return value.node.inputs[0]
    if isinstance(op, Reshape) and _unpadded(op.shape) == _unpadded(value.node.inputs[0].type.shape):
        return value.node.inputs[0]
    return None


def _unpadded(shape: tuple[Dim, ...]) -> tuple[Dim, ...]:
    """``shape`` without the axes of length 1 in front."""
    first = next((axis for axis, n in enumerate(shape) if n != 1), len(shape))
    return shape[first:]


class DropNothing(Rewrite):
    """Drop an op that gives back its input: a reshape to the same shape, a cast to the same dtype, a pad by nothing."""

    def __init__(self, root: type[Op]) -> None:
        self.root = root

    def apply(self, node: Node, g: GraphBuilder) -> Value | None:
        (x,) = node.inputs
        op = node.op
        if isinstance(op, Transpose) and op.perm != tuple(range(x.type.rank)):
            return None
        return x if x.type == node.types[0] else None


class FoldReshape(Rewrite):
    """Turn ``reshape(reshape(x))`` into one reshape."""

    root = Reshape

    def apply(self, node: Node, g: GraphBuilder) -> Value | None:
        inner = node.inputs[0].node
        return g.add(node.op, *inner.inputs) if isinstance(inner.op, Reshape) else None


class FoldTranspose(Rewrite):
    """Turn ``transpose(transpose(x, p), q)`` into ``transpose(x, p[q])``."""

    root = Transpose

    def apply(self, node: Node, g: GraphBuilder) -> Value | None:
        outer, inner = node.op, node.inputs[0].node
        if not (isinstance(outer, Transpose) and isinstance(inner.op, Transpose)):
            return None
        perm = tuple(inner.op.perm[axis] for axis in outer.perm)
        return g.add(Transpose(perm), *inner.inputs)


class FoldBroadcast(Rewrite):
    """Turn ``broadcast(broadcast(x))`` into one broadcast, and drop a reshape that only adds axes in front of it."""

    root = Broadcast

    def apply(self, node: Node, g: GraphBuilder) -> Value | None:
        source, shape = _repeated(node.inputs[0]), node.types[0].shape
        if source is None or source.type.rank > len(shape):
            return None
        return g.add(node.op, source)


class ReduceNothing(Rewrite):
    """Turn a reduction over axes of length 1 into a reshape."""

    root = Reduce

    def apply(self, node: Node, g: GraphBuilder) -> Value | None:
        op, x = node.op, node.inputs[0]
        assert isinstance(op, Reduce)
        axes = tuple(axis for axis in op.axes if x.type.shape[axis] != 1)
        if op.epilogue is not None or (axes and len(axes) == len(op.axes)):
            return None
        if not axes:
            if x.type.dtype != node.types[0].dtype:  # a sum is real, whatever it adds
                x = g.add(Map(_ITSELF), x)
            return g.add(Reshape(node.types[0].shape), x)
        return g.add(Reshape(node.types[0].shape), g.add(Reduce(op.kind, axes, keepdims=True), x))


class CountIota(Rewrite):
    """Read an index along the last axis as ``column()`` of the map that uses it, instead of storing it."""

    root = Map

    def apply(self, node: Node, g: GraphBuilder) -> tuple[Value, ...] | None:
        formula, shape = _formula(node), node.types[0].shape
        counts: dict[str, Expr] = {}
        kept: list[Value] = []
        for name, value in zip(formula.inputs, node.inputs, strict=True):
            op = value.node.op
            last = isinstance(op, Iota) and op.axis == len(op.shape) - 1 and op.shape[-1:] == shape[-1:]
            if last and isinstance(shape[-1], int):  # one index a sample, Iota([B]), counts rows and no columns
                counts[name] = Call("column")
            else:
                kept.append(value)
        if not counts or _shape(kept) != shape:
            return None
        names = tuple(name for name in formula.inputs if name not in counts)
        return g.node(Map(substitute(formula, counts, names)), *kept).values


class JoinPads(Rewrite):
    """Turn a sum of pads whose elements stand beside each other, ``pad(a) + pad(b)``, into ``pad(concat(a, b))``.

    The gradient by pieces of one array is a sum of pads, most of each zeros: of five pieces that writes and reads five
    times what a concat writes once.
    """

    root = Map

    def apply(self, node: Node, g: GraphBuilder) -> tuple[Value, ...] | None:
        formula = _formula(node)
        if len(formula.outputs) != 1 or not _is_sum(formula.outputs[0]) or len(set(node.inputs)) < len(node.inputs):
            return None
        axes = {value.node.op.axis for value in node.inputs if isinstance(value.node.op, Pad)}
        if len(axes) != 1 or not all(isinstance(v.node.op, Pad) and v.type == node.types[0] for v in node.inputs):
            return None
        (axis,) = axes
        joined = _joined(list(node.inputs), axis, g)
        if len(joined) == len(node.inputs):
            return None
        total = joined[0]
        for value in joined[1:]:
            total = g.add(Map(_SUM), total, value)
        return (total,)


def _is_sum(expr: Expr) -> bool:
    """Whether it adds names and nothing else."""
    if isinstance(expr, Call) and expr.function == "+":
        return all(isinstance(each, Name) or _is_sum(each) for each in expr.operands)
    return False


def _joined(pads: list[Value], axis: int, g: GraphBuilder) -> list[Value]:
    """The pads with those put together that begin where another one ends."""
    found: list[Value] = []
    while pads:
        value = pads.pop(0)
        while True:
            op, (x,) = value.node.op, value.node.inputs
            assert isinstance(op, Pad)
            end = op.before + x.type.shape[axis]
            after = next((p for p in (*pads, *found) if isinstance(p.node.op, Pad) and p.node.op.before == end), None)
            if after is None:
                break
            assert isinstance(after.node.op, Pad)
            (pads if after in pads else found).remove(after)
            pieces = (*_pieces(x, axis), *_pieces(after.node.inputs[0], axis))
            value = g.add(Pad(axis, op.before, after.node.op.after), g.add(Concat(axis), *pieces))
        found.append(value)
    return found


def _pieces(value: Value, axis: int) -> tuple[Value, ...]:
    """What a value is put together of along an axis."""
    op = value.node.op
    return value.node.inputs if isinstance(op, Concat) and op.axis == axis else (value,)


_PLAIN: tuple[type[Op], ...] = (Reshape, Cast, Broadcast, Transpose, Slice, Pad, StopGradient)


class FoldPlace(Rewrite):
    """Write the length of a last axis that is a number, and the only index of one of length 1, as numbers."""

    root = Map

    def apply(self, node: Node, g: GraphBuilder) -> tuple[Value, ...] | None:
        formula, shape = _formula(node), node.types[0].shape
        if not shape or not isinstance(shape[-1], int):
            return None
        known: dict[Expr, Expr] = {Call("columns"): Constant(shape[-1])}
        if shape[-1] == 1:
            known[Call("column")] = ZERO
        if not known.keys() & set(formula.nodes):
            return None
        return g.node(Map(Formula(formula.inputs, replace_all(formula.outputs, known))), *node.inputs).values


class FoldIota(Rewrite):
    """Turn an index along an axis of length 1 into the constant 0."""

    root = Iota

    def apply(self, node: Node, g: GraphBuilder) -> Value | None:
        op = node.op
        assert isinstance(op, Iota)
        return constant(g, 0.0, op.shape) if op.shape[op.axis] == 1 else None


RULES: tuple[Rewrite, ...] = (
    FoldConstants(), AbsorbBroadcast(), SinkBroadcast(), CountIota(), FoldPlace(), FoldIota(), MergeInputs(),
    TidyFormula(), DropIdentity(), FoldReshape(), FoldTranspose(), FoldBroadcast(), ReduceNothing(), JoinPads(),
    *(DropNothing(root) for root in _PLAIN), FoldPad(Conv), FoldPad(ConvWeight), FoldSlice(),
)  # fmt: skip


class Simplify:
    """Apply every rule of this file until none applies; equal nodes become one, unread ones fall away."""

    name: ClassVar[str] = "simplify"

    def run(self, graph: Graph) -> Graph:
        return rewrite(graph, RULES)


def constant_of(value: Value) -> float | None:
    """The number that a value is in all its elements, if that is known."""
    op = value.node.op
    if isinstance(op, Extent) and isinstance(op.dim, int):
        return float(op.dim)
    if isinstance(op, Broadcast):
        return constant_of(value.node.inputs[0])
    if isinstance(op, Map) and not op.formula.inputs:
        output = op.formula.outputs[value.index]
        return output.value if isinstance(output, Constant) else None
    return None


def _formula(node: Node) -> Formula:
    assert isinstance(node.op, Map)
    return node.op.formula


def _shape(values: Sequence[Value]) -> tuple[Dim, ...]:
    return broadcast(*(value.type.shape for value in values))
