"""Every registered op, by its own samples: types, gradient, text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from netspec.compiler.graph import GraphBuilder, Sample, UnsupportedError, Value
from netspec.compiler.graph.interpreter import interpret, interpret_values, numpy_dtype
from netspec.compiler.graph.parser import parse, same
from netspec.compiler.graph.printer import show
from netspec.compiler.graph.verify import verify
from netspec.compiler.ops import OPS

SIZES = {"B": 17, "N": 5}
REAL = ("float32", "float64")


def _samples() -> Iterator[Any]:
    for name, op in sorted(OPS.items()):
        for i, sample in enumerate(op.samples()):
            yield pytest.param(sample, id=f"{name}-{i}")


def _build(sample: Sample) -> tuple[GraphBuilder, list[Value], tuple[Value, ...]]:
    g = GraphBuilder()
    inputs = [g.input(f"x{i}", type_, "constant") for i, type_ in enumerate(sample.types)]
    return g, inputs, g.node(sample.op, *inputs).values


def _arrays(sample: Sample, rng: np.random.Generator) -> dict[str, np.ndarray[Any, Any]]:
    arrays = {}
    for i, type_ in enumerate(sample.types):
        shape = type_.bind(SIZES).shape
        real = type_.dtype in REAL
        value = rng.uniform(sample.low, sample.high, shape) if real else rng.integers(0, sample.integers, shape)
        arrays[f"x{i}"] = np.asarray(value, numpy_dtype(type_, np.float64))
    return arrays


def test_every_op_has_samples() -> None:
    assert [name for name, op in OPS.items() if not list(op.samples())] == ["input"]
    assert len(OPS) > 40


@pytest.mark.parametrize("sample", list(_samples()))
@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_types_are_what_the_reference_gives(sample: Sample, real: type[np.floating[Any]]) -> None:
    g, _, results = _build(sample)
    graph = g.graph("sample", [(f"y{i}", value) for i, value in enumerate(results)])
    verify(graph)
    outputs = interpret(graph, _arrays(sample, np.random.default_rng(1)), real, SIZES)
    for i, value in enumerate(results):
        assert outputs[f"y{i}"].shape == value.type.bind(SIZES).shape
        assert outputs[f"y{i}"].dtype == numpy_dtype(value.type, real)


@pytest.mark.parametrize("sample", list(_samples()))
def test_text_parses_back(sample: Sample) -> None:
    g, _, results = _build(sample)
    graph = g.graph("sample", [(f"y{i}", value) for i, value in enumerate(results)])
    again = parse(show(graph))
    assert same(graph, again)
    assert show(again) == show(graph)


@pytest.mark.parametrize("sample", list(_samples()))
def test_vjp_agrees_with_finite_differences(sample: Sample) -> None:
    rng = np.random.default_rng(2)
    g, inputs, results = _build(sample)
    if any(value.type.dtype not in REAL for value in results):
        pytest.skip("whole numbers have no gradient")
    weights = [g.input(f"w{i}", value.type, "constant") for i, value in enumerate(results)]
    try:
        found = results[0].node.op.vjp(g, results[0].node, weights)
    except UnsupportedError:
        pytest.skip("no gradient")
    assert len(found) == len(inputs)
    arrays = _arrays(sample, rng)
    arrays |= {f"w{i}": rng.normal(size=value.type.bind(SIZES).shape) for i, value in enumerate(results)}
    checked = [(x, ct) for x, ct in zip(inputs, found, strict=True) if x.type.dtype in REAL]
    made = {f"d{i}": ct for i, (_, ct) in enumerate(checked) if ct is not None}
    graph = g.graph("vjp", {f"y{i}": value for i, value in enumerate(results)} | made)
    verify(graph)
    outputs = interpret(graph, arrays, np.float64, SIZES)

    def loss(changed: dict[str, np.ndarray[Any, Any]]) -> float:
        values = interpret(graph, changed, np.float64, SIZES)
        return sum(float((values[f"y{i}"] * arrays[f"w{i}"]).sum()) for i in range(len(results)))

    stops = results[0].node.op.name == "stop_gradient"
    for i, (x, ct) in enumerate(checked):
        key = f"x{inputs.index(x)}"
        analytic = np.zeros(arrays[key].shape) if ct is None else outputs[f"d{i}"]
        assert analytic.shape == arrays[key].shape
        if stops:
            assert ct is None
            continue
        for where in _some(arrays[key].shape, rng):
            up, down = arrays[key].copy(), arrays[key].copy()
            up[where] += 1e-6
            down[where] -= 1e-6
            numeric = (loss({**arrays, key: up}) - loss({**arrays, key: down})) / 2e-6
            assert abs(numeric - analytic[where]) <= 1e-4 * max(1e-3, float(np.abs(analytic).max()))


def _some(shape: tuple[int, ...], rng: np.random.Generator) -> list[tuple[int, ...]]:
    """A dozen places of an array, spread at random."""
    count = int(np.prod(shape))
    flat = rng.permutation(count)[:12]
    return [tuple(int(i) for i in np.unravel_index(place, shape)) for place in flat]


def test_the_first_of_equal_extremes_gets_the_gradient() -> None:
    from netspec.compiler.ops.reduce import Reduce
    from netspec.tensortype import TensorType

    g = GraphBuilder()
    x = g.input("x", TensorType("float32", (2, 3)), "constant")
    node = g.node(Reduce("max", (0, 1)), x)
    w = g.input("w", TensorType("float32", ()), "constant")
    (ct,) = node.op.vjp(g, node, [w])
    assert ct is not None
    graph = g.graph("ties", {"ct": ct})
    given = {"x": np.array([[1, 5, 2], [5, 5, 0]]), "w": np.array(3.0)}
    assert interpret(graph, given)["ct"].tolist() == [[0, 3, 0], [0, 0, 0]]
    assert interpret_values(graph, given)[ct].sum() == 3
