"""What a graph takes to compute."""

from __future__ import annotations

from collections.abc import Mapping

from netspec.compiler.graph.node import Graph
from netspec.tensortype import bind, total


def multiply_adds(graph: Graph, sizes: Mapping[str, int]) -> int:
    """Those of a graph for a batch: ``B``, its rows, and how long it is along each length."""
    costs = (node.op.multiply_adds([value.type for value in node.inputs]) for node in graph.nodes)
    bound = bind(total(costs), sizes)
    return bound if isinstance(bound, int) else 0
