"""Makes a graph anew where groups of nodes become one: what every fusing pass ends with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence

from netspec.compiler.graph import Graph, GraphBuilder, Node, Value


class Unit(ABC):
    """Nodes that a pass puts something else in the place of."""

    @property
    @abstractmethod
    def inputs(self) -> Sequence[Value]:
        """The values from outside that the replacement reads."""

    @abstractmethod
    def emit(self, g: GraphBuilder, inputs: Sequence[Value]) -> Mapping[Value, Value]:
        """Build the replacement; the new value for each old one that is still read."""


def regroup(graph: Graph, units: Mapping[Node, Unit]) -> Graph:
    """``graph`` with every node in ``units`` replaced by its unit; all others are copied."""
    g = GraphBuilder()
    new: dict[Value, Value] = {}
    for value in graph.inputs:
        new[value] = g.again(value.node, ()).value()
    for item in _order(graph, units):
        if isinstance(item, Node):
            with g.at(item.origin):
                made = g.again(item, [new[value] for value in item.inputs])
            new.update(zip(item.values, made.values, strict=True))
        else:
            new.update(item.emit(g, [new[value] for value in item.inputs]))
    return g.graph(graph.name, [(name, new[value]) for name, value in graph.outputs], graph.setup)


def _order(graph: Graph, units: Mapping[Node, Unit]) -> Iterator[Node | Unit]:
    """Units and single nodes, each after what it reads."""

    def item_of(value: Value) -> Node | Unit:
        return units.get(value.node, value.node)

    done: set[Node | Unit] = {value.node for value in graph.inputs}
    for _, output in graph.outputs:
        stack, entered = [item_of(output)], set[Node | Unit]()
        while stack:
            item = stack[-1]
            if item in done:
                stack.pop()
                continue
            waiting = [other for value in item.inputs if (other := item_of(value)) not in done]
            if not waiting:
                done.add(item)
                yield stack.pop()
            elif item in entered:
                raise ValueError("units that read each other cannot be ordered")
            else:
                entered.add(item)
                stack += reversed(waiting)
