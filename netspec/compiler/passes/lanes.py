"""Put samples into the lanes where windows slide, and keep them there as long as it goes; or few samples in rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from netspec.compiler.graph import Graph, GraphBuilder, Lanes, Node, Value
from netspec.compiler.graph.rewrite import rebuild
from netspec.compiler.ops.relayout import Relayout
from netspec.tensortype import LANES, ROWS, Layout


class AssignLanes:
    """Give what windows read and write the layout ``lanes``, and what stands between them too, where it can.

    A convolution then reads what the one before it wrote. Where a reader wants rows (a dense layer) or a maker has
    written them (the data), one `relayout` stands between. Ops say of themselves what they can (`Op.lanes`).

    With ``few`` samples, which would leave most lanes empty, all that can work on rows does.
    """

    name = "assign-lanes"

    def __init__(self, *, few: bool = False) -> None:
        self.few = few

    def run(self, graph: Graph) -> Graph:
        rules = {node: node.op.lanes([value.type for value in node.inputs], node.types) for node in graph.nodes}
        if not any(rule is not None and rule.always for rule in rules.values()):
            return graph
        copies: dict[tuple[Value, Layout], Value] = {}

        def laid(g: GraphBuilder, value: Value, layout: Layout) -> Value:
            """``value`` in a layout; for rows in whatever other layout it has than lanes."""
            if value.type.layout == layout or (layout == ROWS and value.type.layout != LANES):
                return value
            if (value, layout) not in copies:
                copies[value, layout] = g.add(Relayout(layout), value)
            return copies[value, layout]

        def translate(node: Node, inputs: tuple[Value, ...], g: GraphBuilder) -> Sequence[Value]:
            rule, op = rules[node], node.op
            if rule is not None and rule.rows is not None and self.few:
                return g.node(op, *(laid(g, *pair) for pair in zip(inputs, rule.rows, strict=True))).values
            rule = _in_force(rule, inputs)
            wants = rule.inputs if rule else (False,) * len(inputs)
            given = [laid(g, value, LANES if want else ROWS) for value, want in zip(inputs, wants, strict=True)]
            if rule is not None and rule.results:
                layouts: dict[str, Any] = {"layouts": (LANES,) * len(node.types)}
                op = replace(op, **layouts)
            made = g.node(op, *given).values
            # What leaves the program lies in rows, under the key of the output too.
            return [
                laid(g, new, ROWS) if old in graph.results else new for old, new in zip(node.values, made, strict=True)
            ]

        return rebuild(graph, translate, graph.setup)


def _in_force(rule: Lanes | None, inputs: Sequence[Value]) -> Lanes | None:
    """The rule, if the op works in lanes only or finds something there."""
    if rule is None or rule.always:
        return rule
    there = any(want and value.type.layout == LANES for want, value in zip(rule.inputs, inputs, strict=True))
    return rule if there else None
