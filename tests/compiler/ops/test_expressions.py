"""Formulas as nodes."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.compiler.formula.evaluate import evaluate
from netspec.compiler.formula.parse import parse
from netspec.compiler.graph import GraphBuilder
from netspec.compiler.graph.interpreter import interpret
from netspec.compiler.ops.expressions import apply, apply_all, lower_formula
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.reduce import Reduce
from netspec.tensortype import BATCH, ShapeError, TensorType

TYPES = {
    "x": TensorType("float32", (BATCH, 5)),
    "t": TensorType("float32", (BATCH, 1)),
    "p": TensorType("float32", (5,)),
    "k": TensorType("float32", ()),
}


@pytest.mark.parametrize(
    "text",
    [
        "tanh(x) * k + p",
        "exp(x - max(x)) / sum(exp(x - max(x)))",
        "sum(where(column() == t, x, 0)) + log(sum(exp(x)))",
        "mean(x * x) - mean(x) * mean(x)",
        "(x - mean(x)) / sqrt(mean((x - mean(x)) ** 2) + 1e-5)",
        "sum(t) + 0 * max(x)",
        "max(min(x, p)) - min(x)",
        "t / columns() + 0 * x",
        "sum(x), x / sum(x)",
        "where(column() < 2, t, k) + sum(x)",
        "sum(x) + t * column()",
    ],
)
def test_formulas_with_reductions_become_maps_and_reduces(text: str) -> None:
    formula = parse(text, TYPES)
    rng = np.random.default_rng(1)
    given = {key: rng.uniform(0, 2, type_.bind({"B": 3}).shape) for key, type_ in TYPES.items()}
    g = GraphBuilder()
    values = {key: g.input(key, type_, "constant") for key, type_ in TYPES.items()}
    results = lower_formula(g, formula, values)
    found = interpret(g.graph("g", [(str(i), value) for i, value in enumerate(results)]), given, np.float64)
    expected = evaluate(formula, list(given.values()), "float64")
    for i, array in enumerate(expected):
        np.testing.assert_allclose(np.broadcast_to(found[str(i)], (3, 5)), np.broadcast_to(array, (3, 5)), rtol=1e-12)
    assert {node.op.name for node in g.graph("g", {"y": results[0]}).nodes} <= {
        "input", "map", "reduce", "broadcast", "extent",
    }  # fmt: skip


def test_a_reduction_needs_an_axis() -> None:
    g = GraphBuilder()
    k = g.input("k", TYPES["k"], "constant")
    with pytest.raises(ShapeError, match="reduces over the last axis, and there is none"):
        lower_formula(g, parse("sum(k)"), {"k": k})


def test_apply_takes_any_names_and_makes_equal_nodes_once() -> None:
    g = GraphBuilder()
    x, k = g.input("x", TYPES["x"], "constant"), g.input("k", TYPES["k"], "constant")
    assert apply(g, "g * text", g=x, text=k) is not None
    assert apply(g, "a + b", a=x, b=k) == apply(g, "a + b", a=x, b=k)
    first, second = apply_all(g, "a + 1, a - 1", a=x)
    assert first.node is second.node
    with pytest.raises(ValueError, match="has 2 results"):
        apply(g, "a, -a", a=x)


def test_a_map_is_elementwise() -> None:
    g = GraphBuilder()
    x = g.input("x", TYPES["x"], "constant")
    with pytest.raises(ShapeError, match="its formula has a reduction"):
        g.add(Map(parse("sum(a)")), x)
    with pytest.raises(ShapeError, match="a draw without key and step"):
        g.add(Map(parse("a + normal()")), x)
    with pytest.raises(ShapeError, match="a formula of 2 inputs, got 1"):
        g.add(Map(parse("a + b")), x)
    with pytest.raises(ShapeError, match="ascending axes of 2"):
        g.add(Reduce("sum", (1, 0)), x)
