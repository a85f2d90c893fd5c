"""Formulas of the language as LaTeX, and as curves with their derivative."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from netspec.compiler.formula import Call, Constant, Expr, Formula, Name, Reduction, differentiate, evaluate
from netspec.compiler.formula.functions import CALLABLE, FUNCTIONS, SHORT
from netspec.compiler.formula.printing import number

if TYPE_CHECKING:
    import numpy.typing as npt

_ATOM, _PRODUCT, _SUM, _LEAST = 3, 2, 1, 0
"""How tightly the outermost operation of a text binds."""

Operator = Callable[..., tuple[str, int]]
"""From operands to a text and how tightly it binds."""

_GREEK: Final = {"alpha", "beta", "gamma", "delta", "epsilon", "eta", "lambda", "mu", "rho", "sigma", "tau"}
_COMPARE: Final = {"<": "<", "<=": r"\le", ">": ">", ">=": r"\ge", "==": "=", "!=": r"\ne"}
_CALLS: Final[Mapping[str, Callable[..., str]]] = {
    "exp": lambda a: f"e^{{{a}}}",
    "sqrt": lambda a: rf"\sqrt{{{a}}}",
    "abs": lambda a: f"|{a}|",
    "sigmoid": lambda a: rf"\sigma({a})",
    "normal": lambda: r"\mathcal{N}(0, 1)",
    "uniform": lambda: r"\mathcal{U}(0, 1)",
}
_NAMED: Final = {"log", "tanh", "sin", "cos", "max", "min"}  # LaTeX has a command of the name


def latex(expr: Expr) -> str:
    """``expr`` as LaTeX, as it stands: nothing is simplified."""
    return _latex(expr)[0]


def _latex(node: Expr) -> tuple[str, int]:
    match node:
        case Constant():
            return number(round(node.value, 4)), _ATOM if node.value >= 0 else _SUM
        case Name():
            name = node.name
            return (f"\\{name}" if name in _GREEK else name if len(name) == 1 else rf"\mathit{{{name}}}"), _ATOM
        case Reduction():
            return rf"\operatorname{{{node.kind}}}({latex(node.body)})", _ATOM
        case Call():
            return _call(node)
    raise TypeError(f"not an expression: {node!r}")


def _inside(node: Expr, least: int) -> str:
    text, binds = _latex(node)
    return text if binds >= least else f"({text})"


def _call(node: Call) -> tuple[str, int]:
    operator = _OPERATORS.get(node.function)
    if operator is not None:
        return operator(*node.operands)
    texts = [latex(operand) for operand in node.operands]
    if node.function in _CALLS:
        return _CALLS[node.function](*texts), _ATOM
    named = f"\\{node.function}" if node.function in _NAMED else rf"\operatorname{{{node.function}}}"
    return f"{named}({', '.join(texts)})", _ATOM


def _compared(sign: str) -> Operator:
    return lambda a, b: (f"{latex(a)} {sign} {latex(b)}", _LEAST)


def _cases(condition: Expr, yes: Expr, no: Expr) -> tuple[str, int]:
    rows = rf"{latex(yes)} & \text{{if }} {latex(condition)} \\ {latex(no)} & \text{{else}}"
    return rf"\begin{{cases}} {rows} \end{{cases}}", _ATOM


_OPERATORS: Final[Mapping[str, Operator]] = {
    "+": lambda a, b: (f"{_inside(a, _SUM)} + {_inside(b, _SUM)}", _SUM),
    "-": lambda a, b: (f"{_inside(a, _SUM)} - {_inside(b, _PRODUCT)}", _SUM),
    "*": lambda a, b: (rf"{_inside(a, _PRODUCT)} \, {_inside(b, _PRODUCT)}", _PRODUCT),
    "/": lambda a, b: (rf"\frac{{{latex(a)}}}{{{latex(b)}}}", _ATOM),
    "**": lambda a, b: (f"{_inside(a, _ATOM)}^{{{latex(b)}}}", _PRODUCT),
    "negative": lambda a: (f"-{_inside(a, _PRODUCT)}", _SUM),
    "where": _cases,
    **{name: _compared(sign) for name, sign in _COMPARE.items()},
}


def functions() -> str:
    """What a formula may call, with its operands."""
    lines = []
    for name in CALLABLE:
        function = FUNCTIONS[name]
        operands = ["a", "b", "c"][: function.arities[0]] + ["..."] * function.folds
        lines.append(f"`{name}({', '.join(operands)})`\n: {function.summary}\n")
    lines += [f"`{name}(a)`\n: `{text}`\n" for name, (text, _) in SHORT.items()]
    return "\n".join(lines)


_WIDTH, _HEIGHT, _REACH = 280, 160, 4.0


def curves(formula: Formula) -> str:
    """The only input from -4 to 4, the formula as a line and its derivative, as the compiler derives it, dashed."""
    import numpy as np

    x = np.linspace(-_REACH, _REACH, 401)
    (y,) = evaluate(formula, [x], "float64")
    (slope,) = evaluate(Formula(formula.inputs, (differentiate(formula.output, "x"),)), [x], "float64")
    y, slope = np.broadcast_to(y, x.shape), np.broadcast_to(slope, x.shape)
    low, high = min(y.min(), slope.min(), -0.2), min(max(y.max(), slope.max(), 1.2), _REACH)
    margin = 0.06 * (high - low)
    low, high = low - margin, high + margin

    def across(value: float) -> float:
        return float(value + _REACH) / (2 * _REACH) * _WIDTH

    def down(value: float) -> float:
        return float((high - value) / (high - low) * _HEIGHT)

    def line(values: npt.NDArray[Any]) -> str:
        points = []
        for i, (a, b) in enumerate(zip(x, values, strict=True)):
            jumps = i > 0 and abs(b - values[i - 1]) > 0.2  # a step has no line up its riser
            points.append(f"{'M' if i == 0 or jumps else 'L'}{across(a):.1f} {down(b):.1f}")
        return " ".join(points)

    axes = f"M0 {down(0):.1f} H{_WIDTH} M{across(0):.1f} 0 V{_HEIGHT}"
    one = f'<path class="one" d="M0 {down(1):.1f} H{_WIDTH}"/><text x="2" y="{down(1) - 3:.1f}">1</text>'
    return (
        f'<svg class="curves" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"'
        f' aria-label="The activation from -4 to 4, and its derivative dashed">'
        f'<path class="axes" d="{axes}"/>{one}'
        f'<path class="slope" d="{line(slope)}"/><path class="value" d="{line(y)}"/></svg>'
    )
