"""What simplifying and differentiating give, as text."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.compiler.formula import Name, differentiate, evaluate, names, parse, pullback, simplify


@pytest.mark.parametrize(
    ("text", "simple"),
    [
        ("x + 0", "x"),
        ("0 + x", "x"),
        ("x * 1", "x"),
        ("x / 1", "x"),
        ("x - 0", "x"),
        ("x ** 1", "x"),
        ("x ** 2", "x * x"),
        ("x ** 0.5", "sqrt(x)"),
        ("--x", "x"),
        ("x * 0", "0 * x"),  # NaN stays NaN
        ("x - x", "x - x"),  # and so does inf - inf
        ("x / x", "x / x"),
        ("2 + 3 * 4", "14"),
        ("1 / 0", "1 / 0"),
        ("log(0) * x", "log(0) * x"),
        ("x / 4", "0.25 * x"),
        ("x / 3", "x / 3"),  # 1/3 is not exact
        ("x + x", "2 * x"),
        ("2 * (0.5 * x)", "x"),
        ("1 + x", "x + 1"),
        ("x - (0 - y)", "x + y"),
        ("-(x - y)", "y - x"),
        ("x + -2 * y", "x - 2 * y"),
        ("y * where(x > 0, 1, 0)", "where(x > 0, y, 0)"),
        ("where(x > 0, 0, 2) * y", "where(x > 0, 0, 2 * y)"),
        ("where(x > 0, 1, 0) / y", "where(x > 0, 1 / y, 0)"),
        ("where(x > 0, y, 0) + where(x > 0, 0, x)", "where(x > 0, y, x)"),
        ("where(x > 0, where(x > 0, 1, 2), where(x > 0, 3, 4))", "where(x > 0, 1, 4)"),
        ("where(1 > 2, x, y)", "y"),
        ("max(0, x)", "max(x, 0)"),
        ("abs(-x)", "abs(x)"),
        ("log(1 + exp(x))", "softplus(x)"),
        ("log(exp(x) + 1)", "softplus(x)"),
        ("log1p(exp(-x))", "softplus(-x)"),
        ("1 / (1 + exp(-x))", "sigmoid(x)"),
        ("1 / (1 + exp(x))", "sigmoid(-x)"),
        ("exp(x) / (1 + exp(x))", "sigmoid(x)"),
        ("x / (1 + exp(-x))", "x * sigmoid(x)"),
        ("log(sigmoid(x))", "-softplus(-x)"),
        ("log(1 - sigmoid(x))", "-softplus(x)"),
        ("(exp(x) - exp(-x)) / (exp(x) + exp(-x))", "tanh(x)"),
        ("exp(x) - 1", "expm1(x)"),
        ("log(1 + x)", "log1p(x)"),
        ("log(exp(x))", "x"),
        ("log(sum(exp(x)))", "t0 = max(x); t0 + log(sum(exp(x - t0)))"),
        ("exp(x) / sum(exp(x))", "t0 = exp(x - max(x)); t0 / sum(t0)"),
        ("log(exp(x) / sum(exp(x)))", "t0 = x - max(x); t0 - log(sum(exp(t0)))"),
        ("log(1 + sum(exp(x)))", "t0 = max(max(x), 0); t0 + log(sum(exp(x - t0)) + exp(-t0))"),
        ("log(1 + sum(exp(-x)))", "t0 = max(max(-x), 0); t0 + log(sum(exp(-(x + t0))) + exp(-t0))"),
        ("log(sum(exp(-x)))", "t0 = max(-x); t0 + log(sum(exp(-(x + t0))))"),
        ("1e300 * 1e300 * x", "1e+300 * 1e+300 * x"),  # what is not finite is left to whoever runs it
        ("1e308 + 1e308 + x", "1e+308 + 1e+308 + x"),
    ],
)
def test_simplify(text: str, simple: str) -> None:
    result = simplify(parse(text, ("x", "y")))
    assert str(result) == simple
    assert simplify(result) == result


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("max(x, 0)", "where(r > 0, g, 0)"),
        ("exp(x)", "g * r"),
        ("tanh(x)", "g * (1 - r * r)"),
        ("sigmoid(x)", "g * (r * (1 - r))"),
        ("1 / (1 + exp(-x))", "g * (r * (1 - r))"),
        ("log(1 + exp(x))", "-(g * expm1(-r))"),
        ("sqrt(x)", "0.5 * (g / r)"),
        ("min(x, 1)", "where(r < 1, g, 0)"),
        ("expm1(x)", "g * (r + 1)"),
        ("1.5 * x + 2", "1.5 * g"),
        ("x", "g"),
        ("step(x)", "0"),
    ],
)
def test_gradient_is_told_from_the_stored_result(text: str, stored: str) -> None:
    back = pullback(parse(text, ("x",)), ("g",), ("r",))
    assert back.inputs == ("x", "r", "g")
    assert str(back) == stored
    assert "x" not in names(*back.outputs)


def test_pullback_adds_over_results_and_inputs() -> None:
    back = pullback(parse("s = a * b; s, s + a", ("a", "b", "c")), ("g", "h"))
    assert back.inputs == ("a", "b", "c", "g", "h")
    assert str(back) == "t0 = g + h; h + t0 * b, t0 * a, 0"


def test_half_squared_error_has_the_plain_difference() -> None:
    assert str(differentiate(parse("0.5 * (o - t) ** 2").output, "o")) == "o - t"


def test_inputs_may_be_called_like_the_rules_variables() -> None:
    assert str(pullback(parse("a * b / g", ("g", "b", "a")), ("c",)).outputs[2]) == "c / g * b"


def test_kinks_have_the_documented_derivative() -> None:
    for text, at_zero in [("max(x, 0)", 0), ("max(0, x)", 0), ("abs(x)", 1), ("where(x > 0, x, 3 * x)", 3)]:
        slope = differentiate(parse(text).output, "x")
        (value,) = evaluate(parse(str(slope), ("x",)), [0.0])
        assert value == at_zero, text


def test_power_has_a_derivative_at_zero() -> None:
    back = pullback(parse("a ** b", ("a", "b")), ("g",))
    a, b = evaluate(back, [0.0, 2.0, 1.0], "float64")
    assert (a, b) == (0, 0)


def test_reductions_have_no_derivative_here() -> None:
    with pytest.raises(ValueError, match="reduction"):
        differentiate(parse("x * sum(x)").output, "x")


@pytest.mark.parametrize("text", ["log(1 + exp(x))", "1 / (1 + exp(-x))", "log(sigmoid(x))", "x / (1 + exp(-x))"])
@pytest.mark.parametrize("x", [-1e4, -100.0, 100.0, 1e4])
def test_textbook_formulas_are_finite_in_float32(text: str, x: float) -> None:
    formula = simplify(parse(text, ("x",)))
    back = pullback(formula, ("g",))
    assert np.isfinite(evaluate(formula, [x])).all()
    assert np.isfinite(evaluate(back, [x, 1.0])).all()


def test_textbook_softmax_is_finite_in_float32() -> None:
    scores = np.array([[1e4, 0, -1e4], [-500, -501, -502]], "float32")
    (log_sum,) = evaluate(simplify(parse("log(exp(-0.1) + sum(exp(x)))", ("x",))), [scores])
    np.testing.assert_allclose(log_sum, [[1e4], [-0.1]])
    (chosen,) = evaluate(simplify(parse("exp(x) / sum(exp(x))", ("x",))), [scores])
    np.testing.assert_allclose(chosen.sum(1), 1, rtol=1e-6)


def test_step_and_sign_are_one_at_zero_and_keep_nan() -> None:
    step, sign = evaluate(parse("step(x), sign(x)"), [[-1.0, 0.0, 2.0, np.nan]])
    np.testing.assert_array_equal(step, [0, 1, 1, np.nan])
    np.testing.assert_array_equal(sign, [-1, 1, 1, np.nan])
    assert str(simplify(parse("step(0) + sign(0)", ()))) == "2"


def test_name_is_its_own_derivative() -> None:
    assert str(differentiate(Name("x"), "x")) == "1"
    assert str(differentiate(Name("x"), "y")) == "0"
