"""What a graph that changes no weights makes of these alone is made once, before it runs."""

from __future__ import annotations

from netspec.compiler.graph import Graph, GraphBuilder, Input, Node, Value, key_of, role_of
from netspec.compiler.ops.broadcast import Broadcast
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.transpose import Transpose


class SettleWeights:
    """Turn what is computed from parameters alone into ``derived`` inputs, which the setup computes.

    Prediction then reads one number a channel where batch normalisation has a variance, a sum and a root, and no kernel
    runs for it: the rest is the epilogue of the convolution before. The arrays of a `reshape` or `broadcast` are no
    smaller work to read than to make; transpositions are carried already.
    """

    name = "settle-weights"

    def run(self, graph: Graph) -> Graph:
        settled = settled_nodes(graph)
        edge = {
            value: f"settled.{i}"
            for i, value in enumerate(
                value
                for node in graph.nodes
                for value in node.values
                if node in settled
                and not isinstance(node.op, Input | Reshape | Broadcast | Transpose)
                and any(reader not in settled for reader in graph.uses.get(value, ()))
            )
        }
        return _with_inputs(graph, edge) if edge else graph


def settled_nodes(graph: Graph) -> set[Node]:
    """The nodes that parameters alone decide, these among them."""
    settled = {value.node for value in graph.inputs if role_of(value) == "parameter"}
    for node in graph.nodes:
        if node.inputs and all(value.node in settled for value in node.inputs):
            settled.add(node)
    return settled


def _with_inputs(graph: Graph, edge: dict[Value, str]) -> Graph:
    """``graph`` with values in the place of which inputs stand; the setup makes them."""
    g, setup = GraphBuilder(), GraphBuilder()
    new: dict[Value, Value] = {}
    for value in graph.inputs:
        new[value] = _input(g, value)
    for value, key in edge.items():
        with g.at(value.node.origin):
            new[value] = g.input(key, value.type, "derived")
    for node in graph.nodes:
        if isinstance(node.op, Input):
            continue
        with g.at(node.origin):
            made = g.node(node.op, *(new[value] for value in node.inputs))
        for old, value in zip(node.values, made.values, strict=True):
            new.setdefault(old, value)
    begun = _copied(setup, graph.setup) if graph.setup else []
    made_before: dict[Value, Value] = {}
    begun += [(key, _made(setup, value, made_before)) for value, key in edge.items()]
    outputs = [(name, new[value]) for name, value in graph.outputs]
    return g.graph(graph.name, outputs, setup.graph(f"{graph.name} setup", begun))


def _copied(setup: GraphBuilder, graph: Graph) -> list[tuple[str, Value]]:
    """The outputs of a setup, in another one."""
    known: dict[Value, Value] = {}
    return [(key, _made(setup, value, known)) for key, value in graph.outputs]


def _made(g: GraphBuilder, value: Value, known: dict[Value, Value]) -> Value:
    """``value`` with all that it is computed from."""
    for node in Graph("value", (), (("value", value),)).nodes:
        if isinstance(node.op, Input):
            known[node.value()] = _input(g, node.value())
        else:
            made = g.node(node.op, *(known[v] for v in node.inputs))
            known.update(zip(node.values, made.values, strict=True))
    return known[value]


def _input(g: GraphBuilder, value: Value) -> Value:
    op = value.node.op
    assert isinstance(op, Input)
    with g.at(value.node.origin):
        return g.input(key_of(value), op.type, op.role)
