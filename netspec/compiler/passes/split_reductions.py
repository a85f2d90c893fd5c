"""Reductions over the first axis stand alone, so that each is one fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from netspec.compiler.graph import Graph, GraphBuilder, Node, Value
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.passes.rebuild import Unit, rebuild


class SplitReductions:
    """Turn ``reduce`` over axes 0, i, j ... into one over axis 0 and one over the rest; axes of size 1 are dropped.

    A fold goes down the rows with a column in each lane; a reduction along the row goes across the lanes.
    """

    name = "split-reductions"

    def run(self, graph: Graph) -> Graph:
        units = {node: _Split(node) for node in graph.nodes if _is_mixed(node)}
        return rebuild(graph, units) if units else graph


def _is_mixed(node: Node) -> bool:
    op = node.op
    if not isinstance(op, Reduce) or op.epilogue is not None:
        return False
    trivial = any(node.inputs[0].type.shape[axis] == 1 for axis in op.axes)
    return trivial or (0 in op.axes and (len(op.axes) > 1 or op.keepdims))


@dataclass(frozen=True, eq=False)
class _Split(Unit):
    node: Node

    @property
    def inputs(self) -> Sequence[Value]:
        return self.node.inputs

    def emit(self, g: GraphBuilder, inputs: Sequence[Value]) -> Mapping[Value, Value]:
        assert isinstance(self.node.op, Reduce)
        (value,) = inputs
        shape = value.type.shape
        dropped = [axis for axis in self.node.op.axes if shape[axis] == 1]
        axes = [axis - sum(d < axis for d in dropped) for axis in self.node.op.axes if axis not in dropped]
        with g.at(self.node.origin):
            if dropped:
                value = g.add(Reshape(tuple(n for axis, n in enumerate(shape) if axis not in dropped)), value)
            while axes and axes[0] == 0:
                value = g.add(Reduce(self.node.op.kind, (0,)), value)
                axes = [axis - 1 for axis in axes[1:]]
            if axes:
                value = g.add(Reduce(self.node.op.kind, tuple(axes)), value)
            if value.type.shape != self.node.types[0].shape:
                value = g.add(Reshape(self.node.types[0].shape), value)
        return {self.node.value(): value}
