"""Broadcasting along several axes apart is done one axis at a time; kernels repeat along rows, middle or columns."""

from __future__ import annotations

from netspec.compiler.graph import Graph, GraphBuilder, Node, Value
from netspec.compiler.graph.rewrite import rebuild
from netspec.compiler.ops.broadcast import Broadcast
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.passes.pieces import piece_of
from netspec.tensortype import Dim, product


class SplitBroadcasts:
    """Store what a map of four and more axes would repeat along an axis between two others that it has.

    A row kernel sees rows, a middle and columns: ``[B, 2, 3, 5]`` with ``[2, 1, 5]`` is more than that.
    """

    name = "split-broadcasts"

    def run(self, graph: Graph) -> Graph:
        return rebuild(graph, _translate, graph.setup) if any(map(_is_tangled, graph.nodes)) else graph


def _is_tangled(node: Node) -> bool:
    return isinstance(node.op, Map | Broadcast) and node.types[0].rank > 3 and piece_of(node) is None


def _translate(node: Node, inputs: tuple[Value, ...], g: GraphBuilder) -> tuple[Value, ...]:
    if not _is_tangled(node):
        return g.again(node, inputs).values
    shape = node.types[0].shape
    if isinstance(node.op, Broadcast):
        return (widened(g, inputs[0], shape),)
    return g.node(node.op, *(value if _fits(value, shape) else widened(g, value, shape) for value in inputs)).values


def _fits(value: Value, shape: tuple[Dim, ...]) -> bool:
    """Whether all axes of the middle are there in whole, or none."""
    small = (1,) * (len(shape) - value.type.rank) + value.type.shape
    return small[1:-1] == shape[1:-1] or all(n == 1 for n in small[1:-1])


def widened(g: GraphBuilder, value: Value, shape: tuple[Dim, ...]) -> Value:
    """``value`` repeated to ``shape``, from the last axis to the first; each step has one axis between all others."""
    small = [*((1,) * (len(shape) - value.type.rank)), *value.type.shape]
    for axis in reversed(range(len(shape))):
        if small[axis] != shape[axis]:
            before, after = product(small[:axis]), product(small[axis + 1 :])
            small[axis] = shape[axis]
            value = g.add(Broadcast((before, shape[axis], after)), g.add(Reshape((before, 1, after)), value))
    return g.add(Reshape(shape), value)
