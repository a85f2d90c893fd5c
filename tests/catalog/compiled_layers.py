"""Layers as machine code beside the interpreter in float64: outputs, and gradients by the input and every weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from catalog_graphs import Weights
from compiled import Compiled, assert_close, assert_same_bits
from numpy.typing import NDArray

from netspec.catalog.layers import Layer
from netspec.catalog.scope import Scope
from netspec.compiler.autodiff.reverse import gradients
from netspec.compiler.graph import Graph, GraphBuilder, Value, key_of
from netspec.compiler.graph.interpreter import interpret
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.gather import Gather
from netspec.compiler.ops.reduce import Reduce
from netspec.tensortype import BATCH, TensorType, known, size

Arrays = dict[str, NDArray[Any]]
ROWS = 40


def layer_graph(kind: str, shape: Sequence[int], *, training: bool = True, **fields: Any) -> Graph:
    """``y``, and the gradients of ``sum(c y)`` by the input, ``dx``, and by each weight, under its own name."""
    g = GraphBuilder()
    index = g.input("index", TensorType("int64", (BATCH,)), "index")
    x = _rows(g, "x", shape, index)
    layer = Layer.kinds[kind](**fields)
    assert isinstance(layer, Layer)
    scope = Scope(g, "layer", Weights(g), training=training)
    y = layer.build(scope, x)
    assert isinstance(y, Value)
    c = _rows(g, "c", [known(n) for n in y.type.shape[1:]], index)
    total = g.add(Reduce("sum", tuple(range(y.type.rank))), apply(g, "c * y", c=c, y=y))
    weights = list(g.graph("all", {}).inputs_of("parameter"))
    found = gradients(g, total, [x, *weights])
    names = ["dx", *(f"d{key_of(value).removeprefix('layer.')}" for value in weights)]
    return g.graph("layer", {"y": y} | {n: v for n, v in zip(names, found, strict=True) if v is not None})


def _rows(g: GraphBuilder, key: str, shape: Sequence[int], index: Value) -> Value:
    return g.add(Gather(), g.input(key, TensorType("float32", (size("N"), *shape)), "stored"), index)


def drawn(graph: Graph, seed: int = 3) -> Arrays:
    """Arrays for all inputs but the index."""
    rng = np.random.default_rng(seed)
    made: Arrays = {}
    for value in graph.inputs:
        key = key_of(value)
        if key != "index":
            shape = value.type.bind({"N": ROWS}).shape
            made[key] = np.asarray(rng.normal(size=shape) if shape else rng.integers(0, 1000), np.float32)
    return made


def check_layer(kind: str, shape: Sequence[int], batches: Sequence[int] = (1, 15, 33), **fields: Any) -> None:
    """What kernels compute is what the interpreter does, for several batches, on any number of threads.

    With samples in the lanes, and in rows as few of them are; the output has the same bits in either form.
    """
    graph = layer_graph(kind, shape, **fields)
    arrays, forms = drawn(graph), (Compiled(graph), Compiled(graph, few=True))
    for batch in batches:
        given: Mapping[str, NDArray[Any]] = {**arrays, "index": np.random.default_rng(batch).integers(0, ROWS, batch)}
        expected = interpret(graph, given, np.float64, {"B": batch, "N": ROWS})
        many, few = (compiled.run(given, batch) for compiled in forms)
        for compiled, first in zip(forms, (many, few), strict=True):
            assert_close(first, expected)
            assert_same_bits(compiled.run(given, batch, threads=3), first)
        assert_same_bits({"y": few["y"]}, {"y": many["y"]})
