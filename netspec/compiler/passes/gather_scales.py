"""What parameters alone do to the result of a product becomes one factor and one summand of each channel."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import TypeAlias

from netspec.compiler.formula.compose import canonical, trim
from netspec.compiler.formula.expr import ONE, ZERO, Call, Constant, Expr, Name, names, replace_all, walk
from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.simplify import make, simplified
from netspec.compiler.graph import Graph, GraphBuilder, Node, Value
from netspec.compiler.graph.rewrite import rebuild
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.conv import Conv, ConvInput
from netspec.compiler.ops.elementwise import by_place
from netspec.compiler.ops.map import Map
from netspec.compiler.passes.settle import settled_nodes
from netspec.tensortype import product

Line: TypeAlias = "tuple[Expr, Expr]"
"""Factor and summand."""


class GatherScales:
    """Turn ``(y - mean) * root * scale + bias`` of a convolution or product ``y`` into ``y * k + t``.

    ``k`` and ``t`` are made of parameters alone, so that a predictor computes them once. Batch normalisation then
    costs one multiply-add of each result, as a bias costs one addition, with two numbers of the channel in the place
    of four.
    """

    name = "gather-scales"

    def run(self, graph: Graph) -> Graph:
        settled = settled_nodes(graph)

        def translate(node: Node, inputs: tuple[Value, ...], g: GraphBuilder) -> Sequence[Value]:
            found = _line_of(node, settled)
            if found is None:
                return g.again(node, inputs).values
            return _gathered(node, inputs, g, *found)

        return rebuild(graph, translate, graph.setup)


def _line_of(node: Node, settled: Set[Node]) -> tuple[Name, Expr, Line] | None:
    """The result of a product that a map reads, and the largest part of the formula that is a line over it."""
    if not isinstance(node.op, Map) or by_place(node.op.formula):
        return None
    pairs = list(zip(node.op.formula.inputs, node.inputs, strict=True))
    made = [name for name, value in pairs if isinstance(value.node.op, Conv | ConvInput | Contract)]
    channels = node.types[0].shape[-1:]
    fixed = {n for n, v in pairs if v.node in settled and v.type.shape[-1:] in (channels, (), (1,)) and _is_flat(v)}
    if len(made) != 1:
        return None
    y = Name(made[0])
    lines = _lines(node.op.formula, y, fixed)
    inner = {operand for expr in node.op.formula.nodes if expr in lines for operand in expr.operands}
    largest = [expr for expr in lines if expr not in inner]
    if len(largest) != 1 or len(set(names(largest[0])) & fixed) < 2:
        return None
    outside = [expr for expr in node.op.formula.nodes if expr not in lines and set(expr.operands) & lines.keys()]
    if any(set(expr.operands) & (lines.keys() - {largest[0]}) for expr in outside):
        return None  # something reads a part of the line, which then has to be computed too
    return y, largest[0], lines[largest[0]]


def _is_flat(value: Value) -> bool:
    """Whether it is one number, or one of each channel."""
    return value.type.elements in (1, product(value.type.shape[-1:]))


def _lines(formula: Formula, y: Name, fixed: Set[str]) -> dict[Expr, Line]:
    """What is a line over ``y``, with factor and summand over the names that are fixed."""
    found: dict[Expr, Line] = {y: (ONE, ZERO)}
    for expr in walk(*formula.outputs):
        line = _line(expr, found, fixed) if isinstance(expr, Call) else None
        if line is not None:
            found[expr] = line
    return found


def _line(expr: Call, known: dict[Expr, Line], fixed: Set[str]) -> Line | None:
    """Of a sum, difference, product or quotient of a line and something fixed."""
    parts = [known.get(part) or ((ZERO, part) if set(names(part)) <= fixed else None) for part in expr.operands]
    if not any(part in known for part in expr.operands) or None in parts:
        return None
    match expr.function, [part for part in parts if part is not None]:
        case "negative", [(k, t)]:
            return make("negative", k), make("negative", t)
        case ("+" | "-") as sign, [(k, t), (k2, t2)]:
            return make(sign, k, k2), make(sign, t, t2)
        case "*", [(k, t), (k2, t2)] if ZERO in (k, k2):
            factor, (slope, start) = (t, (k2, t2)) if k is ZERO else (t2, (k, t))
            return make("*", slope, factor), make("*", start, factor)
        case "/", [(k, t), (k2, t2)] if k2 is ZERO:
            return make("/", k, t2), make("/", t, t2)
    return None


def _gathered(
    node: Node, inputs: Sequence[Value], g: GraphBuilder, y: Name, line: Expr, parts: Line
) -> Sequence[Value]:
    """The map with the line in its new form, its factor and summand made by maps of their own."""
    assert isinstance(node.op, Map)
    formula = node.op.formula
    at, values = dict(zip(formula.inputs, inputs, strict=True)), list(inputs)
    made: list[Expr] = []
    for name, part in zip(("k", "t"), simplified(*parts), strict=True):
        if isinstance(part, Constant):
            made.append(part)
            continue
        small, _ = trim(Formula(formula.inputs, (part,)))
        values.append(g.add(Map(canonical(small)), *(at[read] for read in small.inputs)))
        made.append(Name(f"{name}.{y.name}"))
    new = make("+", make("*", y, made[0]), made[1])
    added = tuple(part.name for part in made if isinstance(part, Name))
    whole = Formula((*formula.inputs, *added), simplified(*replace_all(formula.outputs, {line: new})))
    trimmed, kept = trim(whole)
    return g.node(Map(canonical(trimmed)), *(values[i] for i in kept)).values
