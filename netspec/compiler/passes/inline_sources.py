"""Let maps make random numbers and column indices themselves, where they are used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from netspec.compiler.formula import Call, Expr, Formula, Name, replace_all
from netspec.compiler.graph import Graph, GraphBuilder, Node, Value
from netspec.compiler.ops.iota import Iota
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.random import Random
from netspec.compiler.passes.rebuild import Unit, rebuild
from netspec.tensortype import broadcast


class InlineSources:
    """Turn ``map(random(...), x)`` into a map that draws, and ``map(iota, x)`` into one that knows its column.

    Draws are functions of a counter, so the backward pass draws the same again: 5 instructions a number instead of a
    mask that is written once and read twice.
    """

    name = "inline-sources"

    def run(self, graph: Graph) -> Graph:
        units = {node: _Inlined(node) for node in graph.nodes if _inlines(node)}
        return rebuild(graph, units) if units else graph


def _inlines(node: Node) -> bool:
    """Whether some input is a source, and the others have the shape of the whole."""
    others = [value.type.shape for value in node.inputs if not _is_source(node, value)]
    return len(others) < len(node.inputs) and broadcast(*others) == node.types[0].shape


def _is_source(reader: Node, value: Value) -> bool:
    if not isinstance(reader.op, Map):
        return False
    shape, op = reader.types[0].shape, value.node.op
    if isinstance(op, Random):
        return value.type.shape == shape
    along_last = isinstance(op, Iota) and len(shape) > 1 and op.axis in (-1, value.type.rank - 1)
    return along_last and value.type.elements == shape[-1]


@dataclass(frozen=True, eq=False)
class _Inlined(Unit):
    node: Node

    @property
    def inputs(self) -> Sequence[Value]:
        found: dict[Value, None] = {}
        for value in self.node.inputs:
            found.update(dict.fromkeys(value.node.inputs if _is_source(self.node, value) else (value,)))
        return tuple(found)

    def emit(self, g: GraphBuilder, inputs: Sequence[Value]) -> Mapping[Value, Value]:
        assert isinstance(self.node.op, Map)
        names = {value: Name(f"x{i}") for i, value in enumerate(self.inputs)}
        replacements: dict[Expr, Expr] = {}
        for name, value in zip(self.node.op.formula.inputs, self.node.inputs, strict=True):
            replacements[Name(name)] = _source(value, names) if _is_source(self.node, value) else names[value]
        formula = Formula(
            tuple(name.name for name in names.values()), replace_all(self.node.op.formula.outputs, replacements)
        )
        with g.at(self.node.origin):
            made = g.node(Map(formula), *inputs)
        return dict(zip(self.node.values, made.values, strict=True))


def _source(value: Value, names: Mapping[Value, Name]) -> Expr:
    if isinstance(value.node.op, Random):
        return Call(value.node.op.kind, *(names[key] for key in value.node.inputs))
    return Call("column")
