"""What depends on parameters alone is computed once a step, after the update, and carried to the next step."""

from __future__ import annotations

from netspec.compiler.graph import Graph, GraphBuilder, Input, Value, key_of, role_of
from netspec.compiler.ops.transpose import Transpose


class CarryTransposes:
    """Turn ``transpose(parameter)`` into a ``derived`` input that each step writes anew from the updated parameter.

    The backward product streams the transposed weights, so they must be stored so. Made at the start of a step they
    would need a barrier of their own; made by the owner of the rows right after the update they need none.
    """

    name = "carry-transposes"

    def run(self, graph: Graph) -> Graph:
        found = [
            node for node in graph.nodes if isinstance(node.op, Transpose) and role_of(node.inputs[0]) == "parameter"
        ]
        if not found:
            return graph
        updated = dict(graph.outputs)
        g, setup = GraphBuilder(), GraphBuilder()
        new: dict[Value, Value] = {}
        for value in graph.inputs:
            new[value] = _copy_input(g, value)
        outputs: list[tuple[str, Value]] = []
        begun: list[tuple[str, Value]] = []
        for node in found:
            parameter = node.inputs[0]
            key = f"{key_of(parameter)}.T"
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
                    outputs.append((f"{key_of(parameter)}.T", g.add(node.op, new[after])))
        kept = [(name, new[value]) for name, value in graph.outputs]
        return g.graph(graph.name, [*kept, *outputs], setup.graph(f"{graph.name} setup", begun))


def _copy_input(g: GraphBuilder, value: Value) -> Value:
    op = value.node.op
    assert isinstance(op, Input)
    with g.at(value.node.origin):
        return g.input(op.key, op.type, op.role)
