"""Formulas as vector IR: straight-line code on 16 float32 lanes for the epilogues and sweeps of kernels.

A sum with a product in it becomes one fused multiply-add, here and not by the compiler's leave, so that the same
formula rounds the same on every processor that has the instruction, whatever stands around it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from netspec.compiler.formula.compose import canonical
from netspec.compiler.formula.expr import ONE, Call, Constant, Expr, Name, Reduction, transform, walk
from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.functions import FUNCTIONS
from netspec.compiler.formula.simplify import make, simplify

if TYPE_CHECKING:
    from llvmlite import ir

    from netspec.compiler.kernels.kernel import Body, Place

LARGEST_POWER = 16
"""Whole exponents up to here are written as products."""


@lru_cache(maxsize=1024)
def body(formula: Formula) -> Body:
    """The formula as code from one vector for each input to one vector for each result.

    The text names inputs by position, so that formulas which differ in names alone share their kernels.

    Raises:
        ValueError: if it has a reduction, or a draw that was given no key.
    """
    from netspec.compiler.kernels.kernel import Body

    formula = canonical(simplify(formula))
    outputs = transform(formula.outputs, _written_out)
    steps = _steps(outputs)
    _check(steps)

    def emit(builder: ir.IRBuilder, vectors: Sequence[ir.Value], place: Place) -> Sequence[ir.Value]:
        from netspec.compiler.kernels.vector_math import Vectors

        v = Vectors(builder)
        values: dict[Expr, ir.Value] = {Name(f"x{i}"): vector for i, vector in enumerate(vectors)}
        for node in steps:
            if node not in values:
                values[node] = _emit(node, values, v, place)
        return [values[output] for output in outputs]

    return Body(formula.signature, emit, sum(map(_cost, steps)))


def _written_out(node: Expr, operands: tuple[Expr, ...]) -> Expr:
    """Powers with a known exponent as products, a root, a quotient; all else as it is."""
    match node:
        case Call(function="**") if isinstance(exponent := operands[1], Constant):
            return _power(operands[0], exponent.value) or Call("**", *operands)
        case Call():
            return Call(node.function, *operands)
    return node


def _power(base: Expr, exponent: float) -> Expr | None:
    size = abs(exponent)
    if size > LARGEST_POWER or not (2 * size).is_integer():
        return None
    result = make("sqrt", base) if size % 1 else None
    square, left = base, int(size)
    while left:
        if left & 1:
            result = square if result is None else Call("*", result, square)
        left >>= 1
        square = Call("*", square, square)
    if result is None:
        return None
    return Call("/", ONE, result) if exponent < 0 else result


def _product(node: Expr) -> bool:
    return isinstance(node, Call) and node.function == "*"


def _fused(node: Expr) -> tuple[Expr, Expr, bool] | None:
    """The product of a sum or difference and its other side, and whether the product is the right side.

    With two products one is rounded by itself: the left one, which is the older in the usual ``decay * m + (...) * g``.
    """
    if isinstance(node, Call) and node.function in ("+", "-"):
        left, right = node.operands
        if _product(right):
            return right, left, True
        if _product(left):
            return left, right, False
    return None


def _steps(outputs: Sequence[Expr]) -> list[Expr]:
    """The nodes that are computed by themselves, in order; a product that only feeds fused sums is not."""
    needed = set(outputs)
    order = walk(*outputs)
    for node in reversed(order):
        if node in needed:
            fused = _fused(node)
            needed.update((*fused[0].operands, fused[1]) if fused else node.operands)
    return [node for node in order if node in needed]


def _check(steps: Sequence[Expr]) -> None:
    for node in steps:
        if isinstance(node, Reduction):
            raise ValueError(f"`{node}` is a reduction; `sweeps` splits it off")
        if isinstance(node, Call) and FUNCTIONS[node.function].random and len(node.operands) != 3:
            raise ValueError(f"`{node}` needs a key and a step before it can be drawn")


def _cost(node: Expr) -> int:
    return FUNCTIONS[node.function].cost if isinstance(node, Call) else 0


def _emit(node: Expr, values: dict[Expr, ir.Value], v: Any, place: Place) -> ir.Value:
    if isinstance(node, Constant):
        return v.real(node.value)
    assert isinstance(node, Call)
    fused = _fused(node)
    if fused:
        return _emit_fused(node.function, fused, values, v)
    operands = [values[operand] for operand in node.operands]
    emit = FUNCTIONS[node.function].emit
    if isinstance(emit, str):
        method: Callable[..., ir.Value] = getattr(v, emit)
        return method(*operands)
    return emit(v, place, *operands)


def _emit_fused(function: str, fused: tuple[Expr, Expr, bool], values: dict[Expr, ir.Value], v: Any) -> ir.Value:
    product, other, right = fused
    a, b = (values[operand] for operand in product.operands)
    c = values[other]
    if function == "-" and right:  # c - a * b; a constant stands left, and its sign costs nothing
        first = product.operands[0]
        a = v.real(-first.value) if isinstance(first, Constant) else v.b.fneg(a)
    elif function == "-":
        c = v.real(-other.value) if isinstance(other, Constant) else v.b.fneg(c)
    return v.fma(a, b, c)
