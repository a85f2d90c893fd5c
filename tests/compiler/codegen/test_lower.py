"""Lowering: which memory values share, and what is seen in another shape instead of copied."""

from __future__ import annotations

import pytest

from netspec.compiler.codegen.lower import Lowered, lower
from netspec.compiler.graph import Graph, GraphBuilder, UnsupportedError, Value
from netspec.compiler.kernels.processor import Tile
from netspec.compiler.ops.cast import Cast
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.gather import Gather
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.passes import optimize
from netspec.tensortype import BATCH, TensorType, size

TILE = Tile(8, 2)


def lowered(graph: Graph) -> Lowered:
    return lower(optimize(graph, 32), TILE)


def _batch(g: GraphBuilder, *shape: int) -> Value:
    index = g.input("index", TensorType("int64", (BATCH,)), "index")
    return g.add(Gather(), g.input("x", TensorType("float32", (size("N"), *shape)), "stored"), index)


def test_an_update_shares_the_memory_of_its_parameter() -> None:
    g = GraphBuilder()
    w = g.input("w", TensorType("float32", (5,)), "parameter")
    made = lowered(g.graph("g", {"w": apply(g, "w * 0.5", w=w)}))
    assert made.outputs["w"] is made.values[made.graph.by_key["w"]]
    assert len(made.calls) == 1


@pytest.mark.parametrize(
    ("features", "shape", "copies"),
    [
        ((3, 5), (BATCH, 15), 0),  # a sample's axes lie in one stretch
        ((3, 5), (BATCH, 5, 3), 0),
        ((3, 5), (BATCH * 3, 5), 2),  # rows are padded to whole vectors: by way of a stretch without padding
        ((16,), (BATCH * 2, 8), 0),  # there is no padding
    ],
)
def test_a_reshape_copies_only_where_padding_is_in_the_way(
    features: tuple[int, ...], shape: tuple[int, ...], copies: int
) -> None:
    g = GraphBuilder()
    x = apply(g, "tanh(x)", x=_batch(g, *features))
    made = lowered(g.graph("g", {"t": x, "y": g.add(Reshape(shape), x)}))
    assert len(made.calls) == 1 + copies
    assert (made.outputs["y"].memory is made.outputs["t"].memory) is (copies == 0)
    assert made.outputs["y"].type.shape == shape


def test_matrices_are_padded_alike_in_every_program() -> None:
    def strides(*, product: bool) -> object:
        g = GraphBuilder()
        w = g.input("w", TensorType("float32", (5, 3)), "parameter")
        graph = g.graph("g", {"y": g.add(Contract(), _batch(g, 5), w) if product else apply(g, "w * 2", w=w)})
        return lower(graph_of(graph, product=product), TILE).values[graph.by_key["w"]].row_stride

    def graph_of(graph: Graph, *, product: bool) -> Graph:
        return graph if product else Graph("g", graph.inputs, (("w", graph.by_key["w"]),))

    assert strides(product=False) == 64


def test_what_has_no_kernel_is_refused_by_name() -> None:
    g = GraphBuilder()
    graph = g.graph("g", {"y": g.add(Cast("int64"), _batch(g, 5))})
    with pytest.raises(UnsupportedError, match="`cast` has no kernel"):
        lowered(graph)
