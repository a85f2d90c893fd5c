"""Products stream their right side along its columns: one that is read transposed gets a transposition of its own."""

from __future__ import annotations

from dataclasses import replace

from netspec.compiler.graph import Graph, GraphBuilder, Node, Value
from netspec.compiler.graph.rewrite import Rewrite, rewrite
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.transpose import Transpose


class StreamSide(Rewrite):
    """Turn ``contract(a, b, transpose_b=True)`` into ``contract(a, transpose(b))``; left sides have any strides."""

    root = Contract

    def apply(self, node: Node, g: GraphBuilder) -> tuple[Value, ...] | None:
        op = node.op
        if not (isinstance(op, Contract) and op.transpose_b):
            return None
        a, b, *extras = node.inputs
        return g.node(replace(op, transpose_b=False), a, g.add(Transpose((1, 0)), b), *extras).values


class StreamSides:
    """Let every product read its right side as it lies."""

    name = "stream-sides"

    def run(self, graph: Graph) -> Graph:
        return rewrite(graph, [StreamSide()])
