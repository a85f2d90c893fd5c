"""A matrix of which columns are looked up lies in memory column by column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from netspec.compiler.graph import Graph, GraphBuilder, Input, Node, Value, key_of, role_of
from netspec.compiler.ops.transpose import Transpose
from netspec.tensortype import COLUMNS, Layout


class TurnTables:
    """Give a parameter or state that is read transposed only, and whose update is a transpose, the layout ``columns``.

    Its transpose is then the same memory. So a loss that samples columns of the weights before it reads 400 bytes in
    one piece for a column of 100, not a cache line for each of its elements. Where another program has given a matrix
    this layout, whoever wants rows of it reads a transpose of that transpose.
    """

    name = "turn-tables"

    def __init__(self, given: Mapping[str, Layout] | None = None) -> None:
        self.given = given or {}

    def run(self, graph: Graph) -> Graph:
        updates = {graph.by_key[name]: value for name, value in graph.outputs if name in graph.by_key}
        inputs = [value for value in graph.inputs if role_of(value) in ("parameter", "state")]
        turned = {value for value in inputs if self._lies_in_columns(value, updates.get(value, value), graph)}
        return _turned(graph, turned, {updates[value] for value in turned if value in updates}) if turned else graph

    def _lies_in_columns(self, value: Value, update: Value, graph: Graph) -> bool:
        layout = self.given.get(key_of(value))
        if layout is not None:
            return layout == COLUMNS
        readers = graph.uses.get(value, ())
        transposed = bool(readers) and all(map(_is_transpose, readers))
        return transposed and update is not value and _is_transpose(update.node) and not graph.uses.get(update)


def _is_transpose(node: Node) -> bool:
    return isinstance(node.op, Transpose) and node.op.perm == (1, 0)


def _turned(graph: Graph, turned: set[Value], updates: set[Value]) -> Graph:
    """``graph`` with inputs in columns, and their updates too."""
    g = GraphBuilder()
    new: dict[Value, Value] = {}
    for value in graph.inputs:
        op = value.node.op
        assert isinstance(op, Input)
        type_ = op.type.with_layout(COLUMNS) if value in turned else op.type
        new[value] = g.input(op.key, type_, op.role)
    in_rows = {value: made for value in turned for made in _in_rows(g, value, new[value], graph)}
    for node in graph.nodes:
        if isinstance(node.op, Input):
            continue
        given = [v if _is_transpose(node) else in_rows.get(v, v) for v in node.inputs]
        op = Transpose((1, 0), (COLUMNS,)) if node.values[0] in updates else node.op
        with g.at(node.origin):
            made = g.node(op, *(new.get(v, v) for v in given))
        new.update(zip(node.values, made.values, strict=True))
    return g.graph(graph.name, [(name, new[value]) for name, value in graph.outputs], graph.setup)


def _in_rows(g: GraphBuilder, value: Value, turned: Value, graph: Graph) -> Iterator[Value]:
    """A matrix in columns as rows, if anyone wants it so."""
    for reader in graph.uses.get(value, ()):
        if not _is_transpose(reader):
            with g.at(reader.origin):
                yield g.add(Transpose((1, 0)), g.add(Transpose((1, 0)), turned))
            return
