"""Simpler expressions of the same value.

Rules are exact or move a result by rounding alone, and never hide a NaN: ``x * 0`` stays. The exceptions are masks,
``x * where(c, 1, 0)``, which become selections, since a product with 0 would let a NaN of the side not chosen through;
and the sign of a zero, which is not kept. The rules of `stable` are applied along with these.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import TypeAlias

from netspec.compiler.formula.expr import ONE, ZERO, Call, Constant, Expr, Reduction, transform
from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.functions import FUNCTIONS

Rule: TypeAlias = Callable[..., "Expr | None"]

TWO, MINUS_ONE = Constant(2.0), Constant(-1.0)
_MODERATE = 1e3  # constants of this size or its inverse move through a product: no float32 result over- or underflows


@lru_cache(maxsize=1024)  # the layers of a network repeat few formulas many times
def simplify(formula: Formula) -> Formula:
    """The formula with every result simplified; inputs stay, even those that no longer occur."""
    return Formula(formula.inputs, simplified(*formula.outputs))


def simplified(*roots: Expr) -> tuple[Expr, ...]:
    """Rebuild expressions bottom-up by the rules."""
    return transform(roots, rebuilt)


def rebuilt(node: Expr, operands: tuple[Expr, ...]) -> Expr:
    """``node`` over ``operands`` that are simple already."""
    match node:
        case Call():
            return make(node.function, *operands)
        case Reduction():
            return Reduction(node.kind, *operands)
    return node


def make(function: str, *operands: Expr) -> Expr:
    """``Call(function, *operands)``, or what is simpler."""
    from netspec.compiler.formula.stable import STABLE  # its rules build with `make` in their turn

    folded = _fold(function, operands)
    if folded is not None:
        return folded
    for rules in (RULES, STABLE):
        rule = rules.get(function)
        if rule and (result := rule(*operands)) is not None:
            return result
    return Call(function, *operands)


def value_of(expr: Expr) -> float | None:
    """The number that a constant is, else None."""
    return expr.value if isinstance(expr, Constant) else None


def operands_of(expr: Expr, function: str) -> tuple[Expr, ...]:
    """The operands of a call of ``function``, else nothing."""
    return expr.operands if isinstance(expr, Call) and expr.function == function else ()


def is_zero(expr: Expr) -> bool:
    """Whether it is the constant 0 or -0."""
    return isinstance(expr, Constant) and expr.value == 0


def _fold(function: str, operands: tuple[Expr, ...]) -> Expr | None:
    """The value of a function of constants, unless it is not finite: ``1 / 0`` stays for whoever runs it."""
    record = FUNCTIONS[function]
    if record.scalar is None or record.condition or not operands:
        return None
    values = [operand.value for operand in operands if isinstance(operand, Constant)]
    if len(values) != len(operands):
        return None
    try:
        result = record.scalar(*values)
    except (ArithmeticError, ValueError):
        return None
    return Constant(result) if math.isfinite(result) else None


def _factor(expr: Expr) -> tuple[float, Expr]:
    """``k, x`` of ``k * x``; ``1, x`` of others."""
    match operands_of(expr, "*"):
        case (Constant() as constant, other):
            return constant.value, other
    match operands_of(expr, "negative"):
        case (other,):
            return -1.0, other
    return 1.0, expr


def _moderate(factor: float) -> bool:
    return factor != 1.0 and 1 / _MODERATE <= abs(factor) <= _MODERATE


def _negated(expr: Expr) -> Expr | None:
    """``-expr`` where that takes a sign away: of a negative constant, factor or operand."""
    if isinstance(expr, Constant):
        return Constant(-expr.value) if expr.value < 0 else None
    factor, other = _factor(expr)
    return make("*", Constant(-factor), other) if factor < 0 else None


def _selection(expr: Expr) -> tuple[Expr, Expr, Expr] | None:
    """Condition and values of a ``where`` one of whose values is 0."""
    match operands_of(expr, "where"):
        case (condition, yes, no) if is_zero(yes) or is_zero(no):
            return condition, yes, no
    return None


def _inside(selection: tuple[Expr, Expr, Expr], change: Callable[[Expr], Expr]) -> Expr:
    """``where(c, x, 0)`` with ``x`` changed and the zero left."""
    condition, yes, no = selection
    return make("where", condition, ZERO if is_zero(yes) else change(yes), ZERO if is_zero(no) else change(no))


def _add(a: Expr, b: Expr) -> Expr | None:
    if is_zero(b):
        return a
    if isinstance(a, Constant):
        # Two constants whose sum is not finite stay as they are.
        return None if isinstance(b, Constant) else make("+", b, a)
    if a is b:
        return make("*", TWO, a)
    if (positive := _negated(b)) is not None:
        return make("-", a, positive)
    if (positive := _negated(a)) is not None:
        return make("-", b, positive)
    return _join(a, b)


def _join(a: Expr, b: Expr) -> Expr | None:
    """``where(c, x, 0) + where(c, 0, y)`` is ``where(c, x, y)``."""
    one, other = _selection(a), _selection(b)
    if one and other and one[0] is other[0]:
        for left, right in ((one, other), (other, one)):
            if is_zero(left[2]) and is_zero(right[1]):
                return make("where", left[0], left[1], right[2])
    return None


def _subtract(a: Expr, b: Expr) -> Expr | None:
    if is_zero(b):
        return a
    if is_zero(a):
        return make("negative", b)
    if (positive := _negated(b)) is not None:
        return make("+", a, positive)
    if not isinstance(a, Constant) and (positive := _negated(a)) is not None:
        return make("negative", make("+", positive, b))
    return None


def _multiply(a: Expr, b: Expr) -> Expr | None:
    if isinstance(b, Constant):
        # Two constants whose product is not finite stay as they are.
        return None if isinstance(a, Constant) else make("*", b, a)
    for one, other in ((a, b), (b, a)):
        if (selection := _selection(one)) is not None:
            return _inside(selection, partial(make, "*", other))
    if isinstance(a, Constant):
        return _scale(a, b)
    for one, other in ((a, b), (b, a)):
        factor, rest = _factor(one)
        if _moderate(factor):
            left, right = (rest, other) if one is a else (other, rest)
            return make("*", Constant(factor), make("*", left, right))
    return None


def _scale(constant: Constant, other: Expr) -> Expr | None:
    if constant.value == 1:
        return other
    if constant.value == -1:
        return make("negative", other)
    factor, rest = _factor(other)
    product = constant.value * factor
    if factor == -1 or (_moderate(factor) and 1e-30 < abs(product) < 1e30):
        return make("*", Constant(product), rest)
    return None


def _divide(a: Expr, b: Expr) -> Expr | None:
    divisor = value_of(b)
    if divisor is not None and abs(math.frexp(divisor)[0]) == 0.5 and 1e-30 < abs(divisor) < 1e30:
        return make("*", Constant(1 / divisor), a)  # exact, as the divisor is a power of two
    if (selection := _selection(a)) is not None:
        return _inside(selection, lambda value: make("/", value, b))
    for one in (a, b):
        factor, rest = _factor(one)
        if factor == -1.0 or (one is a and _moderate(factor)):
            return make("*", Constant(factor), make("/", rest, b) if one is a else make("/", a, rest))
    return None


def _power(a: Expr, b: Expr) -> Expr | None:
    match value_of(b):
        case 1.0:
            return a
        case 2.0:
            return make("*", a, a)
        case -1.0:
            return make("/", ONE, a)
        case 0.5:
            return make("sqrt", a)
    return None


def _negative(a: Expr) -> Expr | None:
    factor, rest = _factor(a)
    if factor != 1.0:
        return make("*", Constant(-factor), rest)
    match operands_of(a, "-"):
        case (left, right):
            return make("-", right, left)
    if (selection := _selection(a)) is not None:
        return _inside(selection, partial(make, "negative"))
    return None


def _where(condition: Expr, yes: Expr, no: Expr) -> Expr | None:
    if yes is no:
        return yes
    match operands_of(yes, "where"):
        case (same, inner, _) if same is condition:
            return make("where", condition, inner, no)
    match operands_of(no, "where"):
        case (same, _, inner) if same is condition:
            return make("where", condition, yes, inner)
    match condition:
        case Call(function=function, operands=(Constant(value=left), Constant(value=right))):
            compare = FUNCTIONS[function].scalar
            return (yes if compare(left, right) else no) if compare else None
    return None


def _extreme(function: str) -> Rule:
    def rule(a: Expr, b: Expr) -> Expr | None:
        if a is b:
            return a
        if isinstance(a, Constant):  # relu as max(0, x) is max(x, 0): its derivative is told from its value
            return make(function, b, a)
        return None

    return rule


def _abs(a: Expr) -> Expr | None:
    if operands_of(a, "abs"):
        return a
    match operands_of(a, "negative"):
        case (inner,):
            return make("abs", inner)
    return None


RULES: dict[str, Rule] = {
    "+": _add, "-": _subtract, "*": _multiply, "/": _divide, "**": _power, "negative": _negative,
    "where": _where, "max": _extreme("max"), "min": _extreme("min"), "abs": _abs,
}  # fmt: skip
"""What to try for each function, on operands that are simple; None where nothing applies."""
