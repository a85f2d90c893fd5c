"""The driver of rewriting rules."""

from __future__ import annotations

import pytest

from netspec.compiler.formula.parse import parse
from netspec.compiler.graph import GraphBuilder, Node, Op, Origin, Value, key_of
from netspec.compiler.graph.arithmetic import add, constant
from netspec.compiler.graph.op import make
from netspec.compiler.graph.rewrite import Rewrite, rebuild, rewrite
from netspec.compiler.graph.verify import verify
from netspec.compiler.ops import OPS
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.transpose import Transpose
from netspec.tensortype import TensorType

MATRIX = TensorType("float32", (3, 4))


class Halve(Rewrite):
    """Turn ``8 * a`` into ``4 * a``, that into ``2 * a``, that into ``a``."""

    root = Map

    def apply(self, node: Node, g: GraphBuilder) -> Value | None:
        for factor in (8, 4):
            if node.op == Map(parse(f"{factor} * a")):
                return g.add(Map(parse(f"{factor // 2} * a")), *node.inputs)
        return node.inputs[0] if node.op == Map(parse("2 * a")) else None


def test_rules_are_applied_until_none_applies_in_the_setup_too() -> None:
    g, setup = GraphBuilder(), GraphBuilder()
    derived = g.input("w.T", TensorType("float32", (4, 3)), "derived")
    w = setup.input("w", MATRIX, "parameter")
    made = setup.graph("setup", {"w.T": apply(setup, "8 * a", a=setup.add(Transpose((1, 0)), w))})
    graph = g.graph("g", {"y": apply(g, "8 * a", a=derived), "z": apply(g, "9 * a", a=derived)}, made)
    new = rewrite(graph, [Halve()])
    verify(new)
    assert [key for key, _ in new.outputs] == ["y", "z"]
    assert [key_of(value) for value in new.inputs] == ["w.T"]
    assert new.outputs[0][1] == new.inputs[0]
    assert new.setup is not None
    assert new.setup.outputs[0][1].node.op == Transpose((1, 0))


def test_origins_stay_and_what_nobody_reads_falls_away() -> None:
    g = GraphBuilder()
    w = g.input("w", MATRIX, "parameter")
    unread = g.input("unread", MATRIX, "state")
    with g.at(Origin("dense_1", 4)):
        y = apply(g, "8 * a", a=apply(g, "9 * a", a=w))
    apply(g, "a + b", a=y, b=unread)
    new = rewrite(g.graph("g", {"y": y}), [Halve()])
    (_, value), nodes = new.outputs[0], new.nodes
    assert value.node.origin == Origin("dense_1", 4)
    assert [node.op.name for node in nodes] == ["input", "input", "map"]


def test_a_chain_of_thousands_is_rebuilt_without_recursion() -> None:
    g = GraphBuilder()
    value = g.input("x", MATRIX, "constant")
    for i in range(3000):
        value = apply(g, f"a + {i % 7}", a=value)
    graph = g.graph("chain", {"y": value})
    verify(graph)
    new = rebuild(graph, lambda node, inputs, g: g.node(node.op, *inputs).values)
    assert len(new.nodes) == 3001


def test_arithmetic_below_the_ops() -> None:
    g = GraphBuilder()
    x = g.input("x", MATRIX, "constant")
    assert add(g, x, x) == apply(g, "a + b", a=x, b=x)
    assert constant(g, 0.5, (2, 3)).type == TensorType("float32", (2, 3))
    assert make("transpose", perm=(1, 0)) == Transpose((1, 0))


def test_two_ops_cannot_have_one_name() -> None:
    with pytest.raises(TypeError, match="two of ops are called `map`"):
        type("Other", (Op,), {"name": "map"})
    assert OPS["map"] is Map
