"""Printing and parsing graphs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from small_networks import mlp_step

from netspec.compiler.formula.parse import parse as formula
from netspec.compiler.graph import Graph, GraphBuilder, Node, Origin
from netspec.compiler.graph.op import PARTS, part
from netspec.compiler.graph.parser import GraphSyntaxError, parse, same
from netspec.compiler.graph.printer import show, show_attribute
from netspec.compiler.graph.verify import verify
from netspec.compiler.ops.concat import Concat
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.transpose import Transpose
from netspec.compiler.passes.fuse_maps import FuseMaps
from netspec.compiler.passes.simplify import Simplify
from netspec.tensortype import BATCH, Layout, TensorType, size

HEAD = """\
graph "small" {
  %0 = input parameter "w" : float32[3, 4]
  %1 = input state "m" : float32[3, 4]
"""


def test_a_step_as_built(golden: Callable[[str, str], None]) -> None:
    graph = mlp_step([4, 3, 2])
    golden("mlp_step.txt", show(graph))
    assert same(parse(show(graph)), graph)


def test_a_step_after_the_passes(golden: Callable[[str, str], None]) -> None:
    graph = FuseMaps().run(Simplify().run(mlp_step([4, 3, 2])))
    golden("mlp_step_fused.txt", show(graph))
    assert same(parse(show(graph)), graph)


def test_setup_origins_layouts_and_symbols_survive() -> None:
    g = GraphBuilder(Origin("cells.step", 7))
    lengths = TensorType("float32", (BATCH * size("T"), size("|chars|") * 25 - 3), Layout("panels", 32))
    x = g.input('quoted "key"', lengths, "constant")
    w = g.input("w.T", TensorType("float32", (4, 3)), "derived")
    setup = GraphBuilder()
    kernel = setup.input("w", TensorType("float32", (3, 4)), "parameter")
    made = setup.graph("setup", {"w.T": setup.add(Transpose((1, 0)), kernel)})
    y = g.add(Concat(0), apply(g, "a * 1e-3", a=w), apply(g, "a ** 2.5", a=w))
    graph = g.graph("inverse", {"x": x, "y": y}, made)
    verify(graph)
    again = parse(show(graph))
    assert same(graph, again)
    assert show(again) == show(graph)
    assert again.outputs[1][1].node.origin == Origin("cells.step", 7)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("  %2 = flip %0 : float32[3, 4]", "no op is called 'flip'"),
        ("  %2 = transpose {perm=[1, 0]} %5 : float32[4, 3]", "%5 is not defined above"),
        ("  %2 = transpose {perm=[1, 0]} %0 : float32[3, 4]", "`transpose` gives float32[4, 3]"),
        ("  %2 = transpose {perm=[1, 0]} %0 : float16[4, 3]", "'float16' is no dtype"),
        ("  %2 = transpose {perm=[1, 0]} %0 : float32[4, 3] 7", "more than expected"),
        ("  %2 = ; %0", "unreadable"),
        ("  %2 transpose %0", "expected =, found 'transpose'"),
    ],
)
def test_bad_text_is_refused_with_its_line(line: str, message: str) -> None:
    with pytest.raises(GraphSyntaxError) as raised:
        parse(HEAD + line + "\n}\n")
    assert "line 4" in str(raised.value)
    assert message in str(raised.value)


def test_text_that_ends_early_is_refused() -> None:
    with pytest.raises(GraphSyntaxError, match="has no end"):
        parse(HEAD)


def test_same_sees_every_difference() -> None:
    def build(**changes: object) -> Graph:
        g = GraphBuilder()
        x = g.input("x", TensorType("float32", (2, 3)), "constant")
        y = g.add(Reshape((6,)), x) if not changes else g.add(Reshape((3, 2)), x)
        return g.graph("g", {"y": y})

    assert same(build(), build())
    assert not same(build(), build(other=True))
    assert not same(build(), replace(build(), name="h"))
    assert not same(build(), replace(build(), outputs=build().outputs * 2))


def test_dataclasses_stand_in_attributes_once_they_are_parts() -> None:
    @part
    @dataclass(frozen=True)
    class Tile:
        rows: int
        names: tuple[str, ...] = field(default=())
        scale: float = 1.0

    try:
        assert show_attribute(Tile(8, ("a", "b"))) == 'Tile(rows=8, names=["a", "b"])'
    finally:
        del PARTS["Tile"]
    with pytest.raises(TypeError, match="has no text"):
        show_attribute(Tile(8))


def test_equal_nodes_that_are_two_stay_two() -> None:
    g = GraphBuilder()
    x = g.input("x", TensorType("float32", (2,)), "constant")
    op = Map(formula("tanh(a)"))
    first, second = (Node(op, (x,), op.infer([x.type])) for _ in range(2))
    graph = g.graph("twice", {"a": first.value(), "b": second.value()})
    assert len(parse(show(graph)).nodes) == len(graph.nodes) == 3
    assert same(parse(show(graph)), graph)
