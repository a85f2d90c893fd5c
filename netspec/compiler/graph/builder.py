"""Makes nodes: the only place that calls an op's type rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from netspec.compiler.graph.node import Graph, Input, Node, Origin, Role, Value
from netspec.compiler.graph.op import Op
from netspec.tensortype import TensorType


class GraphBuilder:
    """Adds nodes, equal ones once: the same op on the same inputs is the same node."""

    def __init__(self, origin: Origin | None = None) -> None:
        self.origin = origin
        self._known: dict[tuple[type[Op], tuple[Value, ...]], list[Node]] = {}  # to hash an op takes longer than this
        self._inputs: dict[str, Value] = {}

    @contextmanager
    def at(self, origin: Origin | None) -> Iterator[None]:
        """Nodes made inside come from ``origin``."""
        before, self.origin = self.origin, origin
        try:
            yield
        finally:
            self.origin = before

    def input(self, key: str, type_: TensorType, role: Role) -> Value:
        """The input called ``key``; asking again for the same one gives the same value."""
        known = self._inputs.get(key)
        if known is None:
            op = Input(key, type_, role)
            known = self._inputs[key] = Node(op, (), (type_,), self.origin).value()
        elif known.type != type_:
            raise ValueError(f"the input `{key}` is {known.type} and cannot be {type_} too")
        return known

    def again(self, node: Node, inputs: Sequence[Value]) -> Node:
        """The op of a node of another graph on ``inputs``: the node itself where these are its own.

        Most of what a pass goes over stays as it is. Nodes never change, so graphs may have them in common; and types
        follow from the op and the types of its inputs, so they are inferred anew only where one of these is another.
        """
        inputs = tuple(inputs)
        if isinstance(node.op, Input):
            return self._inputs.setdefault(node.op.key, node.value()).node
        known = self._find(node.op, inputs)
        if known is not None:
            return known
        if inputs == node.inputs and self.origin == node.origin:
            return self._add(node)
        if [value.type for value in inputs] != [value.type for value in node.inputs]:
            return self.node(node.op, *inputs)
        return self._add(Node(node.op, inputs, node.types, self.origin))

    def node(self, op: Op, *inputs: Value) -> Node:
        """The node of ``op`` on ``inputs``.

        Raises:
            ShapeError: if the op's type rule refuses the inputs.
        """
        known = self._find(op, inputs)
        if known is not None:
            return known
        return self._add(Node(op, inputs, op.infer([value.type for value in inputs]), self.origin))

    def _find(self, op: Op, inputs: tuple[Value, ...]) -> Node | None:
        """The node that was made of ``op`` on ``inputs``."""
        alike = self._known.get((type(op), inputs), ())
        return next((node for node in alike if node.op == op), None) if alike else None

    def _add(self, node: Node) -> Node:
        self._known.setdefault((type(node.op), node.inputs), []).append(node)
        return node

    def add(self, op: Op, *inputs: Value) -> Value:
        """The only result of ``op`` on ``inputs``."""
        node = self.node(op, *inputs)
        if len(node.types) != 1:
            raise ValueError(f"`{op.name}` has {len(node.types)} results; take them from `node`")
        return node.value()

    def graph(
        self, name: str, outputs: Mapping[str, Value] | Sequence[tuple[str, Value]], setup: Graph | None = None
    ) -> Graph:
        """The graph of ``outputs`` with every input that was made."""
        pairs = tuple(outputs.items()) if isinstance(outputs, Mapping) else tuple(outputs)
        return Graph(name, tuple(self._inputs.values()), pairs, setup)
