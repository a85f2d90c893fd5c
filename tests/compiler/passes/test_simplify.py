"""Each rule of the simplifier on the graph it is for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from netspec.compiler.formula.parse import parse
from netspec.compiler.graph import Graph, GraphBuilder, Value
from netspec.compiler.graph.arithmetic import constant
from netspec.compiler.graph.printer import show
from netspec.compiler.graph.verify import verify
from netspec.compiler.ops.broadcast import Broadcast
from netspec.compiler.ops.cast import Cast
from netspec.compiler.ops.expressions import apply, apply_all
from netspec.compiler.ops.extent import Extent
from netspec.compiler.ops.iota import Iota
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.pad import Pad
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.slice import Slice
from netspec.compiler.ops.stop_gradient import StopGradient
from netspec.compiler.ops.transpose import Transpose
from netspec.compiler.passes.fuse_maps import FuseMaps
from netspec.compiler.passes.simplify import Simplify
from netspec.tensortype import BATCH, TensorType

Build = Callable[[GraphBuilder, Value, Value], Value]
WIDE, ROW = TensorType("float32", (BATCH, 5)), TensorType("float32", (5,))


def _graph(build: Build) -> Graph:
    g = GraphBuilder()
    x, b = g.input("x", WIDE, "constant"), g.input("b", ROW, "constant")
    return g.graph("g", {"y": build(g, x, b)})


def _body(graph: Graph) -> list[str]:
    """The lines of what is computed."""
    verify(graph)
    lines = show(graph).splitlines()
    return [line.strip() for line in lines if " = " in line and "= input" not in line and "return" not in line]


def _exp(g: GraphBuilder, x: Value) -> Value:
    return apply(g, "exp(x)", x=x)


def _dear(g: GraphBuilder, x: Value) -> Value:
    return apply(g, "sqrt(x) + tanh(x)", x=x)


RULES: dict[str, tuple[Build, list[str]]] = {
    "constants go into the formula": (
        lambda g, x, b: apply(g, "x * c + d", x=x, c=constant(g, 2), d=constant(g, 1, (5,))),
        ["%2 = map {formula=`(x0) -> 2 * x0 + 1`} %0 : float32[B, 5]"],
    ),
    "a known extent is a constant": (
        lambda g, x, b: apply(g, "x / n", x=x, n=g.add(Extent(4))),
        ["%2 = map {formula=`(x0) -> 0.25 * x0`} %0 : float32[B, 5]"],
    ),
    "maps of constants are constants": (
        lambda g, x, b: apply(g, "c + d", c=constant(g, 2), d=constant(g, 1)),
        ["%2 = map {formula=`() -> 3`} : float32[]"],
    ),
    "an identity is dropped": (lambda g, x, b: apply(g, "a * 1", a=x), []),
    "an identity of several results is dropped": (lambda g, x, b: apply_all(g, "a + 1, a", a=x)[1], []),
    "an unread input is dropped": (
        lambda g, x, b: apply(g, "x + 0.5", x=x, b=b),
        ["%2 = map {formula=`(x0) -> x0 + 0.5`} %0 : float32[B, 5]"],
    ),
    "an unread input that gives the shape stays": (
        lambda g, x, b: apply(g, "b + 0.5", x=x, b=b),
        ["%2 = map {formula=`(x0, x1) -> x1 + 0.5`} %0, %1 : float32[B, 5]"],
    ),
    "one value is read once": (
        lambda g, x, b: apply(g, "p * q", p=x, q=x),
        ["%2 = map {formula=`(x0) -> x0 * x0`} %0 : float32[B, 5]"],
    ),
    "a broadcast is absorbed": (
        lambda g, x, b: apply(g, "x + b", x=x, b=g.add(Broadcast((BATCH, 5)), b)),
        ["%2 = map {formula=`(x0, x1) -> x0 + x1`} %0, %1 : float32[B, 5]"],
    ),
    "a broadcast sinks below a map": (
        lambda g, x, b: apply(g, "exp(b)", b=g.add(Broadcast((BATCH, 5)), b)),
        ["%2 = map {formula=`(x0) -> exp(x0)`} %1 : float32[5]", "%3 = broadcast {shape=[B, 5]} %2 : float32[B, 5]"],
    ),
    "the length of the last axis is a number": (
        lambda g, x, b: apply(g, "x + columns()", x=x),
        ["%2 = map {formula=`(x0) -> x0 + 5`} %0 : float32[B, 5]"],
    ),
    "the index along an axis of one is zero": (
        lambda g, x, b: apply(g, "exp(x) + i + column()", x=g.add(Slice(1, 0, 1), x), i=g.add(Iota((BATCH, 1), 1))),
        [
            "%2 = slice {axis=1, start=0, stop=1} %0 : float32[B, 1]",
            "%3 = map {formula=`(x0) -> exp(x0)`} %2 : float32[B, 1]",
        ],
    ),
    "a broadcast stays where places count": (
        lambda g, x, b: apply(g, "b + column()", b=g.add(Broadcast((BATCH, 5)), b)),
        [
            "%2 = broadcast {shape=[B, 5]} %1 : float32[B, 5]",
            "%3 = map {formula=`(x0) -> x0 + column()`} %2 : float32[B, 5]",
        ],
    ),
    "a reshape that adds axes in front is absorbed": (
        lambda g, x, b: apply(g, "x + b", x=x, b=g.add(Reshape((1, 5)), b)),
        ["%2 = map {formula=`(x0, x1) -> x0 + x1`} %0, %1 : float32[B, 5]"],
    ),
    "a reshape that drops axes stays where it gives the shape": (
        lambda g, x, b: apply(g, "exp(b)", b=g.add(Reshape((5,)), g.add(Reduce("sum", (0,), keepdims=True), x))),
        [
            '%2 = reduce {kind="sum", axes=[0], keepdims=true} %0 : float32[1, 5]',
            "%3 = reshape {shape=[5]} %2 : float32[5]",
            "%4 = map {formula=`(x0) -> exp(x0)`} %3 : float32[5]",
        ],
    ),
    "an index along the last axis is counted": (
        lambda g, x, b: apply(g, "x + i", x=x, i=g.add(Iota((BATCH, 5), 1))),
        ["%2 = map {formula=`(x0) -> x0 + column()`} %0 : float32[B, 5]"],
    ),
    "moves by nothing are dropped": (
        lambda g, x, b: g.add(
            Cast("float32"),
            g.add(Pad(1, 0, 0), g.add(Slice(1, 0, 5), g.add(StopGradient(), g.add(Reshape((BATCH, 5)), x)))),
        ),
        [],
    ),
    "pads that stand beside each other are pieces": (
        lambda g, x, b: apply(
            g,
            "p + q",
            p=apply(g, "p + q", p=g.add(Pad(1, 10, 0), x), q=g.add(Pad(1, 5, 5), apply(g, "exp(x)", x=x))),
            q=g.add(Pad(1, 0, 10), x),
        ),
        [
            "%2 = map {formula=`(x0) -> exp(x0)`} %0 : float32[B, 5]",
            "%3 = concat {axis=1} %0, %2, %0 : float32[B, 15]",
        ],
    ),
    "pads with something between them stay pads": (
        lambda g, x, b: apply(g, "p + q", p=g.add(Pad(1, 0, 6), x), q=g.add(Pad(1, 6, 0), x)),
        [
            "%2 = pad {axis=1, before=0, after=6} %0 : float32[B, 11]",
            "%3 = pad {axis=1, before=6, after=0} %0 : float32[B, 11]",
            "%4 = map {formula=`(x0, x1) -> x0 + x1`} %2, %3 : float32[B, 11]",
        ],
    ),
    "reshapes of reshapes are one": (
        lambda g, x, b: g.add(Reshape((5, BATCH)), g.add(Reshape((5 * BATCH,)), x)),
        ["%2 = reshape {shape=[5, B]} %0 : float32[5, B]"],
    ),
    "transposes cancel": (lambda g, x, b: g.add(Transpose((1, 0)), g.add(Transpose((1, 0)), x)), []),
    "sums over one element are reshapes": (
        lambda g, x, b: g.add(Reduce("sum", (1,)), g.add(Reshape((BATCH, 1, 5)), x)),
        [],
    ),
    "equal nodes become one": (
        lambda g, x, b: apply(g, "p - q", p=apply(g, "exp(a)", a=x), q=apply(g, "exp(z)", z=x)),
        [
            "%2 = map {formula=`(x0) -> exp(x0)`} %0 : float32[B, 5]",
            "%3 = map {formula=`(x0) -> x0 - x0`} %2 : float32[B, 5]",
        ],
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_a_rule(name: str) -> None:
    build, expected = RULES[name]
    assert _body(Simplify().run(_graph(build))) == expected


FUSIONS: dict[str, tuple[Build, list[str]]] = {
    "a chain is one map": (
        lambda g, x, b: apply(g, "tanh(a)", a=apply(g, "exp(a)", a=apply(g, "x + b", x=x, b=b))),
        ["%2 = map {formula=`(x0, x1) -> tanh(exp(x0 + x1))`} %0, %1 : float32[B, 5]"],
    ),
    "what is dear and read twice is stored": (
        lambda g, x, b: apply(g, "p + q", p=g.add(Reduce("sum", (0,)), _exp(g, x)), q=_exp(g, x)),
        [
            "%2 = map {formula=`(x0) -> exp(x0)`} %0 : float32[B, 5]",
            '%3 = reduce {kind="sum", axes=[0]} %2 : float32[5]',
            "%4 = map {formula=`(x0, x1) -> x0 + x1`} %3, %2 : float32[B, 5]",
        ],
    ),
    "two results of one map go into their reader": (
        lambda g, x, b: apply(g, "p * q", **dict(zip("pq", apply_all(g, "exp(a), 2 - exp(a)", a=x), strict=True))),
        ["%2 = map {formula=`(x0) -> t0 = exp(x0); t0 * (2 - t0)`} %0 : float32[B, 5]"],
    ),
    "a diamond is one map": (
        lambda g, x, b: apply(g, "p * q", p=_exp(g, _dear(g, x)), q=apply(g, "log(a)", a=_dear(g, x))),
        ["%2 = map {formula=`(x0) -> t0 = sqrt(x0) + tanh(x0); exp(t0) * log(t0)`} %0 : float32[B, 5]"],
    ),
    "a result that nobody reads is dropped": (
        lambda g, x, b: apply_all(g, "exp(a), tanh(a)", a=x)[1],
        ["%2 = map {formula=`(x0) -> tanh(x0)`} %0 : float32[B, 5]"],
    ),
    "a dear narrow map is not done again for every element": (
        lambda g, x, b: apply(g, "x + e", x=x, e=apply(g, "exp(b)", b=b)),
        [
            "%2 = map {formula=`(x0) -> exp(x0)`} %1 : float32[5]",
            "%3 = map {formula=`(x0, x1) -> x0 + x1`} %0, %2 : float32[B, 5]",
        ],
    ),
    "places of a narrow map stay its own": (
        lambda g, x, b: apply(g, "x + e", x=x, e=g.add(Map(parse("k + column()")), g.add(Reshape((5,)), b))),
        [
            "%2 = map {formula=`(x0) -> x0 + column()`} %1 : float32[5]",
            "%3 = map {formula=`(x0, x1) -> x0 + x1`} %0, %2 : float32[B, 5]",
        ],
    ),
}


@pytest.mark.parametrize("name", FUSIONS)
def test_a_fusion(name: str) -> None:
    build, expected = FUSIONS[name]
    assert _body(FuseMaps().run(Simplify().run(_graph(build)))) == expected


def test_a_result_that_is_an_output_is_stored() -> None:
    g = GraphBuilder()
    x = g.input("x", WIDE, "constant")
    e = apply(g, "x + 1", x=x)
    graph = FuseMaps().run(g.graph("g", {"e": e, "y": apply(g, "exp(e)", e=e)}))
    assert _body(graph)[1] == "%2 = map {formula=`(x0) -> exp(x0)`} %1 : float32[B, 5]"
