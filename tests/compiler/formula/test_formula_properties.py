"""Random formulas: text reads back, simplifying keeps values, derivatives agree with differences."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from netspec.compiler.formula import (
    Call,
    Constant,
    Expr,
    Formula,
    Name,
    Reduction,
    differentiate,
    evaluate,
    parse,
    simplified,
    simplify,
    sweeps,
    walk,
)  # fmt: skip
from netspec.compiler.formula.functions import CALLABLE, FUNCTIONS
from netspec.compiler.formula.sweeps import staged

examples = settings(max_examples=120, deadline=None)

COMPARE = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
ARITHMETIC = ["+", "-", "*", "/"]
CONSTANTS = st.sampled_from([-2.0, -1.0, -0.5, 0.25, 0.5, 1.0, 2.0, 4.0])
KINDS = st.sampled_from(["sum", "max", "min"])
NAMES = st.sampled_from(["x", "y"]).map(Name)


def conditions(numbers: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    plain = st.builds(Call, COMPARE, numbers, numbers)
    return plain | st.builds(Call, st.sampled_from(["and", "or"]), plain, plain)


def expressions(
    functions: list[str], constants: st.SearchStrategy[float], *, extra: bool = False
) -> st.SearchStrategy[Expr]:
    """Expressions of ``functions``; with ``extra`` also reductions and draws."""
    leaves = NAMES | constants.map(Constant)
    if extra:
        leaves |= st.sampled_from([Call("column"), Call("columns"), Call("normal"), Call("normal", Constant(1))])
    one = [f for f in functions if FUNCTIONS[f].arities == (1,)]
    two = [f for f in functions if FUNCTIONS[f].arities == (2,)]

    def grow(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
        kinds = [st.builds(Call, st.sampled_from(two), inner, inner)]
        if one:
            kinds.append(st.builds(Call, st.sampled_from(one), inner))
        if "where" in functions:
            kinds.append(st.builds(lambda c, a, b: Call("where", c, a, b), conditions(inner), inner, inner))
        if extra:
            kinds.append(st.builds(Reduction, KINDS, inner))
        return st.one_of(kinds)

    return st.recursive(leaves, grow, max_leaves=14)


EVERYTHING = [name for name, function in FUNCTIONS.items() if not (function.placed or function.condition)]
ANY = expressions(EVERYTHING, st.floats(allow_nan=False, allow_infinity=False), extra=True)


@examples
@given(st.lists(ANY, min_size=1, max_size=3))
def test_text_reads_back(outputs: list[Expr]) -> None:
    formula = Formula(("x", "y"), tuple(outputs))
    assert parse(str(formula), ("x", "y")) == formula


@examples
@given(ANY)
def test_simplifying_twice_changes_nothing(expr: Expr) -> None:
    (once,) = simplified(expr)
    assert simplified(once) == (once,)


def exact(expr: Expr, values: dict[str, Fraction]) -> Fraction:
    """The value in rational arithmetic."""
    match expr:
        case Constant():
            return Fraction(expr.value)
        case Name():
            return values[expr.name]
        case Call(function="where"):
            condition, yes, no = expr.operands
            return exact(yes if exact(condition, values) else no, values)
        case Call():
            scalar = FUNCTIONS[expr.function].scalar
            assert scalar is not None
            return scalar(*(exact(operand, values) for operand in expr.operands))  # type: ignore[arg-type, return-value]  # they add and multiply all the same
    raise AssertionError


RATIONALS = st.fractions(min_value=-4, max_value=4, max_denominator=8)


@examples
@given(expressions([*ARITHMETIC, "negative", "min", "max", "where", "abs"], CONSTANTS), RATIONALS, RATIONALS)
def test_simplifying_keeps_the_value_exactly(expr: Expr, x: Fraction, y: Fraction) -> None:
    (simple,) = simplified(expr)
    try:
        before = exact(expr, {"x": x, "y": y})
    except ZeroDivisionError:
        return
    constants = [node.value for node in walk(expr, simple) if isinstance(node, Constant)]
    assume(all(Fraction(value).denominator <= 2**20 for value in constants))  # 1/3 in float64 is not exact
    assert abs(exact(simple, {"x": x, "y": y}) - before) <= abs(before) / 10**9


SPECIAL = np.array([np.nan, np.inf, -np.inf, 1.0, -2.0, 0.5])


@examples
@given(expressions(["+", "-", "*", "negative", "min", "max", "abs", "step", "tanh"], CONSTANTS))
def test_simplifying_neither_hides_nor_makes_nan(expr: Expr) -> None:
    x, y = (grid.ravel() for grid in np.meshgrid(SPECIAL, SPECIAL))
    formula = Formula(("x", "y"), (expr,))
    (before,), (after,) = (evaluate(f, [x, y], "float64") for f in (formula, simplify(formula)))
    np.testing.assert_array_equal(np.isnan(np.broadcast_to(before, x.shape)), np.isnan(np.broadcast_to(after, x.shape)))


SMOOTH = ["+", "-", "*", "/", "negative", "exp", "log1p", "sqrt", "tanh", "sigmoid", "softplus", "sin", "cos", "erf"]
POINTS = st.floats(0.25, 2.0)


@examples
@given(expressions([*SMOOTH, "max", "where", "abs"], CONSTANTS), POINTS, POINTS)
def test_derivative_agrees_with_differences(expr: Expr, x: float, y: float) -> None:
    x, y = x + 0.01371, y + 0.00739  # off the equalities that neat numbers meet
    slopes = [differentiate(expr, name) for name in ("x", "y")]
    formula = Formula(("x", "y"), (expr,))
    for slope, (dx, dy) in zip(slopes, [(1.0, 0.0), (0.0, 1.0)], strict=True):
        offsets = np.array([-2.0, -1.0, 1.0, 2.0]) * 1e-5
        (near,) = evaluate(formula, [x + dx * offsets, y + dy * offsets], "float64")
        near = np.broadcast_to(near, (4,))
        assume(bool(np.isfinite(near).all()) and float(np.abs(near).max()) < 1e3)
        fine, coarse = (near[2] - near[1]) / 2e-5, (near[3] - near[0]) / 4e-5
        left, right = (near[1] - near[0]) / 1e-5, (near[3] - near[2]) / 1e-5
        assume(max(abs(fine - coarse), abs(left - right) / 100) <= 1e-6 * (1 + abs(fine)))  # no kink or pole nearby
        (value,) = evaluate(Formula(("x", "y"), (slope,)), [x, y], "float64")
        assume(bool(np.isfinite(value)))  # a side that is not chosen may overflow
        assert value == pytest.approx(fine, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("name", [n for n in (*CALLABLE, *ARITHMETIC, "**", "negative") if not FUNCTIONS[n].placed])
def test_every_function_has_the_right_gradient_and_scalar(name: str) -> None:
    function = FUNCTIONS[name]
    condition = Call(">", Name("a"), Constant(0.3))
    operands: list[Expr] = [Name(n) for n in "abc"[: max(function.arities)]]
    if name == "where":
        operands[0] = condition
    expr, point = Call(name, *operands), {"a": 0.37, "b": 1.21, "c": -0.4}
    used = ("a", "b", "c")
    values = [point[n] for n in used]
    for i, n in enumerate(used):
        up, down = ([v + (1e-6 * s if i == j else 0) for j, v in enumerate(values)] for s in (1, -1))
        (high,), (low,) = (evaluate(Formula(used, (expr,)), v, "float64") for v in (up, down))
        (slope,) = evaluate(Formula(used, (differentiate(expr, n),)), values, "float64")
        assert float(slope) == pytest.approx(float(high - low) / 2e-6, abs=1e-7)
    if name != "where":
        assert function.scalar is not None
        (array,) = evaluate(Formula(used, (expr,)), values, "float64")
        assert float(array) == pytest.approx(function.scalar(*values[: len(operands)]), rel=1e-13)


def run_sweeps(formula: Formula, x: np.ndarray, y: np.ndarray, waits: int | None = None) -> list[np.ndarray]:
    """What the sweeps of a formula give, where result ``waits`` may be staged; ``y`` has one value a row."""
    row_values: list[np.ndarray] = []
    results: dict[int, np.ndarray] = {}
    cut = plain = sweeps(formula, ("y",))
    if waits is not None:
        cut = staged(plain, waits, ("y",))
    for sweep in cut:
        held = [results.get(waits or 0, np.array(np.nan))] if cut != plain else []
        outputs = evaluate(sweep.body, [x, y, *held, *row_values], "float64", x.shape)
        for action, output in zip(sweep.actions, outputs, strict=True):
            if isinstance(action, tuple):
                results[action[1]] = output
            elif action == "keep":
                assert sweep.once
                row_values.append(output)
            else:
                ufunc = {"sum": np.add, "max": np.maximum, "min": np.minimum}[action]
                row_values.append(ufunc.reduce(np.broadcast_to(output, x.shape), axis=-1, keepdims=True))
    return [results[i] for i in range(len(formula.outputs))]


ROWS = expressions(["+", "-", "*", "max", "tanh", "sigmoid", "where"], CONSTANTS, extra=False)
REDUCED = st.recursive(
    ROWS,
    lambda inner: st.builds(Reduction, KINDS, inner) | st.builds(Call, st.sampled_from(["+", "*"]), inner, inner),
    max_leaves=6,
)


@examples
@given(st.lists(REDUCED, min_size=1, max_size=3))
def test_sweeps_give_what_the_formula_gives(outputs: list[Expr]) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((3, 5)), rng.standard_normal((3, 1))
    formula = Formula(("x", "y"), tuple(outputs))
    whole = evaluate(formula, [x, y], "float64")
    for waits in (None, *range(len(outputs))):
        for one, other in zip(whole, run_sweeps(formula, x, y, waits), strict=True):
            np.testing.assert_allclose(*np.broadcast_arrays(one, other), rtol=1e-7, atol=1e-9)


def test_a_softmax_and_its_loss_take_one_exponential() -> None:
    formula = parse(
        "t = exp(x - max(x)); s = sum(t); log(s) - sum(where(y == column(), x - max(x), 0)), t / s", ("x", "y")
    )
    plain = sweeps(formula, ("y",))
    taken = [[str(sweep.body).count("exp") for sweep in cut] for cut in (plain, staged(plain, 1, ("y",)))]
    assert taken == [[0, 1, 0, 1], [0, 1, 0, 0]]
    assert staged(plain, 0, ("y",)) == plain


def test_a_sweep_after_the_result_reads_nothing_that_the_result_covers() -> None:
    """A softmax that is stored, then what a loss per output sends back through it."""
    formula = parse("t = exp(x - max(x)); p = t / sum(t); p, p * (x - sum(p * x)) + exp(x - max(x))", ("x", "y"))
    cut = staged(sweeps(formula, ("y",)), 0, ("y",))
    assert cut != sweeps(formula, ("y",))
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((3, 5)), rng.standard_normal((3, 1))
    for one, other in zip(evaluate(formula, [x, y], "float64"), run_sweeps(formula, x, y, 0), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
