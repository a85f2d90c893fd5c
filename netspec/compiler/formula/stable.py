"""Textbook formulas as they are safe to compute: ``log(1 + exp(x))`` overflows at 89 in float32, ``softplus(x)`` never.

Each rule gives the same function of the reals; `simplify` applies them, so that a user may write what the book says.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from netspec.compiler.formula.expr import ONE, Call, Constant, Expr, Reduction
from netspec.compiler.formula.simplify import Rule, make, operands_of, value_of


def _argument(expr: Expr, function: str) -> Expr | None:
    operands = operands_of(expr, function)
    return operands[0] if len(operands) == 1 else None


def _above_one(expr: Expr) -> Expr | None:
    """``x`` of ``x + 1``; `simplify` has put the constant last."""
    match operands_of(expr, "+"):
        case (other, Constant(value=1.0)):
            return other
    return None


def _log(a: Expr) -> Expr | None:
    if (x := _argument(a, "exp")) is not None:
        return x
    if (x := _argument(a, "sigmoid")) is not None:
        return make("negative", make("softplus", make("negative", x)))
    match operands_of(a, "-"):
        case (Constant(value=1.0), other) if (x := _argument(other, "sigmoid")) is not None:
            return make("negative", make("softplus", x))
    match operands_of(a, "/"):
        case (above, below) if (x := _argument(above, "exp")) is not None:
            return make("-", x, make("log", below))
    if (safe := _log_sum_exp(a)) is not None:
        return safe
    x = _above_one(a)
    return None if x is None else make("log1p", x)


def _log_sum_exp(a: Expr) -> Expr | None:
    """``log(sum(exp(x)))`` and ``log(exp(k) + sum(exp(x)))`` with the largest exponent taken out.

    Exponents are then at most 0, so that no exp overflows and the sum is at least 1.
    """
    if (x := _exponent_of_sum(a)) is not None:
        top: Expr = Reduction("max", x)
        rest = make("log", Reduction("sum", make("exp", make("-", x, top))))
        return make("+", top, rest)
    match operands_of(a, "+"):
        case (one, other):
            for sum_, added in ((one, other), (other, one)):
                x, k = _exponent_of_sum(sum_), _exponent(added)
                if x is not None and k is not None:
                    top = make("max", Reduction("max", x), k)
                    total = make("+", Reduction("sum", make("exp", make("-", x, top))), make("exp", make("-", k, top)))
                    return make("+", top, make("log", total))
    return None


def _exponent(expr: Expr) -> Expr | None:
    value = value_of(expr)
    return Constant(math.log(value)) if value is not None and value > 0 else _argument(expr, "exp")


def _exponent_of_sum(expr: Expr) -> Expr | None:
    """``x`` of ``sum(exp(x))``, unless a maximum has been taken out of it."""
    if not (isinstance(expr, Reduction) and expr.kind == "sum"):
        return None
    x = _argument(expr.body, "exp")
    return None if x is None or any(map(_is_largest, _terms(x))) else x


def _terms(expr: Expr) -> Iterator[Expr]:
    """What is added and subtracted, since `simplify` writes ``-x - top`` as ``-(x + top)``."""
    parts = operands_of(expr, "+") or operands_of(expr, "-") or operands_of(expr, "negative")
    if not parts:
        yield expr
    for part in parts:
        yield from _terms(part)


def _is_largest(expr: Expr) -> bool:
    first = next(iter(operands_of(expr, "max")), expr)
    return isinstance(first, Reduction) and first.kind == "max"


def _log1p(a: Expr) -> Expr | None:
    if (x := _argument(a, "exp")) is not None:
        return make("softplus", x)
    if (inner := _argument(a, "negative")) is not None and (x := _argument(inner, "sigmoid")) is not None:
        return make("negative", make("softplus", x))
    return None


def _divide(a: Expr, b: Expr) -> Expr | None:
    power = _argument(a, "exp")
    if (inner := _above_one(b)) is not None and (x := _argument(inner, "exp")) is not None:
        if power is x:  # exp(x) / (exp(x) + 1)
            return make("sigmoid", x)
        if _argument(a, "expm1") is x:  # (exp(x) - 1) / (exp(x) + 1)
            return make("tanh", make("*", Constant(0.5), x))
        return make("*", a, make("sigmoid", make("negative", x)))
    if power is not None and _exponent_of_sum(b) is power:
        shifted = make("exp", make("-", power, Reduction("max", power)))
        return Call("/", shifted, Reduction("sum", shifted))
    match operands_of(a, "-"), operands_of(b, "+"):
        case ((up, down), (same_up, same_down)) if up is same_up and down is same_down:
            x, y = _argument(up, "exp"), _argument(down, "exp")
            if x is not None and y is not None and y is make("negative", x):
                return make("tanh", x)
    return None


def _subtract(a: Expr, b: Expr) -> Expr | None:
    if b is ONE and (x := _argument(a, "exp")) is not None:
        return make("expm1", x)
    return None


STABLE: dict[str, Rule] = {"log": _log, "log1p": _log1p, "/": _divide, "-": _subtract}
"""What to try for each function after the rules of `simplify`."""
