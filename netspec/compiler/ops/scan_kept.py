"""What the way back through a scan would take long to compute again, and is therefore kept of each step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netspec.compiler.formula import Call, Expr, Formula, Name, parse, replace_all, trim
from netspec.compiler.formula.functions import FUNCTIONS
from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Graph, Node, Value
from netspec.compiler.graph.rewrite import rebuild
from netspec.compiler.ops.elementwise import by_place
from netspec.compiler.ops.map import Map

COSTLY = 20
"""Cycles a vector from which on a function is worth a number of memory for each element and step."""

_SUM = Map(parse("a + b", ("a", "b")))


def split_costly(body: Graph) -> Graph:
    """The body with exponentials, their like and what is made of them in maps of their own.

    An LSTM's way back reads its gates, of which all derivatives are said; of what they were made it then needs nothing.
    """
    return rebuild(body, _split)


def worth_keeping(body: Graph) -> Iterator[Value]:
    """What costly functions give, and products, or the sum that alone reads one: its gradient needs neither."""
    for node in body.nodes:
        if isinstance(node.op, Map) and _is_costly(node.op.formula.outputs[0]):
            yield node.value()
        if not node.op.multiply_adds([value.type for value in node.inputs]):
            continue
        value = node.value()
        while (readers := body.uses.get(value, ())) and len(readers) == 1 and readers[0].op == _SUM:
            if value in body.results or readers[0].types != (value.type,):
                break
            value = readers[0].value()
        yield value


def _is_costly(expr: Expr) -> bool:
    return isinstance(expr, Call) and FUNCTIONS[expr.function].cost >= COSTLY


def _split(node: Node, inputs: tuple[Value, ...], g: GraphBuilder) -> Sequence[Value]:
    if not isinstance(node.op, Map) or by_place(node.op.formula):
        return g.again(node, inputs).values
    formula, given = node.op.formula, list(inputs)
    names, parts = list(formula.inputs), dict[Expr, Expr]()
    for expr in formula.nodes:
        if not _is_costly(expr) or expr in formula.outputs:
            continue
        part, reads = trim(Formula(tuple(names), replace_all((expr,), parts)))
        value = g.add(Map(part), *(given[i] for i in reads))
        if value.type.shape == node.types[0].shape:
            names.append(_new(names))
            parts[expr] = Name(names[-1])
            given.append(value)
    rest, reads = trim(Formula(tuple(names), replace_all(formula.outputs, parts)))
    return g.node(Map(rest), *(given[i] for i in reads)).values


def _new(names: Sequence[str]) -> str:
    return next(name for i in range(len(names) + 1) if (name := f"part{i}") not in names)
