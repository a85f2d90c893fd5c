"""Formulas as text: canonical, short, and parsed back to the same nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import copysign

from netspec.compiler.formula.expr import Call, Constant, Expr, Name, Reduction, names, walk
from netspec.compiler.formula.functions import FUNCTIONS

DEPTH = 40
"""Deeper expressions are cut into assignments, far below the depth at which Python's parser gives up."""

_ATOM, _UNARY, _COMPARE = 10, FUNCTIONS["negative"].precedence, FUNCTIONS["<"].precedence


def number(value: float) -> str:
    """The shortest text that reads back as ``value``: ``2``, ``0.1``, ``1e-08``."""
    if value.is_integer() and abs(value) < 1e16:
        return "-0" if value == 0 and copysign(1, value) < 0 else str(int(value))
    return repr(value)


def render(outputs: Sequence[Expr], inputs: Iterable[str] = ()) -> str:
    """The text of several results, ``t0 = exp(a); t0, t0 + b``; what is used twice is assigned once."""
    order = walk(*outputs)
    uses = dict.fromkeys(order, 0)
    for node in order:
        for operand in node.operands:
            uses[operand] += 1
    taken = {*inputs, *names(*outputs)}
    texts: dict[Expr, tuple[str, int, int]] = {}  # text, precedence, depth
    assignments: list[str] = []
    for node in order:
        text, precedence = _text(node, texts)
        depth = 1 + max((texts[operand][2] for operand in node.operands), default=0)
        if _named(node, uses[node] + outputs.count(node), depth):
            name = f"t{len(assignments)}"
            while name in taken:
                name += "_"
            assignments.append(f"{name} = {text}; ")
            text, precedence, depth = name, _ATOM, 1
        texts[node] = text, precedence, depth
    return "".join(assignments) + ", ".join(texts[output][0] for output in outputs)


def _named(node: Expr, uses: int, depth: int) -> bool:
    """Whether ``node`` gets a name of its own: it is shared, and more than a word, or it is deep."""
    if not node.operands:  # each `normal()` of a text is another draw, so one that is shared is written once
        return uses > 1 and isinstance(node, Call) and FUNCTIONS[node.function].random
    return uses > 1 or depth > DEPTH


def _text(node: Expr, texts: dict[Expr, tuple[str, int, int]]) -> tuple[str, int]:
    match node:
        case Constant():
            text = number(node.value)
            return text, _UNARY if text[0] == "-" else _ATOM
        case Name():
            return node.name, _ATOM
        case Reduction():
            return f"{node.kind}({texts[node.body][0]})", _ATOM
        case Call():
            return _call(node, [texts[operand] for operand in node.operands])
    raise TypeError(f"not an expression: {node!r}")


def _call(node: Call, operands: list[tuple[str, int, int]]) -> tuple[str, int]:
    def inside(index: int, least: int) -> str:
        text, precedence, _ = operands[index]
        return text if precedence >= least else f"({text})"

    precedence = FUNCTIONS[node.function].precedence
    if not precedence:
        return f"{node.function}({', '.join(text for text, _, _ in operands)})", _ATOM
    if node.function == "negative":
        is_number = isinstance(node.operands[0], Constant)  # `-2` would be read as a constant
        return f"-{inside(0, _ATOM + 1 if is_number else _UNARY)}", precedence
    left, right = precedence, precedence + 1
    if node.function == "**":  # binds to the right, and its exponent may carry a sign
        left, right = precedence + 1, _UNARY
    if precedence == _COMPARE:  # `a < b < c` would mean something else
        left = precedence + 1
    return f"{inside(0, left)} {node.function} {inside(1, right)}", precedence
