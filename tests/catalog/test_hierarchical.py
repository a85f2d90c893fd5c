"""A softmax as a tree: against paths that are walked one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from catalog_graphs import Bench

from netspec.catalog.losses import Loss
from netspec.catalog.losses.hierarchical import DEPTH, STRIDES, tree
from netspec.compiler.graph import Value
from netspec.compiler.ops import Contract, apply
from netspec.data.fieldtype import FieldType
from netspec.tensortype import BATCH, ShapeError, TensorType

Array = np.ndarray[Any, np.dtype[Any]]
VALUES, FEATURES, ROWS = 11, 4, 6
COUNTS = [50, 20, 9, 7, 5, 4, 3, 2, 1, 1, 0]
RNG = np.random.default_rng(3)
X, KERNEL, BIAS = (RNG.normal(size=shape) for shape in ((ROWS, FEATURES), (FEATURES, VALUES), (VALUES,)))
TARGET = np.array([0, 1, 0, 9, 10, 2])


def hierarchical() -> Loss:
    made = Loss.kinds["hierarchical_softmax"]()
    assert isinstance(made, Loss)
    return made


def built(bench: Bench, bias: bool = True) -> tuple[Value, Value, Value]:
    """The loss, the probabilities and the scores of the layer behind them."""
    g = bench.scope
    x, target = bench.input("x", FEATURES), bench.input("target", dtype="uint16")
    kernel = bench.input("kernel", FEATURES, VALUES, batch=False)
    output = g.add(Contract(), x, kernel)
    if bias:
        output = apply(g, "y + b", y=output, b=bench.input("bias", VALUES, batch=False))
    one = hierarchical()
    return one.build(g, output, target), one.probabilities(g, output), output


def given(counts: list[int] = COUNTS) -> dict[str, Array]:
    constants = {f"layer.{name}": array for name, array in hierarchical().constants(counts).items()}
    return {"x": X, "kernel": KERNEL, "bias": BIAS, "target": TARGET, **constants}


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
    loss, probabilities, _ = built(bench, bias)
    found = bench.values({"loss": loss, "p": probabilities}, given())
    expected = np.array([walked(row) for row in X @ KERNEL + BIAS * bias])
    np.testing.assert_allclose(found["p"], expected, rtol=1e-9)
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
    kernel = bench.graph.input("kernel", TensorType("float32", (FEATURES, VALUES)), "stored")
    (slope,) = bench.gradient(loss, [kernel], **given())
    parent, _ = tree(COUNTS)
    touched = set()
    for word in TARGET:
        at = parent[word]
        while at >= 0:
            touched.add(int(at) - VALUES)
            at = parent[at]
    assert set(np.flatnonzero(np.abs(slope).sum(axis=0)).tolist()) == touched
    assert VALUES - 1 not in touched
    step = 1e-6
    for column in range(VALUES):
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
    code = hierarchical().constants(counts)["code"]
    assert (np.abs(code).sum(axis=1) * counts).sum() == cost


def test_no_way_is_longer_than_a_graph_reads() -> None:
    fibonacci = [1, 1]
    while len(fibonacci) < 60:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    constants = hierarchical().constants(fibonacci)
    lengths = np.abs(constants["code"]).sum(axis=1)
    assert lengths.max() <= DEPTH
    assert (2.0**-lengths).sum() == 1  # a whole tree
    assert lengths[-1] <= 2  # the commonest stays near the root
    assert sum(STRIDES) + 1 > DEPTH


def test_what_it_cannot_read() -> None:
    one, words = hierarchical(), FieldType("index", (), None, count=7)
    with pytest.raises(ShapeError, match="needs a class as its target"):
        one.check(TensorType("float32", (BATCH, 7)), FieldType("number", (7,), None))
    with pytest.raises(ShapeError, match="got a single output"):
        one.check(TensorType("float32", (BATCH, 1)), words)
    with pytest.raises(ShapeError, match="a score for each of the 7 classes"):
        one.check(TensorType("float32", (BATCH, 6)), words)
    bench = Bench()
    squashed = apply(bench.scope, "tanh(x)", x=bench.input("x", VALUES))
    with pytest.raises(ShapeError, match="linear `dense`"):
        one.build(bench.scope, squashed, bench.input("target", dtype="uint16"))
