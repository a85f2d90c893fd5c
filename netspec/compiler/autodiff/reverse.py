"""Gradients by one reverse sweep over the graph; every rule stands in its op's file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netspec.compiler.graph.arithmetic import add, constant
from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Graph, Node, Value
from netspec.compiler.graph.op import UnsupportedError
from netspec.tensortype import ShapeError


def gradients(g: GraphBuilder, loss: Value, wrt: Sequence[Value]) -> list[Value | None]:
    """The gradient of ``loss`` with respect to each value of ``wrt``; None where the loss does not depend on it.

    Backward nodes are added to ``g`` with the origin of the forward node that they differentiate.

    Args:
        g: The builder that made ``loss``.
        loss: ``float32[]``.
        wrt: Values of any shape.

    Raises:
        ShapeError: if the loss is no scalar.
        UnsupportedError: if an op on the way has no gradient.
    """
    if loss.type.shape != ():
        raise ShapeError(f"a gradient needs a loss that is one number, got {loss.type}")
    with g.at(loss.node.origin):
        cotangents: dict[Value, Value] = {loss: constant(g, 1.0)}
    pull_back(g, Graph("loss", (), (("loss", loss),)).nodes, cotangents, wrt)
    return [cotangents.get(value) for value in wrt]


def pull_back(
    g: GraphBuilder,
    order: Sequence[Node],
    cotangents: dict[Value, Value],
    wrt: Sequence[Value],
    twin: Callable[[Node], Node] = lambda node: node,
) -> None:
    """Sweep over ``order`` from its end and add to ``cotangents`` those of ``wrt`` and of all between.

    Args:
        g: The builder of the cotangents.
        order: Nodes, each after what it reads.
        cotangents: By value, those that are given.
        wrt: Values of any shape.
        twin: For a node of another graph the same one in that of ``g``.

    Raises:
        UnsupportedError: if an op on the way has no gradient.
    """
    active = _active(order, wrt)
    wanted = set(wrt)
    for node in reversed(order):
        results = [cotangents.get(value) for value in node.values]
        if node not in active or all(result is None for result in results):
            continue
        with g.at(node.origin):
            for value, cotangent in zip(node.inputs, _pull(g, twin(node), results), strict=True):
                if cotangent is not None and (value.node in active or value in wanted):
                    accumulate(g, cotangents, value, cotangent)


def accumulate(g: GraphBuilder, cotangents: dict[Value, Value], value: Value, cotangent: Value) -> None:
    """Add a cotangent to those of a value."""
    known = cotangents.get(value)
    cotangents[value] = cotangent if known is None else add(g, known, cotangent)


def _active(order: Sequence[Node], wrt: Sequence[Value]) -> set[Node]:
    """The nodes that compute from ``wrt``, so that a cotangent has to pass them."""
    wanted = set(wrt)
    active: set[Node] = set()
    for node in order:
        if any(value in wanted or value.node in active for value in node.inputs):
            active.add(node)
    return active


def _pull(g: GraphBuilder, node: Node, results: Sequence[Value | None]) -> Sequence[Value | None]:
    inputs = node.op.vjp(g, node, results)
    if len(inputs) != len(node.inputs):
        raise UnsupportedError(f"`{node.op.name}` gives {len(inputs)} cotangents for {len(node.inputs)} inputs")
    return inputs
