"""Padding that a convolution takes for its own."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.compiler.graph import Graph, GraphBuilder
from netspec.compiler.graph.interpreter import interpret
from netspec.compiler.graph.verify import verify
from netspec.compiler.ops.conv import Conv, ConvInput, ConvWeight
from netspec.compiler.ops.pad import Pad
from netspec.compiler.ops.slice import Slice
from netspec.compiler.ops.windows import Window
from netspec.compiler.passes.simplify import Simplify
from netspec.tensortype import BATCH, TensorType

WINDOWS = (Window(3, 2, before=1), Window(2, dilation=2, after=1))


def padded(*, backward: bool) -> Graph:
    """Zeros around both axes of what a convolution reads; or the gradients by its input and its weights."""
    g = GraphBuilder()
    x = g.input("x", TensorType("float32", (BATCH, 5, 4, 2)), "constant")
    w = g.input("w", TensorType("float32", (3, 2, 2, 3)), "constant")
    around = g.add(Pad(2, 0, 3), g.add(Pad(1, 2, 1), x))
    y = g.add(Conv(WINDOWS), around, w)
    if not backward:
        return g.graph("forward", {"y": y})
    c = g.input("c", y.type, "constant")
    to_around = g.add(ConvInput(WINDOWS, (8, 7)), c, w)
    to_x = g.add(Slice(1, 2, 7), g.add(Slice(2, 0, 4), to_around))
    return g.graph("backward", {"dx": to_x, "dw": g.add(ConvWeight(WINDOWS), around, c)})


@pytest.mark.parametrize("backward", [False, True])
def test_neither_copy_is_left(backward: bool) -> None:
    graph = padded(backward=backward)
    folded = Simplify().run(graph)
    verify(folded)
    assert {node.op.name for node in folded.nodes} == {
        "input",
        *(["conv_input", "conv_weight"] if backward else ["conv"]),
    }
    rng = np.random.default_rng(0)
    arrays = {key: rng.normal(size=value.type.bind({"B": 3}).shape) for key, value in graph.by_key.items()}
    expected, found = (interpret(one, arrays, np.float64, {"B": 3}) for one in (graph, folded))
    for key, array in expected.items():
        np.testing.assert_allclose(found[key], array, atol=1e-12)


def test_zeros_beside_the_channels_and_between_samples_stay() -> None:
    g = GraphBuilder()
    x = g.input("x", TensorType("float32", (BATCH, 5, 4, 1)), "constant")
    w = g.input("w", TensorType("float32", (3, 2, 2, 3)), "constant")
    y = g.add(Conv((Window(3), Window(2))), g.add(Pad(3, 1, 0), g.add(Pad(0, 1, 0), x)), w)
    folded = Simplify().run(g.graph("g", {"y": y}))
    assert [node.op.name for node in folded.nodes].count("pad") == 2
