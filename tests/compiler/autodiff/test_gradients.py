"""The reverse sweep on whole graphs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from random_graphs import SIZES, arrays, graphs, loss_of, total
from small_networks import cross_entropy, mlp_step

from netspec.compiler.autodiff import gradients
from netspec.compiler.formula.parse import parse
from netspec.compiler.graph import Graph, GraphBuilder, Origin, UnsupportedError, key_of
from netspec.compiler.graph.interpreter import interpret
from netspec.compiler.graph.verify import verify
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.expressions import apply, lower_formula
from netspec.compiler.ops.gather import Gather
from netspec.compiler.ops.reduce import Reduce
from netspec.tensortype import BATCH, ShapeError, TensorType

VECTOR = TensorType("float32", (5,))


def test_values_that_the_loss_does_not_read_have_none() -> None:
    g = GraphBuilder()
    a, b = g.input("a", VECTOR, "parameter"), g.input("b", VECTOR, "parameter")
    assert gradients(g, total(g, apply(g, "a * a", a=a)), [b]) == [None]


def test_a_value_read_twice_gets_the_sum() -> None:
    g = GraphBuilder()
    a = g.input("a", VECTOR, "parameter")
    loss = apply(g, "x + y", x=total(g, apply(g, "a * a", a=a)), y=total(g, apply(g, "3 * a", a=a)))
    (found,) = gradients(g, loss, [a])
    assert found is not None
    given = np.arange(5.0)
    assert interpret(g.graph("g", {"d": found}), {"a": given})["d"].tolist() == (2 * given + 3).tolist()


def test_a_value_inside_the_graph_has_a_gradient_and_so_has_the_loss() -> None:
    g = GraphBuilder()
    a = g.input("a", VECTOR, "parameter")
    inner = apply(g, "2 * a", a=a)
    loss = total(g, apply(g, "x * x", x=inner))
    found = gradients(g, loss, [a, inner, loss])
    assert all(value is not None for value in found)
    graph = g.graph("g", {str(i): value for i, value in enumerate(found) if value is not None})
    results = interpret(graph, {"a": np.ones(5)})
    assert [float(results[key].max()) for key in "012"] == [8, 4, 1]


def test_backward_nodes_come_from_the_forward_nodes_place() -> None:
    g = GraphBuilder()
    a = g.input("a", VECTOR, "parameter")
    with g.at(Origin("dense_1", 4)):
        x = apply(g, "tanh(a)", a=a)
    with g.at(Origin("loss", 9)):
        loss = total(g, apply(g, "x * x", x=x))
    (found,) = gradients(g, loss, [a])
    assert found is not None
    assert found.node.origin == Origin("dense_1", 4)
    assert g.origin is None


def test_what_cannot_be_differentiated_is_no_matter_beside_the_way() -> None:
    g = GraphBuilder()
    table = g.input("table", TensorType("float32", (9, 5)), "stored")
    index = g.input("index", TensorType("int64", (BATCH,)), "index")
    w = g.input("w", VECTOR, "parameter")
    loss = total(g, apply(g, "a * w", a=g.add(Gather(), table, index), w=w))
    assert gradients(g, loss, [w]) != [None]
    with pytest.raises(UnsupportedError, match="`gather` has no gradient"):
        gradients(g, loss, [table])


def test_a_loss_is_one_number() -> None:
    g = GraphBuilder()
    a = g.input("a", VECTOR, "parameter")
    with pytest.raises(ShapeError, match=r"one number, got float32\[5\]"):
        gradients(g, a, [a])


@pytest.mark.parametrize("shift", [True, False])
def test_softmax_gradient_is_probability_minus_label(shift: bool) -> None:
    g = GraphBuilder()
    z = g.input("z", TensorType("float32", (BATCH, 4)), "parameter")
    t = g.input("t", TensorType("int64", (BATCH, 1)), "constant")
    if shift:
        loss = cross_entropy(g, z, t)
    else:  # the largest logit is differentiated too, and its shares cancel
        formula = parse("max(z) + log(sum(exp(z - max(z)))) - sum(where(column() == t, z, 0))")
        (each,) = lower_formula(g, formula, {"z": z, "t": t})
        loss = apply(g, "a / 3", a=g.add(Reduce("sum", (0, 1)), each))
    (found,) = gradients(g, loss, [z])
    assert found is not None
    logits = np.array([[1.0, 2, 3, 4], [0, 0, 0, 0], [-5, 80, 1, 2]])
    labels = np.array([[0], [1], [2]])
    expected = np.exp(logits - logits.max(1, keepdims=True))
    expected /= expected.sum(1, keepdims=True)
    expected[np.arange(3), labels[:, 0]] -= 1
    result = interpret(g.graph("g", {"d": found}), {"z": logits, "t": labels}, np.float64)["d"]
    np.testing.assert_allclose(result, expected / 3, atol=1e-12)


def test_a_product_reads_the_batch_by_flags_and_is_never_transposed() -> None:
    graph = mlp_step([6, 5, 4, 3])
    contracts = [node.op for node in graph.nodes if isinstance(node.op, Contract)]
    assert [(op.transpose_a, op.transpose_b) for op in contracts].count((True, False)) == 3
    assert not any(node.op.name == "transpose" for node in graph.nodes)


def test_relu_keeps_its_output_and_not_its_input() -> None:
    g = GraphBuilder()
    x, b = g.input("x", VECTOR, "parameter"), g.input("b", VECTOR, "parameter")
    node = apply(g, "max(x + b, 0)", x=x, b=b).node
    ct = g.input("ct", VECTOR, "constant")
    for found in node.op.vjp(g, node, [ct]):
        assert found is not None
        assert set(found.node.inputs) == {node.value(), ct}


@settings(max_examples=80, deadline=None)
@given(graph=graphs(largest=8))
def test_gradients_of_random_graphs_agree_with_finite_differences(graph: Graph) -> None:
    g, loss, wanted = loss_of(graph)
    found = gradients(g, loss, wanted)
    made = {f"d {key_of(value)}": ct for value, ct in zip(wanted, found, strict=True) if ct is not None}
    whole = g.graph("loss", {"loss": loss} | made)
    verify(whole)
    rng, base = np.random.default_rng(5), arrays(4)
    results = interpret(whole, base, np.float64, SIZES)
    for key in made:
        name = key.removeprefix("d ")
        direction = rng.normal(size=base[name].shape)

        def at(step: float, name: str = name, direction: np.ndarray = direction) -> float:
            return float(interpret(whole, {**base, name: base[name] + step * direction}, np.float64, SIZES)["loss"])

        exact = float((results[key] * direction).sum())
        fine, coarse = ((at(h) - at(-h)) / (2 * h) for h in (1e-6, 1e-5))
        # Where two step widths disagree, a kink lies between: no derivative to compare with.
        scale = max(1.0, abs(exact), abs(float(results["loss"])))
        if abs(fine - coarse) < 1e-5 * scale:
            assert abs(exact - fine) < 1e-4 * scale
