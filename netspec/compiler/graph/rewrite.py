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

SWEEPS = 8
"""Sweeps of rules over one graph; what is left after that many is left as it is."""


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
            op = node.op
            layout = (layouts or {}).get(op.key, op.type.layout)
            results: Sequence[Value] = (g.input(op.key, op.type.with_layout(layout), op.role),)
        else:
            g.origin = node.origin
            results = translate(node, tuple(new[value] for value in node.inputs), g)
        new.update(zip(node.values, results, strict=True))
    return g.graph(graph.name, [(key, new[value]) for key, value in graph.outputs], setup)


def rewrite(graph: Graph, rules: Iterable[Rewrite]) -> Graph:
    """Apply rules bottom-up, sweep after sweep, until none applies."""
    rules = tuple(rules)
    by_root: dict[type[Op], list[Rewrite]] = {}
    for rule in rules:
        by_root.setdefault(rule.root, []).append(rule)
    setup = None if graph.setup is None else rewrite(graph.setup, rules)
    for _ in range(SWEEPS):
        sweep = _Sweep(by_root)
        graph = rebuild(graph, sweep.translate, setup)
        if not sweep.changed:
            break
    return graph


class _Sweep:
    """One bottom-up application of rules; notes whether any applied."""

    def __init__(self, rules: dict[type[Op], list[Rewrite]]) -> None:
        self.rules, self.changed = rules, False

    def translate(self, node: Node, inputs: tuple[Value, ...], g: GraphBuilder) -> Sequence[Value]:
        results = g.node(node.op, *inputs).values
        for _ in range(SWEEPS):
            found = self._first(results[0].node, g)
            if found is None:
                break
            self.changed = True
            results = (found,) if isinstance(found, Value) else found
            if results != results[0].node.values:  # not one node: nothing to apply a rule to
                break
        return results

    def _first(self, node: Node, g: GraphBuilder) -> Results | None:
        found = (rule.apply(node, g) for rule in self.rules.get(type(node.op), ()))
        return next((result for result in found if result is not None), None)
