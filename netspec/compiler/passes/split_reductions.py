"""Reductions over the first axis stand alone, so that each is one fold; those over axes in the middle go to the end."""

from __future__ import annotations

from collections.abc import Sequence

from netspec.compiler.graph import Graph, GraphBuilder, Node, Value
from netspec.compiler.graph.rewrite import Rewrite, rewrite
from netspec.compiler.ops.broadcast import Broadcast
from netspec.compiler.ops.channel_sum import ChannelSum
from netspec.compiler.ops.conv import Conv, ConvInput
from netspec.compiler.ops.group_sum import GroupSum
from netspec.compiler.ops.iota import Iota
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.pool import Pool, PoolInput
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.transpose import Transpose
from netspec.tensortype import known


class SplitReduction(Rewrite):
    """Turn ``reduce`` over axes 0, i, j ... into one over axis 0 and one over the rest; axes of size 1 are dropped.

    A reduction across the lanes is one over the last axes; others are brought there by a transposition.
    """

    root = Reduce

    def apply(self, node: Node, g: GraphBuilder) -> Value | None:
        op, (value, *extras) = node.op, node.inputs
        if not isinstance(op, Reduce) or op.epilogue is not None or extras:
            return None
        shape = value.type.shape
        if op.kind == "sum" and _of_channels(op.axes, value) and not op.keepdims:
            return g.add(ChannelSum(), value)
        if op.kind == "sum" and op.keepdims and _of_places(op.axes, value):
            return g.add(GroupSum(known(value.type.channels)), value)
        # A fold to one number is one to float32[], so that arithmetic on that number is its epilogue.
        dropped = [axis for axis, n in enumerate(shape) if n == 1 and (axis in op.axes or 0 in op.axes)]
        mixed = 0 in op.axes and (len(op.axes) > 1 or op.keepdims)
        if not dropped and not mixed and _at_the_end(op.axes, value):
            return None
        axes = [axis - sum(d < axis for d in dropped) for axis in op.axes if axis not in dropped]
        if dropped:
            value = g.add(Reshape(tuple(n for axis, n in enumerate(shape) if axis not in dropped)), value)
        while axes and axes[0] == 0:
            value = g.add(Reduce(op.kind, (0,)), value)
            axes = [axis - 1 for axis in axes[1:]]
        if not _at_the_end(axes, value):
            others = [axis for axis in range(value.type.rank) if axis not in axes]
            value = g.add(Transpose((*others, *axes)), value)
            axes = list(range(len(others), value.type.rank))
        if axes:
            value = g.add(Reduce(op.kind, tuple(axes)), value)
        return value if value.type.shape == node.types[0].shape else g.add(Reshape(node.types[0].shape), value)


class CountElsewhere(Rewrite):
    """Turn a count along another axis than the last into a count along its own axis, repeated."""

    root = Iota

    def apply(self, node: Node, g: GraphBuilder) -> Value | None:
        op = node.op
        if not isinstance(op, Iota) or op.axis == len(op.shape) - 1 or not isinstance(op.shape[op.axis], int):
            return None
        length = op.shape[op.axis]
        behind = (1,) * (len(op.shape) - op.axis - 1)
        return g.add(Broadcast(op.shape), g.add(Reshape((length, *behind)), g.add(Iota((length,), 0))))


def _of_channels(axes: Sequence[int], value: Value) -> bool:
    """Whether the sums are over samples and places of what a convolution reads or writes."""
    return value.type.rank > 2 and sorted(axes) == list(range(value.type.rank - 1)) and _lies_in_lanes(value)


def _of_places(axes: Sequence[int], value: Value) -> bool:
    """Whether the sums are over the places of each sample of what a convolution reads or writes."""
    return value.type.rank > 2 and sorted(axes) == list(range(1, value.type.rank - 1)) and _lies_in_lanes(value)


def _lies_in_lanes(value: Value) -> bool:
    """Whether samples will lie in the lanes: what windows or sums of groups read or write, and maps of that."""
    stack, seen = [value], set[Value]()
    while stack:
        near = stack.pop()
        if isinstance(near.node.op, Conv | ConvInput | PoolInput | Pool | GroupSum):
            return True
        if isinstance(near.node.op, Map):
            whole = [v for v in near.node.inputs if v.type.rank == value.type.rank and v not in seen]
            seen.update(whole)
            stack += whole
    return False


def _at_the_end(axes: Sequence[int], value: Value) -> bool:
    """Whether the axes are the last ones, or the first, which is folded."""
    rank = value.type.rank
    return tuple(axes) in {(), (0,), tuple(range(rank - len(axes), rank))}


class SplitReductions:
    """Part folds, which go down the rows with a column in each lane, from reductions across the lanes."""

    name = "split-reductions"

    def run(self, graph: Graph) -> Graph:
        return rewrite(graph, [SplitReduction(), CountElsewhere()])
