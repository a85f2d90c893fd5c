"""Derivatives of formulas, by one reverse sweep over the shared expression."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache

from netspec.compiler.formula.expr import ONE, ZERO, Call, Expr, Name, Reduction, replace_all, walk
from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.functions import FUNCTIONS
from netspec.compiler.formula.parse import parse
from netspec.compiler.formula.simplify import make, rebuilt, simplified

_OPERANDS = ("a", "b", "c")


def differentiate(expr: Expr, name: str) -> Expr:
    """The derivative by ``name``, simplified; at kinks as the rules in `functions` say."""
    return gradients(simplified(expr), (ONE,), (name,))[0]


def pullback(formula: Formula, cotangents: Sequence[str], results: Sequence[str] = ()) -> Formula:
    """What flows back to each input when the derivative of the loss by each result is given.

    Args:
        formula: without reductions.
        cotangents: names for the derivatives by the results, one each.
        results: names of the stored results, one each; they then stand wherever a result occurs, and an input that
            occurs no longer need not be stored.

    Returns:
        A formula over the inputs, then ``results``, then ``cotangents``, with one result for each input of ``formula``.

    Raises:
        ValueError: if a name is already an input's, or the formula has a reduction.
    """
    return _pullback(formula, tuple(cotangents), tuple(results))


@lru_cache(maxsize=1024)
def _pullback(formula: Formula, cotangents: tuple[str, ...], results: tuple[str, ...]) -> Formula:
    outputs = simplified(*formula.outputs)
    derivatives = gradients(outputs, tuple(map(Name, cotangents)), formula.inputs)
    if results:
        stored = {out: Name(name) for out, name in zip(outputs, results, strict=True) if out.operands}
        derivatives = replace_all(derivatives, stored)
    return Formula((*formula.inputs, *results, *cotangents), derivatives)


def gradients(outputs: Sequence[Expr], cotangents: Sequence[Expr], wanted: Sequence[str]) -> tuple[Expr, ...]:
    """The sum over outputs of cotangent times derivative, for each name; exactly 0 where it does not occur.

    ``outputs`` are simple already. A name only in conditions, `step`, `sign` or `floor` has derivative 0.
    """
    order = walk(*outputs)
    active = _depending(order, wanted)
    flowing: dict[Expr, Expr] = {}
    for output, cotangent in zip(outputs, cotangents, strict=True):
        _accumulate(flowing, output, cotangent)
    for node in reversed(order):
        if node not in active or node not in flowing or not node.operands:
            continue
        if isinstance(node, Reduction):
            raise ValueError(f"`{node}` is a reduction; split it off before taking a derivative")
        assert isinstance(node, Call)
        for operand, rule in zip(node.operands, FUNCTIONS[node.function].gradients, strict=False):
            if rule is not None and operand in active:
                _accumulate(flowing, operand, _apply(rule, node, flowing[node]))
    return tuple(flowing.get(Name(name), ZERO) for name in wanted)


def _depending(order: Sequence[Expr], wanted: Sequence[str]) -> set[Expr]:
    active: set[Expr] = {Name(name) for name in wanted}
    for node in order:
        if any(operand in active for operand in node.operands):
            active.add(node)
    return active


def _accumulate(flowing: dict[Expr, Expr], node: Expr, term: Expr) -> None:
    if term is ZERO:  # a zero by structure, not a product that happens to vanish: dropping it hides no NaN
        return
    flowing[node] = make("+", flowing[node], term) if node in flowing else term


@cache
def _parts(rule: str | Expr) -> tuple[Expr, ...]:
    """The nodes of a gradient rule, operands first, the rule itself last."""
    return walk(parse(rule).output if isinstance(rule, str) else rule)


def _apply(rule: str | Expr, node: Call, cotangent: Expr) -> Expr:
    """The gradient rule with the node's operands put in; the function of them is the node itself."""
    variables = tuple(map(Name, _OPERANDS[: len(node.operands)]))
    values: dict[Expr, Expr] = dict(zip(variables, node.operands, strict=True))
    values |= {Name("g"): cotangent, Call(node.function, *variables): node}
    parts = _parts(rule)
    for part in parts:
        if part not in values:
            values[part] = rebuilt(part, tuple(values[operand] for operand in part.operands))
    return values[parts[-1]]
