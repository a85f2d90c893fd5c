"""Every function and operator of a formula, each in one record: one record added is one function added.

Gradients are formulas themselves: ``a``, ``b``, ``c`` are the operands and ``g`` is the derivative of the result that
flows back. Where a gradient can be said by the function's own value it is (``exp``, ``tanh``, ``max``), because then
the value that the forward pass stored serves and the operand need not be kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from netspec.compiler.formula.expr import ZERO, Call, Expr, Name

if TYPE_CHECKING:
    from llvmlite import ir

    from netspec.compiler.kernels.kernel import Place

Emit = Callable[..., Any]
"""``(vectors, place, *operands) -> vector``, in vector IR."""


@dataclass(frozen=True)
class Function:
    """What the language knows about one function.

    ``gradients`` has one formula per operand, None where the derivative is zero. ``numpy`` is the reference,
    ``(np, *operands)``; ``scalar`` folds constants. ``emit`` names a method of `Vectors` or writes the IR itself.
    ``cost`` is rough cycles per vector of 16, ``flops`` counts operations per element.
    """

    name: str
    summary: str
    scalar: Callable[..., float] | None
    numpy: Callable[..., Any]
    emit: str | Emit
    gradients: tuple[str | Expr | None, ...]
    cost: int
    flops: int = 1
    precedence: int = 0  # of an operator, as in Python; 0 is written as a call
    arity: tuple[int, ...] = ()  # where it is not just the number of gradients
    folds: bool = False  # more operands than two nest to the left
    condition: bool = False  # true or false, only good inside `where`
    placed: bool = False  # depends on where the element stands: ``numpy`` is given the shape of the whole
    random: bool = False

    @property
    def arities(self) -> tuple[int, ...]:
        """The numbers of operands it takes."""
        return self.arity or (len(self.gradients),)


def _choose(condition: object, yes: float, no: float) -> float:
    return yes if condition else no


def _maximum(a: float, b: float) -> float:
    return max(b, a)


def _minimum(a: float, b: float) -> float:
    return min(b, a)


def _sigmoid(a: float) -> float:
    e = math.exp(-abs(a))
    return (1.0 if a >= 0 else e) / (1.0 + e)


def _softplus(a: float) -> float:
    return max(a, 0.0) + math.log1p(math.exp(-abs(a)))


def _sigmoid_array(np: Any, a: Any) -> Any:
    e = np.exp(-np.abs(a))
    return np.where(a < 0, e, np.ones_like(e)) / (1 + e)


def _erf_array(np: Any, a: Any) -> Any:
    return np.asarray(np.frompyfunc(math.erf, 1, 1)(a), a.dtype)


def _at_least_zero(np: Any, a: Any, below: float) -> Any:
    """1 from zero upwards, else ``below``; NaN stays."""
    one = np.ones_like(a)
    return np.where(a >= 0, one, np.where(a < 0, below * one, a))


def _power_array(np: Any, a: Any, b: Any) -> Any:
    """NumPy has 1 for ``NaN ** 0`` and ``1 ** NaN``; here NaN stays NaN."""
    return np.where(np.isnan(a) | np.isnan(b), a + b, np.power(a, b))


def _column(v: Any, place: Place) -> ir.Value:
    from netspec.compiler.kernels.ir import I32, LANES, splat

    first = splat(v.b, v.b.trunc(place.column, I32))
    lanes = type(v.integer(0))(first.type, list(range(LANES)))
    return v.b.sitofp(v.b.add(first, lanes), v.real(0.0).type)


def _columns(v: Any, place: Place) -> ir.Value:
    from netspec.compiler.kernels.ir import F32, splat

    return splat(v.b, v.b.sitofp(place.width, F32))


def _draw(name: str) -> Emit:
    def emit(v: Any, place: Place, *key: ir.Value) -> ir.Value:
        from netspec.compiler.kernels import random_numbers

        return getattr(random_numbers, name)(v, *key, place)

    return emit


def _draw_array(name: str) -> Callable[..., Any]:
    def draw(np: Any, *operands: Any) -> Any:
        from netspec.compiler.kernels import random_numbers

        *key, shape = operands
        if len(key) != 3:
            raise ValueError(f"`{name}()` needs a key and a step before it can be drawn")
        return getattr(random_numbers, f"{name}_reference")(*(float(part.reshape(-1)[0]) for part in key), shape)

    return draw


def _compare(symbol: str, scalar: Callable[[float, float], bool], ufunc: str) -> Function:
    def emit(v: Any, place: Place, a: ir.Value, b: ir.Value) -> ir.Value:
        # As IEEE and Python have it, NaN is unequal to everything and every other comparison with it is false.
        return v.b.fcmp_unordered(symbol, a, b) if symbol == "!=" else v.b.fcmp_ordered(symbol, a, b)

    return Function(
        symbol, f"true where a {symbol} b", scalar, lambda np, a, b: getattr(np, ufunc)(a, b), emit, (None, None),
        cost=1, precedence=4, condition=True,
    )  # fmt: skip


_OPERATORS: Final = (
    Function("+", "sum", lambda a, b: a + b, lambda np, a, b: a + b,
             lambda v, p, a, b: v.b.fadd(a, b), ("g", "g"), 1, precedence=5),
    Function("-", "difference", lambda a, b: a - b, lambda np, a, b: a - b,
             lambda v, p, a, b: v.b.fsub(a, b), ("g", "-g"), 1, precedence=5),
    Function("*", "product", lambda a, b: a * b, lambda np, a, b: a * b,
             lambda v, p, a, b: v.b.fmul(a, b), ("g * b", "g * a"), 1, precedence=6),
    Function("/", "quotient", lambda a, b: a / b, lambda np, a, b: a / b,
             lambda v, p, a, b: v.b.fdiv(a, b), ("g / b", "-(g * (a / b) / b)"), 10, precedence=6),
    Function("negative", "-a", lambda a: -a, lambda np, a: -a,
             lambda v, p, a: v.b.fneg(a), ("-g",), 1, precedence=7),
    # The derivative by the exponent is a**b * log(a), which is 0 * -inf at a = 0 where its limit is 0.
    Function("**", "power", math.pow, _power_array, "power",
             ("g * b * a ** (b - 1)", "where(a == 0, 0, g * a ** b * log(a))"), 60, 20, precedence=8),
    _compare("<", lambda a, b: a < b, "less"),
    _compare("<=", lambda a, b: a <= b, "less_equal"),
    _compare(">", lambda a, b: a > b, "greater"),
    _compare(">=", lambda a, b: a >= b, "greater_equal"),
    _compare("==", lambda a, b: a == b, "equal"),
    _compare("!=", lambda a, b: a != b, "not_equal"),
    Function("and", "both conditions", lambda a, b: a and b, lambda np, a, b: np.logical_and(a, b),
             lambda v, p, a, b: v.b.and_(a, b), (None, None), 1, precedence=3, condition=True),
    Function("or", "either condition", lambda a, b: a or b, lambda np, a, b: np.logical_or(a, b),
             lambda v, p, a, b: v.b.or_(a, b), (None, None), 1, precedence=2, condition=True),
)  # fmt: skip

_CALLS: Final = (
    Function("exp", "e to the a", math.exp, lambda np, a: np.exp(a), "exp", ("g * exp(a)",), 22, 12),
    Function("expm1", "exp(a) - 1, exact near 0", math.expm1, lambda np, a: np.expm1(a), "expm1",
             ("g * (expm1(a) + 1)",), 28, 14),
    Function("log", "natural logarithm", math.log, lambda np, a: np.log(a), "log", ("g / a",), 24, 14),
    Function("log1p", "log(1 + a), exact near 0", math.log1p, lambda np, a: np.log1p(a), "log1p",
             ("g / (1 + a)",), 28, 16),
    Function("sqrt", "square root", math.sqrt, lambda np, a: np.sqrt(a), "sqrt", ("0.5 * g / sqrt(a)",), 12),
    Function("abs", "size without sign; its derivative at 0 is 1", abs, lambda np, a: np.abs(a), "abs",
             ("g * sign(a)",), 1),
    Function("sign", "-1 below 0, else 1", lambda a: 1.0 if a >= 0 else -1.0,
             lambda np, a: _at_least_zero(np, a, -1), "sign", (None,), 2),
    Function("step", "0 below 0, else 1", lambda a: 1.0 if a >= 0 else 0.0,
             lambda np, a: _at_least_zero(np, a, 0), "step", (None,), 2),
    Function("tanh", "hyperbolic tangent", math.tanh, lambda np, a: np.tanh(a), "tanh",
             ("g * (1 - tanh(a) * tanh(a))",), 32, 14),
    Function("sigmoid", "1 / (1 + exp(-a))", _sigmoid, _sigmoid_array, "sigmoid",
             ("g * (sigmoid(a) * (1 - sigmoid(a)))",), 30, 14),
    # sigmoid(a) said by the value itself, so that a need not be kept.
    Function("softplus", "log(1 + exp(a))", _softplus, lambda np, a: np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a))),
             "softplus", ("-(g * expm1(-softplus(a)))",), 50, 28),
    Function("sin", "sine", math.sin, lambda np, a: np.sin(a), "sin", ("g * cos(a)",), 30, 14),
    Function("cos", "cosine", math.cos, lambda np, a: np.cos(a), "cos", ("-(g * sin(a))",), 30, 14),
    Function("erf", "error function", math.erf, _erf_array, "erf",
             (f"{2 / math.sqrt(math.pi)!r} * g * exp(-(a * a))",), 40, 20),
    Function("floor", "largest whole number that is not above", lambda a: float(math.floor(a)),
             lambda np, a: np.floor(a), "floor", (None,), 1),
    # Of equal operands the second gets the gradient: relu, max(x, 0), has derivative 0 at 0. A NaN is kept.
    Function("min", "smallest operand; of one operand, over the last axis", _minimum,
             lambda np, a, b: np.minimum(a, b), "minimum",
             ("where(min(a, b) < b, g, 0)", "where(min(a, b) < b, 0, g)"), 2, folds=True),
    Function("max", "largest operand; of one operand, over the last axis", _maximum,
             lambda np, a, b: np.maximum(a, b), "maximum",
             ("where(max(a, b) > b, g, 0)", "where(max(a, b) > b, 0, g)"), 2, folds=True),
    # Neither side's gradient counts where the other is chosen, even if it is not finite; the condition has none.
    Function("where", "b where the condition a holds, else c", _choose, lambda np, a, b, c: np.where(a, b, c),
             lambda v, p, a, b, c: v.b.select(a, b, c),
             (None, Call("where", Name("a"), Name("g"), ZERO), Call("where", Name("a"), ZERO, Name("g"))), 1),
    Function("column", "index along the last axis, from 0", None,
             lambda np, shape: np.arange(shape[-1]), _column, (), 2, 0, placed=True),
    Function("columns", "length of the last axis", None,
             lambda np, shape: shape[-1], _columns, (), 1, 0, placed=True),
    # Counter-based: the two halves of a key and the step, each below 2**24 so that float32 holds it.
    Function("normal", "a draw from the standard normal distribution", None, _draw_array("normal"), _draw("normal"),
             (None, None, None), 80, 20, arity=(0, 1, 3), placed=True, random=True),
    Function("uniform", "a draw from [0, 1)", None, _draw_array("uniform"), _draw("uniform"),
             (None, None, None), 35, 10, arity=(0, 1, 3), placed=True, random=True),
)  # fmt: skip

FUNCTIONS: Final[dict[str, Function]] = {function.name: function for function in (*_OPERATORS, *_CALLS)}

CALLABLE: Final = tuple(function.name for function in _CALLS)
"""What a formula may call, `REDUCTIONS` and ``mean`` apart."""


SHORT: Final[dict[str, tuple[str, Callable[[Expr], Expr]]]] = {
    "relu": ("max(a, 0)", lambda a: Call("max", a, ZERO)),
}
"""Other names for formulas of one operand: what each stands for, as text and as a function."""


@dataclass(frozen=True)
class ReductionKind:
    """A reduction over the last axis: its value on nothing, and NumPy's name for it."""

    identity: float
    ufunc: str


REDUCTIONS: Final[dict[str, ReductionKind]] = {
    "sum": ReductionKind(0.0, "add"),
    "max": ReductionKind(-math.inf, "maximum"),
    "min": ReductionKind(math.inf, "minimum"),
}


def is_condition(function: str) -> bool:
    """Whether ``function`` gives true or false instead of a number."""
    return FUNCTIONS[function].condition
