"""Computing graphs with NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.compiler.graph import GraphBuilder
from netspec.compiler.graph.interpreter import interpret
from netspec.compiler.graph.verify import GraphError
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.extent import Extent
from netspec.compiler.ops.gather import Gather
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.transpose import Transpose
from netspec.tensortype import BATCH, TensorType, size


def test_symbols_are_bound_by_the_arrays_and_attributes_with_them() -> None:
    g = GraphBuilder()
    table = g.input("table", TensorType("uint8", (size("N"), 2)), "stored")
    index = g.input("index", TensorType("int64", (BATCH,)), "index")
    total = g.add(Reduce("sum", (0,)), g.add(Gather(), table, index))
    graph = g.graph("mean", {"mean": apply(g, "a / n", a=total, n=g.add(Extent(BATCH)))})
    given = {"table": np.array([[1, 2], [3, 4], [5, 60]], np.uint8), "index": np.array([2, 0])}
    found = interpret(graph, given)["mean"]
    assert found.dtype == np.float32
    assert found.tolist() == [3, 31]
    assert interpret(graph, given, np.float64)["mean"].dtype == np.float64


def test_derived_inputs_are_made_by_the_setup() -> None:
    g, setup = GraphBuilder(), GraphBuilder()
    derived = g.input("w.T", TensorType("float32", (2, 1)), "derived")
    w = setup.input("w", TensorType("float32", (1, 2)), "parameter")
    made = setup.graph("setup", {"w.T": setup.add(Transpose((1, 0)), w)})
    graph = g.graph("g", {"y": apply(g, "2 * a", a=derived)}, made)
    assert interpret(graph, {"w": np.array([[1, 2]])})["y"].tolist() == [[2], [4]]
    assert interpret(graph, {"w.T": np.array([[5], [6]])})["y"].tolist() == [[10], [12]]


def test_inputs_that_nothing_reads_may_be_missing() -> None:
    g = GraphBuilder()
    x = g.input("x", TensorType("float32", (2,)), "constant")
    g.input("unread", TensorType("float32", (2,)), "constant")
    graph = g.graph("g", {"y": apply(g, "a + 1", a=x)})
    assert interpret(graph, {"x": np.zeros(2)})["y"].tolist() == [1, 1]
    with pytest.raises(GraphError, match="no array was given for the input `x`"):
        interpret(graph, {})


def test_arrays_of_another_shape_are_refused() -> None:
    g = GraphBuilder()
    x = g.input("x", TensorType("float32", (BATCH, 2)), "constant")
    y = g.input("y", TensorType("float32", (BATCH,)), "constant")
    graph = g.graph("g", {"x": x, "y": y})
    with pytest.raises(GraphError, match=r"`y` is float32\[B\], got an array of shape \(4,\)"):
        interpret(graph, {"x": np.zeros((3, 2)), "y": np.zeros(4)})


def test_not_a_number_goes_through() -> None:
    g = GraphBuilder()
    x = g.input("x", TensorType("float32", (3,)), "constant")
    values = {kind: g.add(Reduce(kind, (0,)), apply(g, "max(a, 0)", a=x)) for kind in ("sum", "max", "min")}  # type: ignore[arg-type]
    found = interpret(g.graph("g", values), {"x": np.array([1, np.nan, 2])})
    assert all(np.isnan(array) for array in found.values())
