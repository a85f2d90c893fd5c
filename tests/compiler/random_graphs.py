"""Random well-typed graphs of primitive ops, and inputs for them; every op on the way is continuous."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from netspec.compiler.autodiff import gradients
from netspec.compiler.formula.parse import parse
from netspec.compiler.graph import Graph, GraphBuilder, Input, Op, Origin, Value, key_of
from netspec.compiler.graph.interpreter import numpy_dtype
from netspec.compiler.ops.broadcast import Broadcast
from netspec.compiler.ops.cast import Cast
from netspec.compiler.ops.concat import Concat
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.extent import Extent
from netspec.compiler.ops.gather import Gather
from netspec.compiler.ops.iota import Iota
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.pad import Pad
from netspec.compiler.ops.random import Random
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.slice import Slice
from netspec.compiler.ops.stop_gradient import StopGradient
from netspec.compiler.ops.transpose import Transpose
from netspec.tensortype import BATCH, TensorType, bind, broadcast, size

SIZES = {"B": 17, "N": 23}
LARGEST = 2000
"""Elements that a value may have."""

INPUTS: dict[str, TensorType] = {
    "table": TensorType("uint8", (size("N"), 5)),
    "index": TensorType("int64", (BATCH,)),
    "wide": TensorType("float32", (BATCH, 5)),
    "narrow": TensorType("float32", (BATCH, 1)),
    "row": TensorType("float32", (5,)),
    "matrix": TensorType("float32", (5, 5)),
    "other": TensorType("float32", (5, 3)),
    "cube": TensorType("float32", (BATCH, 2, 5)),
    "scalar": TensorType("float32", ()),
}

FORMULAS = {
    0: ("0.5", "2"),
    1: (
        "tanh(a)", "max(a, 0)", "-a", "a * 0.5 + 1", "1 / (1 + a * a)", "a", "sigmoid(a) * a", "a + column()", "abs(a)",
        "t = tanh(a); t, 1 - t * t", "a, -a", "sqrt(1 + a * a)",
    ),
    2: (
        "a + b", "a * tanh(b)", "max(a, b)", "where(a > b, a - b, 0)", "b", "a - b, a",
        "m = 0.9 * a + 0.1 * b; tanh(m), m", "a / (2 + abs(b))", "where(column() < 2, a, b)",
    ),
    3: ("a + b * tanh(c)", "a, b, c", "max(min(a, b), c)", "exp(-abs(a)) * b - c"),
}  # fmt: skip


@st.composite
def graphs(draw: st.DrawFn, largest: int = 12) -> Graph:
    """A graph of up to ``largest`` ops over `INPUTS`."""
    g = GraphBuilder()
    roles = {"table": "stored", "index": "index"}
    values = [g.input(key, type_, roles.get(key, "constant")) for key, type_ in INPUTS.items()]  # type: ignore[arg-type]
    values.append(g.add(Gather(), values[0], values[1]))
    values = [value for value in values if value.type.dtype != "int64" and key_or_none(value) != "table"]
    for i in range(draw(st.integers(largest // 2, largest))):
        g.origin = Origin(f"layer_{i}", i)
        step = draw(st.sampled_from(STEPS))(draw, values)
        if step is not None:
            made = g.node(step[0], *step[1])
            if bind(made.types[0].elements, SIZES) <= LARGEST:
                values += made.values
    chosen = draw(st.lists(st.sampled_from(values[-8:]), min_size=2, max_size=5, unique=True))
    return g.graph("random", [(f"out_{i}", value) for i, value in enumerate(chosen)])


def loss_of(graph: Graph) -> tuple[GraphBuilder, Value, list[Value]]:
    """A builder that holds ``graph`` without its stops, the sum of its outputs (squashed), what it depends on."""
    g = GraphBuilder()
    new: dict[Value, Value] = {}
    for node in graph.nodes:
        if isinstance(node.op, Input):
            new[node.value()] = g.input(node.op.key, node.op.type, node.op.role)
        elif isinstance(node.op, StopGradient):
            new[node.value()] = new[node.inputs[0]]
        else:
            g.origin = node.origin
            new.update(zip(node.values, g.node(node.op, *(new[v] for v in node.inputs)).values, strict=True))
    terms = [total(g, apply(g, "tanh(a / 8)", a=new[value])) for _, value in graph.outputs]
    loss = terms[0]
    for term in terms[1:]:
        loss = apply(g, "a + b", a=loss, b=term)
    return g, loss, [new[value] for value in graph.inputs if value.type.dtype == "float32"]


def total(g: GraphBuilder, value: Value) -> Value:
    """The sum of all elements."""
    return g.add(Reduce("sum", tuple(range(value.type.rank))), value)


def with_gradients(graph: Graph) -> Graph:
    """``graph``, the loss made of it, and the gradients of that."""
    g, loss, wanted = loss_of(graph)
    found = zip(wanted, gradients(g, loss, wanted), strict=True)
    return g.graph("random", {"loss": loss} | {f"d {key_of(value)}": ct for value, ct in found if ct is not None})


def key_or_none(value: Value) -> str | None:
    """The key of an input, None for what is computed."""
    return key_of(value) if value.node.op.name == "input" else None


def arrays(seed: int) -> dict[str, np.ndarray[Any, Any]]:
    """Values for `INPUTS`."""
    rng = np.random.default_rng(seed)
    made: dict[str, np.ndarray[Any, Any]] = {}
    for key, type_ in INPUTS.items():
        shape = type_.bind(SIZES).shape
        whole = rng.integers(0, 17, shape).astype(numpy_dtype(type_, np.float64))
        if not shape:  # the key of draws, which a small step must not change
            made[key] = np.asarray(3.5)
            continue
        made[key] = rng.uniform(-2, 2, shape) if type_.dtype == "float32" else whole
    return made


def _pick(draw: st.DrawFn, values: list[Value]) -> Value:
    """Mostly one of the latest, so that graphs grow deep."""
    return draw(st.sampled_from([*values[-3:] * (1 + len(values) // 3), *values]))


Step = tuple[Op, tuple[Value, ...]]


def _map(draw: st.DrawFn, values: list[Value]) -> Step | None:
    first = _pick(draw, values)
    inputs = [first]
    for _ in range(draw(st.integers(0, 2))):
        shape = broadcast(*(value.type.shape for value in inputs))
        fitting = [value for value in values if _fits(value.type.shape, shape)]
        inputs.append(_pick(draw, fitting))
    count = draw(st.sampled_from([0, *[len(inputs)] * 4]))
    text = draw(st.sampled_from(FORMULAS[count]))
    if "column" in text and not broadcast(*(value.type.shape for value in inputs)):
        return None
    return Map(parse(text, tuple("abc"[:count]))), tuple(inputs[:count])


def _fits(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
    return all(m == n or 1 in (m, n) for m, n in zip(reversed(a), reversed(b), strict=False))


def _reduce(draw: st.DrawFn, values: list[Value]) -> Step:
    x = _pick(draw, values)
    axes = draw(st.sets(st.integers(0, x.type.rank - 1))) if x.type.rank else set()
    kind = draw(st.sampled_from(["sum", "max", "min"]))
    return Reduce(kind, tuple(sorted(axes)), draw(st.booleans())), (x,)


def _contract(draw: st.DrawFn, values: list[Value]) -> Step | None:
    ta, tb = draw(st.booleans()), draw(st.booleans())
    pairs = [
        (a, b)
        for a in values
        for b in values
        if a.type.rank == b.type.rank == 2 and a.type.shape[0 if ta else 1] == b.type.shape[1 if tb else 0]
    ]
    return (Contract(ta, tb), draw(st.sampled_from(pairs))) if pairs else None


def _move(draw: st.DrawFn, values: list[Value]) -> Step | None:
    x = _pick(draw, values)
    shape = x.type.shape
    kinds: list[Op] = [
        Broadcast(shape), Broadcast((2, *shape)), Reshape(shape), Reshape((1, *shape)), StopGradient(), Cast("float32"),
        Transpose(tuple(reversed(range(len(shape))))),
    ]  # fmt: skip
    if x.type.rank:
        last = len(shape) - 1
        kinds += [Reshape((x.type.elements,)), Pad(last, 0, 0), Pad(last, 1, 2), Slice(last, 0, shape[last])]
        kinds += [Iota(shape, last), Extent(shape[0]), *[Slice(last, 1, shape[last])] * (shape[last] != 1)]
    op = draw(st.sampled_from(kinds))
    return op, () if isinstance(op, Iota | Extent) else (x,)


def _draw_numbers(draw: st.DrawFn, values: list[Value]) -> Step:
    x = draw(st.sampled_from(values))
    scalar = next(value for value in values if value.type.shape == ())
    if draw(st.booleans()):
        return Random(draw(st.sampled_from(["uniform", "normal"])), x.type.shape), (scalar,) * 3
    return Map(parse("a + uniform(7, 8, 9)", ("a",))), (x,)


def _concat(draw: st.DrawFn, values: list[Value]) -> Step | None:
    x = _pick(draw, [value for value in values if value.type.rank])
    like = (x.type.rank, x.type.dtype, x.type.shape[:-1])
    same = [value for value in values if (value.type.rank, value.type.dtype, value.type.shape[:-1]) == like]
    return Concat(x.type.rank - 1), (x, _pick(draw, same))


STEPS = [_map, _map, _map, _map, _map, _reduce, _reduce, _contract, _contract, _move, _move, _concat, _draw_numbers]
