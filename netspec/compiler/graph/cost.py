"""What a graph takes to compute."""

from __future__ import annotations

from netspec.compiler.graph.node import Graph
from netspec.tensortype import bind, total


def multiply_adds(graph: Graph, batch: int) -> int:
    """Those of a graph for a batch."""
    costs = (node.op.multiply_adds([value.type for value in node.inputs]) for node in graph.nodes)
    bound = bind(total(costs), {"B": batch})
    return bound if isinstance(bound, int) else 0
