"""Reductions over the first axis stand alone, so that each is one fold."""

from __future__ import annotations

from netspec.compiler.graph import Graph, GraphBuilder, Node, Value
from netspec.compiler.graph.rewrite import Rewrite, rewrite
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.reshape import Reshape


class SplitReduction(Rewrite):
    """Turn ``reduce`` over axes 0, i, j ... into one over axis 0 and one over the rest; axes of size 1 are dropped."""

    root = Reduce

    def apply(self, node: Node, g: GraphBuilder) -> Value | None:
        op, (value, *extras) = node.op, node.inputs
        if not isinstance(op, Reduce) or op.epilogue is not None or extras:
            return None
        shape = value.type.shape
        dropped = [axis for axis in op.axes if shape[axis] == 1]
        if not dropped and not (0 in op.axes and (len(op.axes) > 1 or op.keepdims)):
            return None
        axes = [axis - sum(d < axis for d in dropped) for axis in op.axes if axis not in dropped]
        if dropped:
            value = g.add(Reshape(tuple(n for axis, n in enumerate(shape) if axis not in dropped)), value)
        while axes and axes[0] == 0:
            value = g.add(Reduce(op.kind, (0,)), value)
            axes = [axis - 1 for axis in axes[1:]]
        if axes:
            value = g.add(Reduce(op.kind, tuple(axes)), value)
        return value if value.type.shape == node.types[0].shape else g.add(Reshape(node.types[0].shape), value)


class SplitReductions:
    """Part folds, which go down the rows with a column in each lane, from reductions across the lanes."""

    name = "split-reductions"

    def run(self, graph: Graph) -> Graph:
        return rewrite(graph, [SplitReduction()])
