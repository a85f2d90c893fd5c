"""Every registered op, by its own samples: what its kernels compute is what its reference says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeGuard

import numpy as np
import pytest
from compiled import Compiled, assert_close, assert_same_bits

import netspec.compiler.passes
from netspec.compiler.graph import Graph, GraphBuilder, Op, Sample, UnsupportedError, Value
from netspec.compiler.graph.interpreter import interpret
from netspec.compiler.graph.parser import parse, same
from netspec.compiler.graph.printer import show
from netspec.compiler.graph.verify import verify
from netspec.compiler.ops import OPS
from netspec.compiler.ops.cast import Cast
from netspec.compiler.ops.gather import Gather
from netspec.compiler.ops.iota import Iota
from netspec.compiler.ops.pool import Pool
from netspec.compiler.ops.random import Random
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.rows import Rows
from netspec.compiler.ops.transpose import Transpose
from netspec.compiler.ops.windows import Window
from netspec.tensortype import BATCH, LANES, Dim, Size, TensorType, size

ROWS_OF_DATA = 40
assert netspec.compiler.passes  # which registers the ops that only passes make


def _batch_last(op: Op) -> bool:
    return isinstance(op, Iota) and BATCH in op.shape[: op.axis + 1][1:]


WITHOUT_KERNEL = {
    "cast to float64": lambda op: isinstance(op, Cast) and op.dtype == "float64",
    "cast to integers": lambda op: isinstance(op, Cast) and op.dtype.startswith("int"),
    "a count along the batch": _batch_last,
    "four axes of which no two stay neighbours": lambda op: isinstance(op, Transpose) and op.perm == (2, 0, 3, 1),
}
"""Samples that no kernel computes, by design: float32 is what is computed in, a row does not know its number."""


def _samples() -> Iterator[Any]:
    for name, op in sorted(OPS.items()):
        for i, sample in enumerate(op.samples()):
            yield pytest.param(sample, id=f"{name}-{i}")


def _reason(op: Op) -> str | None:
    return next((reason for reason, applies in WITHOUT_KERNEL.items() if applies(op)), None)


def _in_lanes(sample: Sample) -> tuple[bool, ...]:
    """Which inputs an op would rather have with samples in the lanes, where it has a choice."""
    rule = sample.op.lanes(sample.types, sample.op.infer(sample.types))
    return () if rule is None or rule.always else rule.inputs


SAMPLES_IN_LANES = [param for param in _samples() if any(_in_lanes(param.values[0]))]


@pytest.mark.parametrize("sample", SAMPLES_IN_LANES)
def test_kernels_equal_the_reference_in_lanes(sample: Sample) -> None:
    graph, arrays = build(sample, "in lanes")
    compiled = Compiled(graph)
    kept = next(node for node in compiled.optimized.nodes if node.op.name == sample.op.name)
    assert all(
        value.type.layout == LANES for value, wanted in zip(kept.inputs, _in_lanes(sample), strict=True) if wanted
    )
    rule = sample.op.lanes(sample.types, sample.op.infer(sample.types))
    assert rule is not None
    assert all((type_.layout == LANES) is rule.results for type_ in kept.types)
    for batch in (1, 17, 40):
        given = {**arrays, "index": arrays["index"][:batch]}
        expected = interpret(graph, given, np.float64, {"B": batch, "N": ROWS_OF_DATA})
        first = compiled.run(given, batch)
        assert_close(first, expected)
        assert_same_bits(compiled.run(given, batch, threads=3), first)


def _on_rows(sample: Sample) -> bool:
    """Whether an op that fills lanes with many samples works on few in rows."""
    rule = sample.op.lanes(sample.types, sample.op.infer(sample.types))
    return rule is not None and rule.rows is not None


@pytest.mark.parametrize("held", ["parameter", "gathered"])
@pytest.mark.parametrize("sample", [param for param in _samples() if _on_rows(param.values[0])])
def test_few_samples_have_the_bits_of_many(sample: Sample, held: str) -> None:
    graph, arrays = build(sample, held)
    few, many = Compiled(graph, few=True), Compiled(graph)
    assert all(value.type.layout != LANES for node in few.optimized.nodes for value in node.values)
    verify(few.optimized)
    assert same(parse(show(few.optimized)), few.optimized)
    everything = many.run({**arrays, "index": arrays["index"][:33]}, 33)
    for batch in (1, 5, 17):
        given = {**arrays, "index": arrays["index"][:batch]}
        found = few.run(given, batch)
        assert_close(found, interpret(graph, given, np.float64, {"B": batch, "N": ROWS_OF_DATA}))
        assert_same_bits(found, {key: array[:batch] for key, array in everything.items()})
        assert_same_bits(few.run(given, batch, threads=3), found)


@pytest.mark.parametrize("held", ["parameter", "gathered"])
@pytest.mark.parametrize("sample", list(_samples()))
def test_kernels_equal_the_reference(sample: Sample, held: str) -> None:
    graph, arrays = build(sample, held)
    if _reason(sample.op):
        if held == "parameter":
            pytest.skip("what is made of parameters alone may be carried, and needs no kernel then")
        with pytest.raises(UnsupportedError):
            Compiled(graph)
        return
    compiled = Compiled(graph)
    for batch in (17,) if held == "gathered" else (1, 16, 33):
        given = {**arrays, "index": arrays["index"][:batch]}
        expected = interpret(graph, given, np.float64, {"B": batch, "N": ROWS_OF_DATA})
        first = compiled.run(given, batch)
        assert_close(first, expected)
        assert_same_bits(compiled.run(given, batch, threads=2), first)


def build(sample: Sample, held: str) -> tuple[Graph, dict[str, Any]]:
    """A graph of the op alone; what has the batch in front is gathered from stored data, as float32 if that is read."""
    rng, g = np.random.default_rng(5), GraphBuilder()
    index = g.input("index", TensorType("int64", (BATCH,)), "index")
    arrays: dict[str, Any] = {"index": rng.integers(0, ROWS_OF_DATA, 64)}
    inputs: list[Value] = []
    for i, type_ in enumerate(sample.types):
        made = _input(g, sample, i, type_, index, held)
        if held == "in lanes" and _in_lanes(sample)[i]:
            made = g.add(Pool("max", (Window(1),) * (type_.rank - 2)), made)  # changes nothing, and works in lanes
        inputs.append(made)
    for value in g.graph("inputs", {}).inputs:
        op = value.node.op
        if op.key == "index":
            continue
        shape = op.type.bind({"N": ROWS_OF_DATA}).shape
        whole = op.type.dtype != "float32"
        made = rng.integers(0, sample.integers, shape) if whole else rng.uniform(sample.low, sample.high, shape)
        made = rng.integers(0, 1000, shape) if isinstance(sample.op, Random) else made
        arrays[op.key] = np.asarray(made, np.float32 if not whole else op.type.dtype)
    values = g.node(sample.op, *inputs).values
    shown = [v if v.type.dtype in ("float32", "float64") else g.add(Cast("float32"), v) for v in values]
    return g.graph("sample", [(f"y{i}", value) for i, value in enumerate(shown)]), arrays


def _input(g: GraphBuilder, sample: Sample, i: int, type_: TensorType, index: Value, held: str) -> Value:
    if type_ == index.type:
        return index
    if type_.shape[:1] == (size("N"),):
        return g.input(f"x{i}", type_, "stored")
    if isinstance(sample.op, Random):
        return g.input(f"x{i}", TensorType("float32", ()), "step")
    if not type_.rank or not _is_batch(type_.shape[0]):
        role = "parameter" if type_.dtype == "float32" and held == "parameter" else "constant"
        return g.input(f"x{i}", type_, role)
    assert not isinstance(sample.op, Rows | Gather) or type_.dtype == "float32"
    if type_.shape[0] == BATCH:
        table = g.input(f"x{i}", TensorType(type_.dtype, (size("N"), *type_.shape[1:])), "stored")
        return g.add(Gather(), table, index)
    (_, count), *_ = type_.shape[0].terms  # 3*B rows: those of [B, 3, ...]
    table = g.input(f"x{i}", TensorType(type_.dtype, (size("N"), count, *type_.shape[1:])), "stored")
    return g.add(Reshape(type_.shape), g.add(Gather(), table, index))


def _is_batch(dim: Dim) -> TypeGuard[Size]:
    return not isinstance(dim, int)
