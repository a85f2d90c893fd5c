"""Every output gets memory that nothing else claims and that is not written while others still read it."""

from __future__ import annotations

from collections.abc import Sequence

from netspec.compiler.formula import Formula, Name
from netspec.compiler.graph import Graph, GraphBuilder, Input, Node, Value
from netspec.compiler.graph.node import shapes_of
from netspec.compiler.ops.channel_sum import ChannelSum
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.conv import ConvWeight
from netspec.compiler.ops.extent import Extent
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.moments import Moments
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.rows import Rows
from netspec.compiler.ops.transpose import Transpose
from netspec.compiler.ops.update_rows import UpdateRows
from netspec.compiler.passes.pieces import piece_of
from netspec.tensortype import COLUMNS

_COPY = Formula(("x0",), (Name("x0"),))


class OwnOutputs:
    """Copy an output that is an input or another output too, and an update that cannot be written over its parameter.

    An update lies where the old value did. That takes that nobody reads the old value after it: neither a node that is
    computed from the update, nor a later sweep of the very kernel, nor another update that waits for this one.
    """

    name = "own-outputs"

    def run(self, graph: Graph) -> Graph:
        copied = _Copies(graph).found
        if not copied:
            return graph
        latest: dict[Value, Value] = {}
        shown: dict[Value, Value] = {}
        made: dict[str, Value] = {}
        for key, value in graph.outputs:
            if key not in copied:
                made[key] = value
            elif key in graph.by_key or value not in shown:
                # A copy of the last copy: two equal ones would become one again.
                made[key] = latest[value] = _copy(latest.get(value, value))
                if key not in graph.by_key:
                    shown[value] = made[key]
            else:
                made[key] = shown[value]
        return Graph(graph.name, graph.inputs, tuple(made.items()), graph.setup)


def _copy(value: Value) -> Value:
    g = GraphBuilder(value.node.origin)
    piece = piece_of(g.node(Map(_COPY), value))
    assert piece is not None
    views = tuple(view for _, view in piece.inputs)
    return g.add(Rows(_COPY, piece.domain.sizes, views, (piece.result,), (value.type.shape,)), value)


class _Copies:
    """The keys of the outputs that need a copy."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.found: set[str] = set()
        self._before: dict[Node, list[Node]] = {}  # beside the inputs of a node, what has to come before it
        claimed: set[Value] = set()
        for key, value in graph.outputs:
            target = graph.by_key.get(key)
            if target is None or target == value:
                continue
            if value in claimed or isinstance(value.node.op, Input | Extent) or not self._fits(value, target):
                self.found.add(key)
            else:
                claimed.add(value)
        for key, value in graph.outputs:
            shapes = shapes_of(value)
            if key not in graph.by_key and (claimed & set(shapes) or isinstance(shapes[-1].node.op, Input | Extent)):
                self.found.add(key)

    def _fits(self, value: Value, target: Value) -> bool:
        """Whether ``value`` can be written over ``target``; if so, that is settled."""
        node = value.node
        readers = [reader for reader in readers_of(self.graph, target) if reader is not node]
        if overlaps(value, target) or self._waits(readers, node):
            return False
        self._before.setdefault(node, []).extend(readers)
        return True

    def _waits(self, nodes: Sequence[Node], other: Node) -> bool:
        """Whether ``other`` has to come before one of ``nodes``."""
        stack, seen = [*nodes], set[Node]()
        while stack:
            each = stack.pop()
            if each is other:
                return True
            if each not in seen:
                seen.add(each)
                stack += [value.node for value in each.inputs]
                stack += self._before.get(each, [])
        return False


def readers_of(graph: Graph, value: Value) -> list[Node]:
    """The nodes that read ``value``, as it is or in another shape."""
    found: list[Node] = []
    for node in graph.uses.get(value, ()):
        found.append(node)
        if isinstance(node.op, Reshape) or (isinstance(node.op, Transpose) and value.type.layout == COLUMNS):
            found += readers_of(graph, node.value())
    return found


def overlaps(value: Value, target: Value) -> bool:
    """Whether the kernel that makes ``value`` would still read ``target`` where it has already written."""
    node, op = value.node, value.node.op
    reading = [i for i, given in enumerate(node.inputs) if shapes_of(given)[-1] == target]
    if any(node.inputs[i] != target for i in reading):
        return True
    if isinstance(op, Rows):
        return any(op.reads_late(value.index, i) for i in reading)
    if isinstance(op, UpdateRows):
        return reading != [op.table + value.index]
    if isinstance(op, ChannelSum):
        return any(i < len(op.summed.inputs) for i in reading)
    sides = {Contract: 2, ConvWeight: 2, Reduce: 1, Moments: 1}.get(type(op), len(node.inputs))
    return any(i < sides for i in reading)
