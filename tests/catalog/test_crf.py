"""Linear chains against all paths, one by one."""

from __future__ import annotations

import re
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from catalog_graphs import Bench, Weights

from netspec.catalog.head import Head
from netspec.catalog.layers import Layer
from netspec.compiler.autodiff import gradients
from netspec.compiler.graph import GraphBuilder, Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.over_steps import OverSteps
from netspec.compiler.ops.reduce import Reduce
from netspec.data.fieldtype import FieldType
from netspec.tensortype import BATCH, Dim, ShapeError, TensorType, lengths, size

Array = np.ndarray[Any, np.dtype[Any]]
T, B, K = 4, 5, 5
LENGTHS = np.array([4, 1, 3, 2, 4])
TAGS = ("O", "B-X", "I-X", "E-X", "S-X")
ROWS = size("T") * BATCH


class Ended(Weights):
    """Weights of a layer whose samples have the lengths of the input ``steps``."""

    def steps(self, g: GraphBuilder, rows: Dim) -> Value:
        return g.input("steps", TensorType("float32", (BATCH,)), "stored")

    def real(self, g: GraphBuilder, rows: Dim) -> Value:
        steps = self.steps(g, rows)
        return g.add(OverSteps(lengths(rows)[-1], "below"), apply(g, "where(n > 0, 1, 0)", n=steps), steps)


def crf(transitions: str = "none") -> tuple[Bench, Layer, Value, Value, Head]:
    """The layer on ``x``, the best path, and its head."""
    bench = Bench()
    bench.scope._source = bench.weights = Ended(bench.graph)
    x = bench.graph.input("x", TensorType("float32", (ROWS, K)), "stored")
    layer = Layer.kinds["crf"](transitions=transitions)
    assert isinstance(layer, Layer)
    path = layer.build(bench.scope, x)
    assert isinstance(path, Value)
    assert bench.scope.head is not None
    return bench, layer, x, path, bench.scope.head


def drawn(spread: float = 2.0, seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    shapes = {"x": (T * B, K), "layer.transitions": (K, K), "layer.start": (K,), "layer.end": (K,)}
    return {"steps": LENGTHS, **{key: rng.normal(0, spread, shape) for key, shape in shapes.items()}}


def scored(given: dict[str, Array], row: int) -> dict[tuple[int, ...], float]:
    """The score of every path of a sample."""
    x, steps = given["x"].reshape(T, B, K)[:, row], int(LENGTHS[row])
    moves, start, end = (given[f"layer.{name}"] for name in ("transitions", "start", "end"))
    return {
        path: start[path[0]]
        + end[path[-1]]
        + sum(x[t, tag] for t, tag in enumerate(path))
        + sum(moves[a, b] for a, b in pairwise(path))
        for path in product(range(K), repeat=steps)
    }


def paths(values: Array) -> list[tuple[int, ...]]:
    """The class at each real step of every sample."""
    assert ((values == 0) | (values == 1)).all()
    assert (values.sum(axis=1) == 1).all()
    chosen = values.argmax(axis=1).reshape(T, B)
    return [tuple(chosen[:steps, row].tolist()) for row, steps in enumerate(LENGTHS)]


@pytest.mark.parametrize("spread", [0.3, 2.0, 30.0])
def test_likelihood_and_best_path_are_those_of_all_paths(spread: float) -> None:
    bench, _, _, best, head = crf()
    target = bench.graph.input("t", TensorType("int32", (ROWS,)), "stored")
    given = {**drawn(spread), "t": np.random.default_rng(1).integers(0, K, T * B)}
    loss = head.loss(bench.scope, target)
    found = bench.values({"loss": loss, "best": best}, given, T=T, B=B)
    told = given["t"].reshape(T, B)
    for row, path in enumerate(paths(found["best"])):
        every = scored(given, row)
        assert path == max(every, key=every.__getitem__)
        total = np.logaddexp.reduce(list(every.values()))
        assert found["loss"][row] == pytest.approx(total - every[tuple(told[: LENGTHS[row], row])], rel=1e-9, abs=1e-9)


def test_gradient_by_the_scores_is_what_is_expected_less_what_is() -> None:
    bench, _, x, _, head = crf()
    target = bench.graph.input("t", TensorType("int32", (ROWS,)), "stored")
    given = {**drawn(), "t": np.random.default_rng(1).integers(0, K, T * B)}
    total = bench.scope.add(Reduce("sum", (0,)), head.loss(bench.scope, target))
    (wrt,) = gradients(bench.graph, total, [x])
    assert wrt is not None
    found = bench.values({"d": wrt}, given, T=T, B=B)["d"].reshape(T, B, K)
    expected = np.zeros((T, B, K))
    for row, steps in enumerate(LENGTHS):
        every = scored(given, row)
        top = np.logaddexp.reduce(list(every.values()))
        for path, score in every.items():
            expected[np.arange(steps), row, path] += np.exp(score - top)
        expected[np.arange(steps), row, given["t"].reshape(T, B)[:steps, row]] -= 1
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("scheme", ["iob2", "iobes"])
def test_what_is_forbidden_is_neither_chosen_nor_likely(scheme: str) -> None:
    names = TAGS if scheme == "iobes" else ("O", "B-X", "I-X", "B-Y", "I-Y")
    bench, layer, _, best, head = crf(scheme)
    rules = layer.constants(FieldType("index", (size("T"),), None, classes=names), ())
    target = bench.graph.input("t", TensorType("int32", (ROWS,)), "stored")
    for seed in range(5):
        given = {**drawn(seed=seed), "t": np.zeros(T * B, int), **{f"layer.{key}": rule for key, rule in rules.items()}}
        found = bench.values({"loss": head.loss(bench.scope, target), "best": best}, given, T=T, B=B)
        for row, path in enumerate(paths(found["best"])):
            every = {
                path: score for path, score in scored(given, row).items() if allowed([names[i] for i in path], scheme)
            }
            assert path == max(every, key=every.__getitem__)
            total = np.logaddexp.reduce(list(every.values()))
            assert found["loss"][row] == pytest.approx(total - every[(0,) * LENGTHS[row]], rel=1e-9)


def allowed(tags: list[str], scheme: str) -> bool:
    """Whether these are the tags of some sentence: each stretch begins with B or S, and in iobes ends with E or S."""
    types = {tag[2:] for tag in tags if tag != "O"}
    forms = {"iob2": "B{0}(?:I{0})*", "iobes": "B{0}(?:I{0})*E{0}|S{0}"}
    every = "|".join(["O", *(forms[scheme].format(type_) for type_ in types)])
    return re.fullmatch(f"(?:{every})*", "".join(tag.replace("-", "") for tag in tags)) is not None


def test_what_it_cannot_read() -> None:
    layer = Layer.kinds["crf"]()
    assert isinstance(layer, Layer)
    bench = Bench()
    with pytest.raises(ShapeError, match="goes along a length axis"):
        layer.build(bench.scope, bench.input("x", 3))
    for shape in ((ROWS, 1), (ROWS, 2, 3)):
        x = bench.graph.input(f"x{len(shape)}{shape[1]}", TensorType("float32", shape), "stored")
        with pytest.raises(ShapeError, match="a score for each class at each step"):
            layer.build(bench.scope, x)
