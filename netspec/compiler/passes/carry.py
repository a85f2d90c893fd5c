"""What depends on parameters alone is computed once a step, after the update, and carried to the next step."""

from __future__ import annotations

from collections.abc import Callable

from netspec.compiler.graph import Graph, GraphBuilder, Input, Node, Value, key_of, role_of
from netspec.compiler.ops.conv_minimal import FilterTransform
from netspec.compiler.ops.relayout import Relayout
from netspec.compiler.ops.transpose import Transpose
from netspec.tensortype import COLUMNS


class CarryTransposes:
    """Turn ``transpose(parameter)`` into a ``derived`` input that each step writes anew from the updated parameter.

    The backward product streams the transposed weights, so they must be stored so. Made at the start of a step they
    would need a barrier of their own; made by the owner of the rows right after the update they need none.
    """

    name = "carry-transposes"

    def run(self, graph: Graph) -> Graph:
        return _carried(graph, lambda node: ".T" if _moves(node) else None)


def _moves(node: Node) -> bool:
    """Whether a node is a transposition that moves elements."""
    return isinstance(node.op, Transpose) and COLUMNS not in (node.inputs[0].type.layout, node.types[0].layout)


class CarryFilters:
    """Turn the weights of a convolution, laid out as filters or transformed, into a ``derived`` input of a prediction.

    Packing the 11 million weights of ResNet-18 takes longer than what few samples do with them. Tied weights may be
    needed in two layouts: as they are, and turned.
    """

    name = "carry-filters"

    def run(self, graph: Graph) -> Graph:
        return _carried(graph, _of_filters)


def _of_filters(node: Node) -> str | None:
    if isinstance(node.op, FilterTransform):
        return ".factors turned" if node.op.turned else ".factors"
    if not isinstance(node.op, Relayout):
        return None
    layout = node.op.layout
    return f".{layout.kind}" if layout.width == 1 else f".{layout.kind}{layout.width}"


def _carried(graph: Graph, suffix: Callable[[Node], str | None]) -> Graph:
    """``graph`` with nodes that read a parameter alone as inputs, whose keys are the parameter's and their suffix."""
    suffixes = {node: suffix(node) for node in graph.nodes}
    found = [node for node, ending in suffixes.items() if ending and role_of(node.inputs[0]) == "parameter"]
    if not found:
        return graph
    updated, gone = dict(graph.outputs), set(found)
    g, setup = GraphBuilder(), GraphBuilder()
    new: dict[Value, Value] = {}
    for value in graph.inputs:
        uses = graph.uses.get(value, ())
        if not uses or value in graph.results or key_of(value) in updated or not gone.issuperset(uses):
            new[value] = _copy_input(g, value)
    outputs: list[tuple[str, Value]] = []
    begun = _begun(setup, graph.setup)
    for node in found:
        parameter = node.inputs[0]
        key = f"{key_of(parameter)}{suffixes[node]}"
        with g.at(node.origin):
            new[node.value()] = g.input(key, node.types[0], "derived")
        begun.append((key, setup.add(node.op, _copy_input(setup, parameter))))
    for node in graph.nodes:
        if isinstance(node.op, Input) or node.value() in new:
            continue
        with g.at(node.origin):
            made = g.node(node.op, *(new[value] for value in node.inputs))
        new.update(zip(node.values, made.values, strict=True))
    for node in found:
        parameter = node.inputs[0]
        after = updated.get(key_of(parameter), parameter)
        if after is not parameter:
            with g.at(node.origin):
                outputs.append((f"{key_of(parameter)}{suffixes[node]}", g.add(node.op, new[after])))
    kept = [(name, new[value]) for name, value in graph.outputs]
    return g.graph(graph.name, [*kept, *outputs], setup.graph(f"{graph.name} setup", begun))


def _begun(g: GraphBuilder, setup: Graph | None) -> list[tuple[str, Value]]:
    """What a graph's setup gives already, in another builder."""
    if setup is None:
        return []
    new: dict[Value, Value] = {}
    for node in setup.nodes:
        with g.at(node.origin):
            made = (
                (_copy_input(g, node.value()),)
                if isinstance(node.op, Input)
                else g.node(node.op, *(new[value] for value in node.inputs)).values
            )
        new.update(zip(node.values, made, strict=True))
    return [(key, new[value]) for key, value in setup.outputs]


def _copy_input(g: GraphBuilder, value: Value) -> Value:
    op = value.node.op
    assert isinstance(op, Input)
    with g.at(value.node.origin):
        return g.input(op.key, op.type, op.role)
