"""Let maps make random numbers and column indices themselves, where they are used."""

from __future__ import annotations

from collections.abc import Mapping

from netspec.compiler.formula import Call, Expr, Formula, Name, replace_all
from netspec.compiler.graph import Graph, GraphBuilder, Node, Value
from netspec.compiler.graph.rewrite import Rewrite, rewrite
from netspec.compiler.ops.iota import Iota
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.random import Random
from netspec.tensortype import broadcast


class InlineSource(Rewrite):
    """Turn ``map(random(...), x)`` into a map that draws, and ``map(iota, x)`` into one that knows its column.

    Draws are functions of a counter, so the backward pass draws the same again: 5 instructions a number instead of a
    mask that is written once and read twice.
    """

    root = Map

    def apply(self, node: Node, g: GraphBuilder) -> tuple[Value, ...] | None:
        if not _inlines(node):
            return None
        assert isinstance(node.op, Map)
        read: dict[Value, None] = {}
        for value in node.inputs:
            read.update(dict.fromkeys(value.node.inputs if _is_source(node, value) else (value,)))
        names = {value: Name(f"x{i}") for i, value in enumerate(read)}
        replacements: dict[Expr, Expr] = {
            Name(name): _source(value, names) if _is_source(node, value) else names[value]
            for name, value in zip(node.op.formula.inputs, node.inputs, strict=True)
        }
        inputs = tuple(name.name for name in names.values())
        formula = Formula(inputs, replace_all(node.op.formula.outputs, replacements))
        return g.node(Map(formula), *read).values


class InlineSources:
    """Store no random numbers and no indices."""

    name = "inline-sources"

    def run(self, graph: Graph) -> Graph:
        return rewrite(graph, [InlineSource()])


def _inlines(node: Node) -> bool:
    """Whether some input is a source, and the others have the shape of the whole."""
    others = [value.type.shape for value in node.inputs if not _is_source(node, value)]
    return len(others) < len(node.inputs) and broadcast(*others) == node.types[0].shape


def _is_source(reader: Node, value: Value) -> bool:
    shape, op = reader.types[0].shape, value.node.op
    if isinstance(op, Random):
        return value.type.shape == shape
    along_last = isinstance(op, Iota) and len(shape) > 1 and op.axis in (-1, value.type.rank - 1)
    return along_last and value.type.elements == shape[-1]


def _source(value: Value, names: Mapping[Value, Name]) -> Expr:
    if isinstance(value.node.op, Random):
        return Call(value.node.op.kind, *(names[key] for key in value.node.inputs))
    return Call("column")
