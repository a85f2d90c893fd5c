"""The typed graph: values, nodes, ops, and what is generic about them."""

from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Graph, Input, Node, Origin, Role, Value, key_of, role_of
from netspec.compiler.graph.op import OPS, Lanes, Op, Sample, UnsupportedError

__all__ = [
    "OPS",
    "Graph",
    "GraphBuilder",
    "Input",
    "Lanes",
    "Node",
    "Op",
    "Origin",
    "Role",
    "Sample",
    "UnsupportedError",
    "Value",
    "key_of",
    "role_of",
]
