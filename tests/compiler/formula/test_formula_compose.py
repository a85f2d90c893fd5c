"""Putting formulas together, evaluating them, and cutting them into sweeps."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.compiler.formula import (
    canonical,
    evaluate,
    evaluate_scalar,
    inline,
    parse,
    rename,
    select,
    spread_results,
    sweeps,
    trim,
    union,
)  # fmt: skip


def test_inline_merges_inputs_by_name() -> None:
    consumer, producer = parse("max(z, 0) + b", ("z", "b")), parse("a * b", ("a", "b"))
    both = inline(consumer, 0, producer)
    assert (both.inputs, str(both)) == (("a", "b"), "max(a * b, 0) + b")


def test_inline_is_not_caught_by_equal_names() -> None:
    both = inline(parse("x + y", ("x", "y")), 0, parse("x * z", ("x", "z")))
    assert (both.inputs, str(both)) == (("x", "z", "y"), "x * z + y")
    both = inline(parse("x + y", ("x", "y")), 1, parse("y / x", ("x", "y")))
    assert (both.inputs, str(both)) == (("x", "y"), "x + y / x")


def test_inline_takes_one_of_several_results() -> None:
    assert str(inline(parse("exp(u)"), 0, parse("a + b, a - b", ("a", "b")), 1)) == "exp(a - b)"


def test_rename_exchanges_names_and_merges_equal_ones() -> None:
    assert str(rename(parse("x - y", ("x", "y")), ("y", "x"))) == "y - x"
    merged = rename(parse("x - y", ("x", "y")), ("v", "v"))
    assert (merged.inputs, str(merged)) == (("v",), "v - v")
    assert canonical(parse("b - a", ("a", "b"))) == parse("x1 - x0", ("x0", "x1"))


def test_union_shares_inputs_and_work() -> None:
    both = union(parse("exp(a)", ("a",)), parse("exp(a) + b", ("b", "a")))
    assert (both.inputs, str(both)) == (("a", "b"), "t0 = exp(a); t0, t0 + b")
    assert str(select(both, [1])) == "exp(a) + b"


def test_trim_drops_what_does_not_occur() -> None:
    trimmed, kept = trim(parse("c + a", ("a", "b", "c")))
    assert (trimmed.inputs, kept) == (("a", "c"), (0, 2))


def test_scalars_of_each_step_are_float64() -> None:
    t = np.arange(1, 4)
    (rate,) = evaluate_scalar(
        parse("lr * sqrt(1 - b2 ** t) / (1 - b1 ** t)"), {"lr": 1e-3, "b1": 0.9, "b2": 0.999, "t": t}
    )
    np.testing.assert_array_equal(rate, 1e-3 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t))
    assert rate.dtype == np.float64


def test_evaluate_broadcasts_and_keeps_the_reduced_axis() -> None:
    x, y = np.arange(6, dtype="uint8").reshape(2, 3), np.array([[1.0], [4.0]])
    one, mean, hot = evaluate(parse("x / 255 + y, mean(x), where(column() == y, 1, 0)", ("x", "y")), [x, y])
    assert one.dtype == np.float32
    np.testing.assert_allclose(one, x / np.float32(255) + y, rtol=1e-6)
    np.testing.assert_array_equal(mean, [[1], [4]])
    np.testing.assert_array_equal(hot, [[0, 1, 0], [0, 0, 0]])


def test_sum_of_a_row_value_counts_the_columns() -> None:
    x, y = np.zeros((2, 3)), np.array([[1.0], [2.0]])
    (total,) = evaluate(parse("sum(y)", ("x", "y")), [x, y])
    np.testing.assert_array_equal(total, [[3], [6]])


def test_draws_need_their_key() -> None:
    with pytest.raises(ValueError, match="key"):
        evaluate(parse("x + normal()", ("x",)), [np.zeros(3)])
    formula = parse("x + normal(hi, lo, step)", ("x", "hi", "lo", "step"))
    (one,), (again,), (later,) = (evaluate(formula, [np.zeros((4, 5)), 1, 2, step]) for step in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    assert (one != later).all()


def test_softmax_takes_three_sweeps() -> None:
    cut = sweeps(parse("exp(x - max(x)) / sum(exp(x - max(x)))"))
    assert [str(sweep.body) for sweep in cut] == ["x", "exp(x - r0)", "exp(x - r0) / r1"]
    assert [sweep.actions for sweep in cut] == [("max",), ("sum",), (("store", 0),)]
    assert cut[2].body.inputs == ("x", "r0", "r1")


def test_row_values_are_made_once_a_row() -> None:
    formula = parse("d = x - mean(x); d / sqrt(mean(d * d) + 1e-5), log(sum(x)), x + 1", ("x",))
    cut = sweeps(formula)
    assert [sweep.once for sweep in cut] == [False, True, False, True, False]
    assert spread_results(formula) == (False, True, False)
    assert cut[0].actions == ("sum", ("store", 2))
    assert cut[1].actions == ("keep", ("store", 1))
    assert str(cut[4].body) == "(x - r1) / r3"


def test_no_reduction_is_one_sweep() -> None:
    (cut,) = sweeps(parse("x + y, x * y", ("x", "y")))
    assert cut.actions == (("store", 0), ("store", 1))
