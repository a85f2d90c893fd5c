"""What holds of every graph, before and after each pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from netspec.compiler.graph.node import Graph, Input, Node, Value, key_of, role_of
from netspec.compiler.graph.printer import name_values, show_node
from netspec.tensortype import ROWS, ShapeError

_CARRIED = ("parameter", "state", "derived")


class GraphError(Exception):
    """A graph that is not well-formed: a mistake of a pass or a layer, never of a spec."""


def verify(graph: Graph) -> None:
    """Check that ``graph`` is well-formed.

    Every input is listed once, under a key of its own; every node's types follow from its op and inputs and stands
    after what it reads; output keys are unique, and one that carries an input on has that input's type; the setup
    gives the derived inputs from parameters alone. The same holds of the bodies of loops.

    Raises:
        GraphError: with the lines around the fault.
    """
    for message, node in _faults(graph):
        raise GraphError(f"graph `{graph.name}`: {message}{_excerpt(graph, node)}")
    for node in graph.nodes:
        for body in node.op.bodies():
            verify(body)
    if graph.setup is not None:
        verify(graph.setup)


def _faults(graph: Graph) -> Iterator[tuple[str, Node | None]]:
    yield from _input_faults(graph)
    listed = set(graph.inputs)
    seen: set[Node] = set()
    for node in graph.nodes:
        if isinstance(node.op, Input) and node.value() not in listed:
            yield f"the input `{node.op.key}` is not among the graph's inputs", node
        yield from _node_faults(node, seen)
        seen.add(node)
    yield from _output_faults(graph, seen)
    if graph.setup is not None:
        yield from _setup_faults(graph, graph.setup)


def _input_faults(graph: Graph) -> Iterator[tuple[str, Node | None]]:
    for value in graph.inputs:
        if not isinstance(value.node.op, Input) or value.index != 0:
            yield "an input of the graph is computed, not given", value.node
            return
    for key, count in Counter(map(key_of, graph.inputs)).items():
        if count > 1:
            yield f"{count} inputs have the key `{key}`", None
    for value in graph.inputs:
        if role_of(value) == "index" and (value.type.dtype != "int64" or value.type.rank != 1):
            yield f"an index is int64[...] of one axis, not {value.type}", value.node


def _node_faults(node: Node, seen: set[Node]) -> Iterator[tuple[str, Node | None]]:
    for value in node.inputs:
        if value.node not in seen:
            yield f"it reads {value!r} before that is computed", node
        if not 0 <= value.index < len(value.node.types):
            yield f"it reads result {value.index} of a node with {len(value.node.types)}", node
            return
    try:
        types = node.op.infer([value.type for value in node.inputs])
    except (ShapeError, ValueError) as error:
        yield f"its op refuses its inputs: {error}", node
        return
    if types != node.types:
        yield f"its op gives {', '.join(map(str, types))}", node


def _output_faults(graph: Graph, nodes: set[Node]) -> Iterator[tuple[str, Node | None]]:
    for key, count in Counter(key for key, _ in graph.outputs).items():
        if count > 1:
            yield f"{count} outputs have the key `{key}`", None
    for key, value in graph.outputs:
        if value.node not in nodes or not 0 <= value.index < len(value.node.types):
            yield f"the output `{key}` is no result of the graph", value.node
            continue
        carried = graph.by_key.get(key)
        if carried is None:
            continue
        if role_of(carried) not in _CARRIED:
            yield f"the output `{key}` would change an input that is {role_of(carried)}", value.node
        elif carried.type != value.type:
            yield f"the output `{key}` is {value.type}, the input it replaces {carried.type}", value.node


def _setup_faults(graph: Graph, setup: Graph) -> Iterator[tuple[str, Node | None]]:
    # Layouts may differ: the setup is a program of its own, which is told the layouts of this one when it is compiled.
    for value in setup.inputs:
        twin = graph.by_key.get(key_of(value), value)
        if role_of(value) != "parameter" or twin.type.with_layout(ROWS) != value.type.with_layout(ROWS):
            yield f"the setup reads `{key_of(value)}`, which is no such parameter", None
    given = dict(setup.outputs)
    for value in graph.inputs_of("derived"):
        made = given.get(key_of(value))
        if made is None or made.type.with_layout(ROWS) != value.type.with_layout(ROWS):
            yield f"the setup does not give `{key_of(value)}` as {value.type}", value.node


def _excerpt(graph: Graph, node: Node | None) -> str:
    """The node and what it reads, as printed lines."""
    if node is None:
        return ""
    names = name_values(graph.nodes)
    sources: dict[Node, None] = {value.node: None for value in node.inputs if isinstance(value, Value)}
    shown = [source for source in sources if all(value in names for value in source.values)]
    lines = [f"    {show_node(source, names)}" for source in shown] + [f"  > {show_node(node, names)}"]
    return "\n" + "\n".join(lines)
