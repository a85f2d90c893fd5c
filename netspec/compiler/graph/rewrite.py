"""Graph to graph: what a pass is, and the driver of rewriting rules."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias

from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Graph, Input, Node, Value
from netspec.compiler.graph.op import Op
from netspec.tensortype import Layout

Results: TypeAlias = "Value | tuple[Value, ...]"
Translate: TypeAlias = "Callable[[Node, tuple[Value, ...], GraphBuilder], Sequence[Value]]"

CHAIN = 64
"""Rules that are applied one to what the other made; what is left after that many is left as it is."""


class Pass(Protocol):
    """A step from graph to graph; given a graph that verifies it leaves one that verifies and computes the same."""

    @property
    def name(self) -> str:
        """What `show --after` calls it."""
        ...

    def run(self, graph: Graph) -> Graph:
        """The new graph, with the same inputs and output keys."""
        ...


class Rewrite(ABC):
    """A rule that replaces one node; its docstring says what becomes of what, and why it pays."""

    root: type[Op]

    @abstractmethod
    def apply(self, node: Node, g: GraphBuilder) -> Results | None:
        """What stands in the place of ``node``, result by result; None: nothing to do."""


def rebuild(
    graph: Graph, translate: Translate, setup: Graph | None = None, layouts: Mapping[str, Layout] | None = None
) -> Graph:
    """``graph`` with each node translated, inputs first; equal nodes become one, unread ones fall away.

    ``translate(node, inputs, g)`` gets a node of the old graph and its inputs in the new one, and gives the results.
    Inputs, output keys and origins stay, apart from ``layouts`` of inputs; ``setup`` is the new graph's.
    """
    g = GraphBuilder()
    new: dict[Value, Value] = {}
    for node in graph.nodes:
        if isinstance(node.op, Input):
            layout = (layouts or {}).get(node.op.key)
            results: Sequence[Value] = (
                g.again(node, ()).values
                if layout in (None, node.op.type.layout)
                else (g.input(node.op.key, node.op.type.with_layout(layout), node.op.role),)
            )
        else:
            g.origin = node.origin
            results = translate(node, tuple(new[value] for value in node.inputs), g)
        new.update(zip(node.values, results, strict=True))
    return g.graph(graph.name, [(key, new[value]) for key, value in graph.outputs], setup)


def rewrite(graph: Graph, rules: Iterable[Rewrite]) -> Graph:
    """Apply rules bottom-up until none applies."""
    return Rewriter(rules).run(graph)


class Rewriter:
    """Applies rules bottom-up until none applies; remembers from graph to graph the nodes that they leave alone.

    What a rule does depends on its node and what that is computed from, which never change. So one sweep is enough,
    if what a rule makes is looked at before its readers are, and a node that no rule applies to is looked at once.
    """

    def __init__(self, rules: Iterable[Rewrite]) -> None:
        self._by_root: dict[type[Op], list[Rewrite]] = {}
        for rule in rules:
            self._by_root.setdefault(rule.root, []).append(rule)
        self._settled: set[Node] = set()

    def run(self, graph: Graph) -> Graph:
        """The graph that the rules leave, its setup included."""
        setup = None if graph.setup is None else self.run(graph.setup)

        def translate(node: Node, inputs: tuple[Value, ...], g: GraphBuilder) -> Sequence[Value]:
            return self._final(g.again(node, inputs), g, CHAIN)

        return rebuild(graph, translate, setup)

    def _final(self, node: Node, g: GraphBuilder, chain: int) -> Sequence[Value]:
        """What becomes of a node whose inputs are final, result by result."""
        if node in self._settled:
            return node.values
        found = self._first(node, g) if chain else None
        if found is None:
            self._settled.add(node)
            return node.values
        results = (found,) if isinstance(found, Value) else found
        return tuple(self._made(value, g, chain - 1) for value in results)

    def _made(self, value: Value, g: GraphBuilder, chain: int) -> Value:
        """What becomes of a value that a rule gave, which may be computed from nodes that it made."""
        node = value.node
        if node in self._settled or isinstance(node.op, Input):
            return value
        inputs = tuple(self._made(each, g, chain) for each in node.inputs)
        return self._final(g.again(node, inputs), g, chain)[value.index]

    def _first(self, node: Node, g: GraphBuilder) -> Results | None:
        for rule in self._by_root.get(type(node.op), ()):
            found = rule.apply(node, g)
            if found is not None:
                return found
        return None
