"""Means and variances of channels as machine code: any number of samples, places and threads, and large means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from compiled import Compiled, assert_same_bits

from netspec.compiler.graph import Graph, GraphBuilder
from netspec.compiler.ops.gather import Gather
from netspec.compiler.ops.moments import Moments
from netspec.compiler.ops.pool import Pool
from netspec.compiler.ops.windows import Window
from netspec.tensortype import BATCH, LANES, TensorType, size


def graph_of(shape: tuple[int, ...], *, lanes: bool) -> Graph:
    g = GraphBuilder()
    index = g.input("index", TensorType("int64", (BATCH,)), "index")
    x = g.add(Gather(), g.input("x", TensorType("float32", (size("N"), *shape)), "stored"), index)
    if lanes:
        x = g.add(Pool("max", (Window(1),) * (len(shape) - 1)), x)  # changes nothing, and works in lanes
    mean, variance = g.node(Moments(), x).values
    return g.graph("moments", {"mean": mean, "variance": variance})


@pytest.mark.parametrize("lanes", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (1, 17), (9, 3), (3, 5, 1), (2, 2, 33), (257, 2), (23, 23, 3)], ids=str)
def test_any_size_and_any_number_of_threads(shape: tuple[int, ...], lanes: bool) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(1000, rng.uniform(0.5, 2, shape[-1]), (33, *shape)).astype(np.float32)
    compiled = Compiled(graph_of(shape, lanes=lanes))
    (node,) = (node for node in compiled.optimized.nodes if node.op.name == "moments")
    assert (node.inputs[0].type.layout == LANES) is lanes
    for batch in (1, 2, 15, 16, 17, 33):
        given: dict[str, Any] = {"x": x, "index": np.arange(33)[::-1][:batch]}
        found = compiled.run(given, batch)
        read, axes = x[::-1][:batch].astype(np.float64), tuple(range(len(shape)))
        np.testing.assert_allclose(found["mean"], read.mean(axes), rtol=2e-7)
        np.testing.assert_allclose(found["variance"], read.var(axes), rtol=1e-4, atol=1e-8)
        for threads in (2, 3, 5):
            assert_same_bits(compiled.run(given, batch, threads=threads), found)


def test_a_block_gives_the_same_whatever_follows() -> None:
    """Each 16 samples are summed by themselves: constant samples behind them leave their deviations alone."""
    x = np.random.default_rng(2).normal(size=(32, 6, 4)).astype(np.float32)
    x[16:] = 0.5
    found = Compiled(graph_of((6, 4), lanes=True)).run({"x": x, "index": np.arange(32)}, 32)
    np.testing.assert_allclose(found["variance"], x.astype(np.float64).var((0, 1)), rtol=1e-6)
    still = Compiled(graph_of((6, 4), lanes=True)).run({"x": x, "index": np.arange(16, 32)}, 16)
    assert not still["variance"].any()


@pytest.mark.parametrize("lanes", [False, True])
def test_a_sample_that_is_no_number_is_seen(lanes: bool) -> None:
    x = np.ones((20, 5, 3), np.float32)
    x[18, 2, 1] = np.nan
    found = Compiled(graph_of((5, 3), lanes=lanes)).run({"x": x, "index": np.arange(20)}, 20)
    assert np.isnan(found["variance"]).tolist() == [False, True, False]
