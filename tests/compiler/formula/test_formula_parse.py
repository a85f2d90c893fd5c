"""Reading formulas: what is admitted, what is refused and how that is said."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from netspec.compiler.formula import Call, Constant, Formula, FormulaError, Name, parse, simplify

X = Name("x")


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("x", "x"),
        ("+x", "x"),
        ("1.7159 * tanh(2/3 * x)", "1.7159 * tanh(2 / 3 * x)"),
        ("-x**2", "-x ** 2"),
        ("(-x)**2", "(-x) ** 2"),
        ("-2 ** x", "-2 ** x"),
        ("-(2) * -2", "-(2) * -2"),
        ("2 ** -x ** 2", "2 ** -x ** 2"),
        ("(x - 1) - (x - 2)", "x - 1 - (x - 2)"),
        ("x / (2 * x)", "x / (2 * x)"),
        ("max(0, x, 1)", "max(max(0, x), 1)"),
        ("max(x)", "max(x)"),
        ("mean(x)", "sum(x) / columns()"),
        ("relu(x - 1)", "max(x - 1, 0)"),
        ("where(0 < x <= 1 or x > 5, x, 1e-8)", "where(0 < x and x <= 1 or x > 5, x, 1e-08)"),
        ("t = exp(x); t, t + 1", "t0 = exp(x); t0, t0 + 1"),
        ("t = x\nt + t", "x + x"),
        ("x = x * x; x = x * x; x", "t0 = x * x; t0 * t0"),
        ("normal() - normal()", "normal() - normal(1)"),
        ("n = normal(); n * n", "t0 = normal(); t0 * t0"),
        ("positive = x > 0; where(positive, x, 0)", "where(x > 0, x, 0)"),
    ],
)
def test_canonical_text_reads_back(text: str, printed: str) -> None:
    formula = parse(text, ("x",))
    assert str(formula) == printed
    assert parse(printed, ("x",)) == formula


@pytest.mark.parametrize(
    ("text", "at", "message", "advice"),
    [
        ("x ^ 2", "x ^ 2", "`^` is not a power here", "`**`"),
        ("1 + tanhh(x)", "tanhh", "unknown function `tanhh`", "did you mean `tanh`?"),
        ("1 + frobnicate(x)", "frobnicate", "unknown function `frobnicate`", "functions: abs, column"),
        ("x + otput", "otput", "unknown name `otput`", "did you mean `output`?"),
        ("x + q", "q", "unknown name `q`", "known here: `x`, `output`"),
        ("x + exp", "exp", "`exp` is a function", "write `exp(...)`"),
        ("exp(x, x)", "exp(x, x)", "`exp` takes 1 operand, got 2", None),
        ("where(x)", "where(x)", "`where` takes 3 operands, got 1", None),
        ("sum(x, x)", "sum(x, x)", "`sum` takes one operand, got 2", "over the last axis"),
        ("max()", "max()", "`max` takes one or more operands, got 0", None),
        ("exp(a=x)", "x", "a function takes no named operands", "in their order"),
        ("x.real", "x.real", "a formula has no attributes", "exp(x)"),
        ("exp(x).y", "exp(x).y", "a formula has no attributes", None),
        ("(exp)(x)(x)", "(exp)(x)", "only a function of the list can be called", None),
        ("x[0]", "x[0]", "a formula has no elements to pick", None),
        ("lambda: x", "lambda: x", "`lambda` is a word of Python", None),
        ("'x'", "'x'", "`'x'` is not a number", None),
        ("True * x", "True", "`True` is not a number", None),
        ("2j", "2j", "`2j` is not a number", None),
        ("1e999", "1e999", "`1e999` is too large for a number", None),
        ("x if x > 0 else 1", "x if x > 0 else 1", "`if` is not part of formulas", "where(condition, a, b)"),
        ("x // 2", "x // 2", "`//` is not part of formulas", "floor(a / b)"),
        ("x @ x", "x @ x", "`@` is only for the step of a cell", None),
        ("x + (x > 0)", "x > 0", "a condition is not a number", "where(condition, 1, 0)"),
        ("where(x, 1, 2)", "x", "a condition is needed here", "x > 0"),
        ("where(x is 1, 1, 2)", "x is 1", "this comparison is not part of formulas", "<="),
        ("where(not x > 0, 1, 2)", "not x > 0", "`not` is not part of formulas", None),
        ("2x", "x", "this is not arithmetic: invalid decimal literal", "2 * x"),
        ("x * lambda", "", "this is not arithmetic", "`lambda` is a word of Python"),
        ("x +", "+", "this is not arithmetic: invalid syntax", None),
        ("t = x", "t = x", "the formula has no result", "end it with an expression"),
        ("import os; x", "import os", "only assignments may stand before the result", None),
        ("x.y = 1; x", "x.y", "only a name can be assigned", None),
        ("(y := x)", "y := x", "`namedexpr` is not part of formulas", None),
        ("[x]", "[x]", "a formula has no lists", None),
        ("()", "()", "the formula has no result", None),
        ("  ", " ", "the formula is empty", None),
        ("# nothing", "#", "the formula is empty", None),
        ("x + ß * (x ^ 2)", "ß", "unknown name `ß`", None),
        ("x +\n x ^ 2", "x ^ 2", "this is not arithmetic", None),
        ("(ß +\r\n  x % 2)", "ß", "unknown name `ß`", None),
        ("(x + # ß\r\n  x % 2)", "x % 2", "`%` is not part of formulas", None),
    ],
)
def test_bad_formula_is_explained(text: str, at: str, message: str, advice: str | None) -> None:
    with pytest.raises(FormulaError) as raised:
        parse(text, ("x", "output"))
    error = raised.value
    assert message in error.message
    if "arithmetic" not in message:
        assert text[error.offset : error.end] == at
    assert 0 <= error.offset < error.end
    assert advice is None or advice in (error.advice or "")


@pytest.mark.parametrize(
    "text",
    [
        *("(" * 5000 + "x" + ")" * 5000, "-" * 5000 + "x", "x" + "+x" * 5000, "x" * 30_000, "exp(" * 99 + "x"),
        *("9" * 9000, "abs(" * 150 + "x" + ")" * 150, "**x", "x;;x", "\ufeffx y", "f'{x}'"),
        *("x\0", "x\\", "\x0c\x0b(", "if x:\n  x"),
    ],
    ids=range(15),
)
def test_hostile_text_is_refused(text: str) -> None:
    with pytest.raises(FormulaError) as raised:
        parse(text, ("x",))
    assert 0 <= raised.value.offset < raised.value.end


def test_deep_formulas_print_and_read_back() -> None:
    deep = X
    for _ in range(3000):
        deep = Call("tanh", Call("+", deep, Constant(1)))
    assert simplify(Formula(("x",), (deep,))) == Formula(("x",), (deep,))
    for _ in range(2 * 2500):
        deep = deep.operands[0]
    assert parse(str(Formula(("x",), (deep,)))) == Formula(("x",), (deep,))


def test_nodes_are_shared_and_never_change() -> None:
    one, other = parse("exp(x) + exp(x)", ("x",)).output, parse("exp(x) + exp(x)", ("x", "y")).output
    assert one is other
    assert one.operands[0] is one.operands[1]
    assert pickle.loads(pickle.dumps(one)) is one
    assert Constant(0.0) is not Constant(-0.0)
    with pytest.raises(AttributeError):
        one.operands = ()
    with pytest.raises(ValueError, match="finite"):
        Constant(float("nan"))


def test_formula_checks_its_names() -> None:
    with pytest.raises(ValueError, match="not among"):
        Formula(("y",), (X,))
    with pytest.raises(ValueError, match="twice"):
        Formula(("x", "x"), (X,))
    assert parse("b * a").inputs == ("b", "a")
    assert parse("u = exp(a); u * u, a").cost() == 13


def test_importing_needs_no_numpy() -> None:
    code = (
        "import sys; from netspec.compiler.formula import *; body(pullback(parse('tanh(x)'), ('g',))); "
        "sys.exit(any(name in sys.modules for name in ('numpy', 'numba', 'llvmlite')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
