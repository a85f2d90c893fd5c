"""What the verifier refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netspec.compiler.graph import Graph, GraphBuilder, Node
from netspec.compiler.graph.verify import GraphError, verify
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.transpose import Transpose
from netspec.tensortype import TensorType

MATRIX = TensorType("float32", (3, 4))


def _graph() -> tuple[GraphBuilder, Graph]:
    g = GraphBuilder()
    w = g.input("w", MATRIX, "parameter")
    return g, g.graph("g", {"w": apply(g, "a * 0.5", a=w), "y": g.add(Transpose((1, 0)), w)})


def test_a_good_graph_verifies() -> None:
    verify(_graph()[1])


def test_an_input_that_is_not_listed() -> None:
    _, graph = _graph()
    with pytest.raises(GraphError, match="`w` is not among the graph's inputs"):
        verify(replace(graph, inputs=()))


def test_an_input_that_is_computed() -> None:
    _, graph = _graph()
    with pytest.raises(GraphError, match="computed, not given"):
        verify(replace(graph, inputs=(*graph.inputs, graph.outputs[1][1])))


def test_two_inputs_or_outputs_of_one_key() -> None:
    _, graph = _graph()
    other = GraphBuilder().input("w", MATRIX, "parameter")
    with pytest.raises(GraphError, match="2 inputs have the key `w`"):
        verify(replace(graph, inputs=(*graph.inputs, other)))
    with pytest.raises(GraphError, match="2 outputs have the key `w`"):
        verify(replace(graph, outputs=(*graph.outputs, graph.outputs[0])))


def test_a_type_that_does_not_follow_is_shown_with_its_node() -> None:
    _, graph = _graph()
    node = graph.outputs[1][1].node
    wrong = Node(node.op, node.inputs, (MATRIX,))
    with pytest.raises(GraphError) as raised:
        verify(replace(graph, outputs=(("y", wrong.value()),)))
    assert str(raised.value) == (
        "graph `g`: its op gives float32[4, 3]\n"
        '    %0 = input parameter "w" : float32[3, 4]\n'
        "  > %1 = transpose {perm=[1, 0]} %0 : float32[3, 4]"
    )


def test_an_op_that_refuses_its_inputs() -> None:
    _, graph = _graph()
    wrong = Node(Transpose((0, 1, 2)), graph.inputs, (MATRIX,))
    with pytest.raises(GraphError, match="refuses its inputs: `transpose` needs a permutation of 2 axes"):
        verify(replace(graph, outputs=(("y", wrong.value()),)))


def test_a_result_that_a_node_does_not_have() -> None:
    _, graph = _graph()
    value = graph.inputs[0].node.value(3)
    with pytest.raises(GraphError, match="no result of the graph"):
        verify(replace(graph, outputs=(("y", value),)))
    reader = Node(Transpose((1, 0)), (value,), (TensorType("float32", (4, 3)),))
    with pytest.raises(GraphError, match="result 3 of a node with 1"):
        verify(replace(graph, outputs=(("y", reader.value()),)))


def test_what_is_carried_keeps_its_type_and_may_change() -> None:
    g, graph = _graph()
    with pytest.raises(GraphError, match=r"`w` is float32\[4, 3\], the input it replaces float32\[3, 4\]"):
        verify(replace(graph, outputs=(("w", graph.outputs[1][1]),)))
    rate = g.input("lr", TensorType("float32", ()), "step")
    with pytest.raises(GraphError, match="would change an input that is step"):
        verify(g.graph("g", {"lr": apply(g, "a * 2", a=rate)}))


def test_an_index_is_one_axis_of_int64() -> None:
    g = GraphBuilder()
    index = g.input("index", MATRIX, "index")
    with pytest.raises(GraphError, match="an index is int64"):
        verify(g.graph("g", {"y": index}))


def test_a_setup_gives_what_is_derived() -> None:
    g = GraphBuilder()
    derived = g.input("w.T", TensorType("float32", (4, 3)), "derived")
    w = g.input("w", MATRIX, "parameter")
    setup = GraphBuilder()
    kernel = setup.input("w", MATRIX, "parameter")
    good = setup.graph("setup", {"w.T": setup.add(Transpose((1, 0)), kernel)})
    verify(g.graph("g", {"y": derived, "z": w}, good))
    bad = setup.graph("setup", {"w.T": kernel})
    with pytest.raises(GraphError, match=r"does not give `w\.T`"):
        verify(g.graph("g", {"y": derived, "z": w}, bad))
    other = GraphBuilder()
    rate = other.input("lr", MATRIX, "step")
    with pytest.raises(GraphError, match="reads `lr`, which is no such parameter"):
        verify(g.graph("g", {"y": derived, "z": w}, other.graph("setup", {"w.T": other.add(Transpose((1, 0)), rate)})))
