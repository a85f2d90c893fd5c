"""A softmax as a tree: against paths that are walked one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from catalog_graphs import Bench

from netspec.catalog.layers import Layer
from netspec.catalog.layers.hierarchical_softmax import DEPTH, STRIDES, tree
from netspec.compiler.graph import Value
from netspec.data.fieldtype import FieldType
from netspec.tensortype import BATCH, ShapeError, TensorType

Array = np.ndarray[Any, np.dtype[Any]]
VALUES, FEATURES, ROWS = 11, 4, 6
COUNTS = [50, 20, 9, 7, 5, 4, 3, 2, 1, 1, 0]
RNG = np.random.default_rng(3)
X, KERNEL, BIAS = (RNG.normal(size=shape) for shape in ((ROWS, FEATURES), (FEATURES, VALUES - 1), (VALUES - 1,)))
TARGET = np.array([0, 1, 0, 9, 10, 2])


def hierarchical(classes: int = VALUES, bias: bool = True) -> Layer:
    made = Layer.kinds["hierarchical_softmax"](classes=classes, bias=bias)
    assert isinstance(made, Layer)
    return made


def constants(counts: list[int]) -> Mapping[str, Array]:
    return hierarchical(len(counts)).constants(FieldType("index", (), None, count=len(counts)), counts)


def built(bench: Bench, bias: bool = True) -> tuple[Value, Value, Value]:
    """The loss, the probabilities and the layer's value."""
    g, x, target = bench.scope, bench.input("x", FEATURES), bench.input("target", dtype="uint16")
    value = hierarchical(bias=bias).build(g, x)
    assert isinstance(value, Value)
    assert g.head is not None
    assert g.head.rows == BATCH
    return g.head.loss(g, target), g.head.probabilities(g, value), value


def given(counts: list[int] = COUNTS) -> dict[str, Array]:
    told = {f"layer.{name}": array for name, array in constants(counts).items()}
    return {"x": X, "layer.kernel": KERNEL, "layer.bias": BIAS, "target": TARGET, **told}


def walked(scores: Array, counts: list[int] = COUNTS) -> Array:
    """The probabilities of a row, each class by its own way to the root."""
    parent, sign = tree(counts)
    found = np.ones(len(counts))
    for node in range(len(counts)):
        at = node
        while parent[at] >= 0:
            found[node] /= 1 + np.exp(-sign[at] * scores[parent[at] - len(counts)])
            at = parent[at]
    return found


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_the_loss_is_that_of_the_path_and_probabilities_sum_to_one(training: bool, bias: bool) -> None:
    bench = Bench(training)
    loss, probabilities, value = built(bench, bias)
    found = bench.values({"loss": loss, "p": probabilities, "value": value}, given())
    expected = np.array([walked(row) for row in X @ KERNEL + BIAS * bias])
    np.testing.assert_allclose(found["p"], expected, rtol=1e-9)
    np.testing.assert_allclose(found["value"], np.log(expected), rtol=1e-9)
    np.testing.assert_allclose(found["p"].sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(found["loss"], -np.log(found["p"][np.arange(ROWS), TARGET]), rtol=1e-9)


def test_a_far_score_leaves_numbers_finite() -> None:
    bench = Bench(training=False)
    loss, probabilities, _ = built(bench)
    found = bench.values({"loss": loss, "p": probabilities}, {**given(), "x": 1e4 * X})
    assert np.isfinite(found["loss"]).all()
    np.testing.assert_allclose(found["p"].sum(axis=1), 1)


def test_gradients_reach_the_nodes_of_the_paths_alone() -> None:
    bench = Bench()
    loss, _, _ = built(bench)
    kernel = bench.graph.input("layer.kernel", TensorType("float32", (FEATURES, VALUES - 1)), "parameter")
    (slope,) = bench.gradient(loss, [kernel], **given())
    parent, _ = tree(COUNTS)
    touched = set()
    for word in TARGET:
        at = parent[word]
        while at >= 0:
            touched.add(int(at) - VALUES)
            at = parent[at]
    assert set(np.flatnonzero(np.abs(slope).sum(axis=0)).tolist()) == touched
    step = 1e-6
    for column in range(VALUES - 1):
        moved = np.zeros_like(KERNEL)
        moved[1, column] = step
        sides = [-np.log([walked(row)[t] for row, t in zip(X @ (KERNEL + m) + BIAS, TARGET, strict=True)]).sum()
                 for m in (moved, -moved)]  # fmt: skip
        assert slope[1, column] == pytest.approx((sides[0] - sides[1]) / (2 * step), abs=1e-7)


@pytest.mark.parametrize("values", [2, 3, 10, 300])
def test_no_tree_has_a_shorter_mean_way(values: int) -> None:
    """The cost of Huffman's tree is the sum of all sums that are made, whichever of equals are taken."""
    import heapq

    counts = np.random.default_rng(values).zipf(1.5, values).clip(max=1000).tolist()
    heap, cost = sorted(counts), 0
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        cost += both
        heapq.heappush(heap, both)
    code = constants(counts)["code"]
    assert (np.abs(code).sum(axis=1) * counts).sum() == cost


def test_no_way_is_longer_than_a_graph_reads() -> None:
    fibonacci = [1, 1]
    while len(fibonacci) < 60:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    lengths = np.abs(constants(fibonacci)["code"]).sum(axis=1)
    assert lengths.max() <= DEPTH
    assert (2.0**-lengths).sum() == 1  # a whole tree
    assert lengths[-1] <= 2  # the commonest stays near the root
    assert sum(STRIDES) + 1 > DEPTH


def test_weights() -> None:
    bench = Bench()
    built(bench)
    assert {name: shape for name, (shape, _, _) in bench.weights.asked.items()} == {"kernel": (4, 10), "bias": (10,)}
    assert bench.weights.asked["kernel"][2] == (4, 10)
    bench = Bench()
    built(bench, bias=False)
    assert list(bench.weights.asked) == ["kernel"]


def test_what_it_cannot_read() -> None:
    bench = Bench()
    with pytest.raises(ShapeError, match="between classes, got a single one"):
        hierarchical(1).build(bench.scope, bench.input("x", 4))
    with pytest.raises(ShapeError, match=r"acts on the last axis and length axes before it, got \[2, 4\]"):
        hierarchical().build(bench.scope, bench.input("map", 2, 4))
    bench = Bench()
    built(bench)
    assert bench.scope.head is not None
    bench.scope.head.check(FieldType("index", (), None, count=VALUES))
    with pytest.raises(ShapeError, match="tells a class"):
        bench.scope.head.check(FieldType("number", (VALUES,), None))
