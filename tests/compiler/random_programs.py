"""Random programs: graphs over gathered data, parameters and numbers of the step, with updates as in training."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from random_graphs import STEPS, key_or_none

from netspec.compiler.formula.parse import parse
from netspec.compiler.graph import Graph, GraphBuilder, Op, Origin, Value
from netspec.compiler.ops.broadcast import Broadcast
from netspec.compiler.ops.cast import Cast
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.gather import Gather
from netspec.compiler.ops.iota import Iota
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.pad import Pad
from netspec.compiler.ops.random import Random
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.slice import Slice
from netspec.compiler.ops.transpose import Transpose
from netspec.tensortype import BATCH, TensorType, bind, size

ROWS_OF_DATA = 40
LARGEST = 6000
"""Elements that a value may have."""

Step = tuple[Op, tuple[Value, ...]]

TABLES: dict[str, TensorType] = {
    "pixels": TensorType("uint8", (size("N"), 5)),
    "reals": TensorType("float32", (size("N"), 17)),
    "cubes": TensorType("float32", (size("N"), 3, 5)),
    "labels": TensorType("int32", (size("N"),)),
    "number": TensorType("float32", (size("N"), 1)),
}
PARAMETERS: dict[str, tuple[int, ...]] = {
    "w": (5, 17), "u": (17, 5), "square": (5, 5), "thin": (5, 1), "flat": (1, 5), "bias": (5,), "wide": (17,),
    "depth": (3, 5), "each": (3, 1), "cube": (2, 3, 5), "single": (1,), "scalar": (),
}  # fmt: skip
MAPS = {
    2: ("a * b", "a * tanh(b) + 0.1 * a", "where(a > b, a - b, 0)", "a - b, a + b"),
    3: ("a * b + c", "a, b + c", "m = 0.9 * a + 0.1 * b; a - 0.1 * m / (1 + abs(c)), m"),
}


@st.composite
def programs(draw: st.DrawFn, largest: int = 9) -> Graph:
    """A program of up to ``largest`` ops, some of whose results replace parameters."""
    g = GraphBuilder()
    index = g.input("index", TensorType("int64", (BATCH,)), "index")
    values: list[Value] = []
    for key in draw(st.lists(st.sampled_from(sorted(TABLES)), min_size=1, max_size=3, unique=True)):
        taken = g.add(Gather(), g.input(key, TABLES[key], "stored"), index)
        values.append(taken if taken.type.dtype == "float32" else g.add(Cast("float32"), taken))
    names = draw(st.lists(st.sampled_from(sorted(PARAMETERS)), min_size=2, max_size=5, unique=True))
    parameters = [g.input(key, TensorType("float32", PARAMETERS[key]), "parameter") for key in names]
    number = TensorType("float32", ())
    numbers = [g.input(key, number, "step") for key in ("hi", "lo", "step")]
    values += [*parameters, g.input("rate", number, "step"), g.input("ring", TensorType("float32", (5,)), "constant")]
    for i in range(draw(st.integers(largest // 2, largest))):
        g.origin = Origin(f"layer_{i}", i)
        kind = draw(st.sampled_from(KINDS))
        step = _random(draw, numbers) if kind is None else kind(draw, values)
        if step is not None:
            made = g.node(step[0], *step[1])
            if all(0 < bind(t.elements, {"B": 33}) <= LARGEST for t in made.types):
                values += made.values
    return g.graph("program", _outputs(draw, g, values, parameters))


def _outputs(draw: st.DrawFn, g: GraphBuilder, values: list[Value], parameters: list[Value]) -> list[tuple[str, Value]]:
    outputs: list[tuple[str, Value]] = []
    for parameter in draw(st.lists(st.sampled_from(parameters), max_size=3, unique=True)):
        same = [v for v in values if v.type == parameter.type and v not in parameters]
        fitting = [v for v in values if v.type.shape == parameter.type.shape]
        change = draw(st.sampled_from(fitting))
        new = draw(st.sampled_from([apply(g, "p - 0.1 * d", p=parameter, d=change), *same[-2:], *fitting[-1:]]))
        outputs.append((str(key_or_none(parameter)), new))
    chosen = draw(st.lists(st.sampled_from(values[-7:]), min_size=1, max_size=4))
    outputs += [(f"out_{i}", value) for i, value in enumerate(chosen)]
    return draw(st.permutations(outputs))


def arrays(seed: int) -> dict[str, NDArray[Any]]:
    """Values for every input that a program may have; an index of 33 rows."""
    rng = np.random.default_rng(seed)
    made: dict[str, NDArray[Any]] = {"index": rng.integers(0, ROWS_OF_DATA, 33)}
    for key, type_ in TABLES.items():
        shape = type_.bind({"N": ROWS_OF_DATA}).shape
        whole = rng.integers(0, 5, shape)
        made[key] = rng.uniform(-2, 2, shape).astype(np.float32) if type_.dtype == "float32" else whole
    for key, shape in PARAMETERS.items():
        made[key] = rng.uniform(-1, 1, shape).astype(np.float32)
    numbers = {"rate": 0.25, "hi": 1234567, "lo": 7654321, "step": 3}
    made |= {key: np.array(value, np.float32) for key, value in numbers.items()}
    return made | {"ring": rng.uniform(-1, 1, 5).astype(np.float32)}


def _some(draw: st.DrawFn, values: list[Value]) -> Value:
    return draw(st.sampled_from([*values[-4:], *values]))


def _random(draw: st.DrawFn, numbers: list[Value]) -> Step:
    shape = draw(st.sampled_from([(BATCH, 5), (BATCH, 17), (BATCH, 1), (BATCH,), (BATCH, 3, 5), (17,), ()]))
    return Random(draw(st.sampled_from(["uniform", "normal"])), shape), tuple(numbers)


def _product(draw: st.DrawFn, values: list[Value]) -> Step | None:
    matrices = [v for v in values if v.type.rank == 2]
    if not matrices:
        return None
    a = _some(draw, matrices)
    ta, tb = draw(st.booleans()), draw(st.booleans())
    inner = a.type.shape[0 if ta else 1]
    fitting = [b for b in matrices if b.type.shape[1 if tb else 0] == inner]
    return (Contract(ta, tb), (a, _some(draw, fitting))) if fitting else None


def _combine(draw: st.DrawFn, values: list[Value]) -> Step:
    first = _some(draw, values)
    inputs = [first]
    count = draw(st.sampled_from([2, 2, 3]))
    while len(inputs) < count:
        inputs.append(_some(draw, [v for v in values if _sees(v.type.shape, first.type.shape)]))
    return Map(parse(draw(st.sampled_from(MAPS[count])), tuple("abc"[:count]))), tuple(draw(st.permutations(inputs)))


def _sees(small: tuple[Any, ...], shape: tuple[Any, ...]) -> bool:
    pairs = zip(reversed(small), reversed(shape), strict=False)
    return len(small) <= len(shape) and all(m in (n, 1) for m, n in pairs)


def _shape(draw: st.DrawFn, values: list[Value]) -> Step:
    x = _some(draw, values)
    shape, ops = x.type.shape, list[Op]()
    axes = list(range(len(shape)))
    ops.append(Transpose(tuple(draw(st.permutations(axes)))))
    if axes:
        axis = draw(st.sampled_from(axes))
        ops += [Pad(axis, *draw(st.sampled_from([(0, 1), (2, 0), (1, 17)])))]
        ops += [Reduce(draw(st.sampled_from(["sum", "max"])), (axis,), draw(st.booleans()))]
        if isinstance(shape[axis], int) and shape[axis] > 1:
            ops.append(Slice(axis, *draw(st.sampled_from([(0, 1), (1, shape[axis])]))))
    if len(shape) > 1:
        ops.append(Reshape((shape[0] * shape[1], *shape[2:])))
        ops.append(Reshape((shape[0], *reversed(shape[1:]))))
        ops.append(Iota(shape, len(shape) - 1))
    if shape == (BATCH, 15):
        ops.append(Reshape((BATCH, 3, 5)))
    ops.append(Broadcast((3, *shape) if len(shape) < 2 and BATCH not in shape else shape))
    op = draw(st.sampled_from(ops))
    return op, () if isinstance(op, Iota) else (x,)


KINDS = [_product, _product, _combine, _combine, _combine, _shape, _shape, None, *STEPS]
