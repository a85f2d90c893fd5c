"""Decide which matrices lie in panels: what products stream as their right side, where nobody needs whole rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from netspec.compiler.graph import Graph, GraphBuilder, Node, Value, key_of, role_of
from netspec.compiler.graph.rewrite import rebuild
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.rows import Rows
from netspec.compiler.ops.scan import Scan
from netspec.compiler.ops.transpose import Transpose
from netspec.tensortype import Layout, known

WHOLE = ("RC", "R")
"""Views of a matrix whose rows are rows of the domain."""


class AssignLayouts:
    """Give right sides of products the layout ``panels``: a tile then reads one stretch of memory, column after column.

    A value keeps its rows where a product reads it as its left side, by scalars along a row. Inputs in ``given``
    (weights that another program has laid out already) take the layout named there.
    """

    name = "assign-layouts"

    def __init__(self, width: int, given: Mapping[str, Layout] | None = None) -> None:
        self.width, self.given = width, given or {}

    def run(self, graph: Graph) -> Graph:
        chosen = self._choose(graph)
        if not chosen:
            return graph

        def translate(node: Node, inputs: tuple[Value, ...], g: GraphBuilder) -> Sequence[Value]:
            op = node.op
            if isinstance(op, Scan):
                given = zip(map(key_of, op.body.inputs), node.inputs, strict=True)
                read = {key: chosen[value] for key, value in given if value in chosen}
                op = replace(op, body=rebuild(op.body, _again, layouts=read))
            if any(value in chosen for value in node.values) and isinstance(op, Contract | Rows | Transpose):
                op = replace(op, layouts=tuple(chosen.get(value, value.type.layout) for value in node.values))
            return g.node(op, *inputs).values

        laid_out = {key_of(value): chosen[value] for value in graph.inputs if value in chosen}
        return rebuild(graph, translate, graph.setup, laid_out)

    def _choose(self, graph: Graph) -> dict[Value, Layout]:
        updates = {value: graph.by_key[name] for name, value in graph.outputs if name in graph.by_key}
        groups: dict[Value, list[Value]] = {}
        for value, target in updates.items():
            groups.setdefault(target, []).append(value)
        # Moments and other state lie as the parameter they belong to: one kernel walks through all of them.
        for members in _walked_together(graph, updates):
            merged = [v for target in members for v in (target, *groups.get(target, ()))]
            for target in members:
                groups[target] = merged
        chosen: dict[Value, Layout] = {}
        for value in _matrices(graph):
            if value in updates or value in chosen:
                continue
            members = groups.get(value, [])
            together = list(dict.fromkeys([value, *members]))
            layout = self.given.get(key_of(value)) if role_of(value) else None
            streamed = any(_is_right_side(v, graph) for v in together)
            if layout is None and streamed and all(_may_lie_in_panels(v, graph) for v in together):
                layout = Layout("panels", self.width if known(value.type.shape[1]) > 16 else 16)
            if layout is not None and layout.kind == "panels":
                chosen.update(dict.fromkeys(together, layout))
        return chosen


def _again(node: Node, inputs: tuple[Value, ...], g: GraphBuilder) -> Sequence[Value]:
    return g.node(node.op, *inputs).values


def _walked_together(graph: Graph, updates: Mapping[Value, Value]) -> list[list[Value]]:
    """Inputs that one node updates at once and that have the same shape."""
    by_node: dict[tuple[Node, object], list[Value]] = {}
    for value, target in updates.items():
        by_node.setdefault((value.node, target.type.shape), []).append(target)
    return list(by_node.values())


def _matrices(graph: Graph) -> list[Value]:
    return [
        value
        for node in graph.nodes
        for value in node.values
        if value.type.rank == 2
        and value.type.dtype == "float32"
        and isinstance(value.type.shape[1], int)
        and (role_of(value) in ("parameter", "state", "derived") or isinstance(node.op, Contract | Rows | Transpose))
    ]


def _is_right_side(value: Value, graph: Graph) -> bool:
    readers = graph.uses.get(value, ())
    return any(isinstance(node.op, Contract) and node.inputs[1] == value for node in readers) or any(
        _is_right_side(own, node.op.body)
        for node in readers
        if isinstance(node.op, Scan)
        for own in _in_body(node, value)
    )


def _in_body(node: Node, value: Value) -> list[Value]:
    """What the body of a loop calls a value that it reads whole."""
    if not isinstance(node.op, Scan):
        return []
    pairs = zip(node.op.body.inputs, node.inputs, strict=True)
    return [own for own, outer in pairs if outer == value and role_of(own) == "constant"]


def _may_lie_in_panels(value: Value, graph: Graph) -> bool:
    if role_of(value) is None and value in graph.results and not _replaces_input(value, graph):
        return False
    if isinstance(value.node.op, Rows) and value.node.op.results[value.index] not in WHOLE:
        return False
    return all(_accepts_panels(node, value) for node in graph.uses.get(value, ()))


def _replaces_input(value: Value, graph: Graph) -> bool:
    return any(output == value and name in graph.by_key for name, output in graph.outputs)


def _accepts_panels(node: Node, value: Value) -> bool:
    if isinstance(node.op, Contract):
        return node.inputs[0] != value
    if isinstance(node.op, Scan):
        own = _in_body(node, value)
        return len(own) == node.inputs.count(value) and all(_may_lie_in_panels(v, node.op.body) for v in own)
    if isinstance(node.op, Rows):
        return all(v != value or view in WHOLE for v, view in zip(node.inputs, node.op.views, strict=False))
    return node.op.name in ("reduce", "transpose")
