"""Products stream their right side along its columns: one that is read transposed gets a transposition of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from netspec.compiler.graph import Graph, GraphBuilder, Node, Value
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.transpose import Transpose
from netspec.compiler.passes.rebuild import Unit, rebuild


class StreamSides:
    """Turn ``contract(a, b, transpose_b=True)`` into ``contract(a, transpose(b))``; left sides have any strides."""

    name = "stream-sides"

    def run(self, graph: Graph) -> Graph:
        units = {node: _Streamed(node) for node in graph.nodes if isinstance(node.op, Contract) and node.op.transpose_b}
        return rebuild(graph, units) if units else graph


@dataclass(frozen=True, eq=False)
class _Streamed(Unit):
    node: Node

    @property
    def inputs(self) -> Sequence[Value]:
        return self.node.inputs

    def emit(self, g: GraphBuilder, inputs: Sequence[Value]) -> Mapping[Value, Value]:
        assert isinstance(self.node.op, Contract)
        a, b, *extras = inputs
        with g.at(self.node.origin):
            made = g.node(replace(self.node.op, transpose_b=False), a, g.add(Transpose((1, 0)), b), *extras)
        return dict(zip(self.node.values, made.values, strict=True))
