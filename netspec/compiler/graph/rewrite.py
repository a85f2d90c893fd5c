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
    """Apply rules bottom-up, sweep after sweep, until none applies."""
    rules = tuple(rules)
    by_root: dict[type[Op], list[Rewrite]] = {}
    for rule in rules:
        by_root.setdefault(rule.root, []).append(rule)
    setup = None if graph.setup is None else rewrite(graph.setup, rules)
    settled: set[Node] = set()
    for _ in range(SWEEPS):
        sweep = _Sweep(by_root, settled)
        graph = rebuild(graph, sweep.translate, setup)
        if not sweep.changed:
            break
    return graph


class _Sweep:
    """One bottom-up application of rules; notes whether any applied.

    ``settled`` are nodes that no rule applies to. What a rule does depends on its node and what that is computed from,
    which never change, so the sweeps after the first look only at what is new in them.
    """

    def __init__(self, rules: dict[type[Op], list[Rewrite]], settled: set[Node]) -> None:
        self.rules, self.settled, self.changed = rules, settled, False

    def translate(self, node: Node, inputs: tuple[Value, ...], g: GraphBuilder) -> Sequence[Value]:
        results = g.again(node, inputs).values
        for _ in range(SWEEPS):
            node = results[0].node
            found = None if node in self.settled else self._first(node, g)
            if found is None:
                self.settled.add(node)
                break
            self.changed = True
            results = (found,) if isinstance(found, Value) else found
            if results != results[0].node.values:  # not one node: nothing to apply a rule to
                break
        return results

    def _first(self, node: Node, g: GraphBuilder) -> Results | None:
        found = (rule.apply(node, g) for rule in self.rules.get(type(node.op), ()))
        return next((result for result in found if result is not None), None)
