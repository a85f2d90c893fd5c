"""Places of a batch that name no row of a table: numbers below 0."""

from __future__ import annotations

import numpy as np
import pytest
from compiled import Compiled, assert_close, assert_same_bits, steps_of

from netspec.compiler.formula.parse import parse
from netspec.compiler.graph import Graph, GraphBuilder, Op
from netspec.compiler.graph.interpreter import interpret
from netspec.compiler.ops.contract_rows import ContractRows, MixRows
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.gather import Gather
from netspec.compiler.ops.lengths import Lengths
from netspec.compiler.ops.lookup import Lookup
from netspec.compiler.ops.mask_numbers import MaskNumbers
from netspec.compiler.ops.merge_rows import MergeRows
from netspec.compiler.ops.over_steps import OverSteps
from netspec.compiler.ops.reduce_steps import ReduceSteps
from netspec.compiler.ops.scatter_add import ScatterAdd
from netspec.compiler.ops.steps import Steps
from netspec.compiler.ops.transpose import Transpose
from netspec.compiler.ops.update_rows import UpdateRows
from netspec.tensortype import BATCH, COLUMNS, TensorType, size

VALUES, COLUMNS_OF_TABLE, ROWS_OF_DATA = 9, 21, 50
SHAPES = {"index": (3,), "x": (3, COLUMNS_OF_TABLE), "row": (COLUMNS_OF_TABLE,), "factor": (3,)}
OPS: list[tuple[Op, list[str]]] = [
    (Lookup(), ["table", "index"]),
    (ScatterAdd(VALUES), ["index", "x"]),
    (ScatterAdd(VALUES, outer=True), ["index", "row", "factor"]),
    (MergeRows(VALUES), ["index", "x"]),
    (MergeRows(VALUES, outer=True), ["index", "row", "factor"]),
    (ContractRows(), ["row", "table", "index"]),
    (MixRows(), ["factor", "table", "index"]),
    (UpdateRows(parse("p - g", ("p", "g"))), ["index", "x", "table"]),
    (UpdateRows(parse("p - g", ("p", "g")), outer=True), ["index", "row", "factor", "table"]),
]


def held(rng: np.random.Generator) -> dict[str, np.ndarray]:
    arrays = {name: rng.normal(size=(ROWS_OF_DATA, *shape)) for name, shape in SHAPES.items()}
    arrays["index"] = rng.integers(-3, VALUES, arrays["index"].shape)
    return {**arrays, "rows": np.arange(33), "table": rng.normal(size=(VALUES, COLUMNS_OF_TABLE))}


def graph_of(op: Op, names: list[str]) -> Graph:
    g = GraphBuilder()
    rows = g.input("rows", TensorType("int64", (BATCH,)), "index")
    values = {"table": g.input("table", TensorType("float32", (VALUES, COLUMNS_OF_TABLE)), "parameter")}
    for name, shape in SHAPES.items():
        stored = TensorType("int32" if name == "index" else "float32", (size("N"), *shape))
        values[name] = g.add(Gather(), g.input(name, stored, "stored"), rows)
    return g.graph("sample", {"y": g.add(op, *(values[name] for name in names))})


@pytest.mark.parametrize(("op", "names"), OPS, ids=str)
def test_numbers_below_0_name_no_row(op: Op, names: list[str]) -> None:
    arrays, compiled = held(np.random.default_rng(1)), Compiled(graph_of(op, names))
    read = {key for value in compiled.graph.inputs if (key := value.node.op.key)}  # type: ignore[attr-defined]
    for batch in (1, 33):
        given = {key: arrays[key] for key in read} | {"rows": arrays["rows"][:batch]}
        found = compiled.run(given, batch)
        assert_close(found, interpret(compiled.graph, given, np.float64, {"B": batch, "N": ROWS_OF_DATA}))
        assert_same_bits(compiled.run(given, batch, threads=3), found)


def test_columns_that_are_looked_up_lie_in_one_piece() -> None:
    """And are updated in place, step after step, as the interpreter does it."""
    g = GraphBuilder()
    rows = g.input("rows", TensorType("int64", (BATCH,)), "index")
    kernel = g.input("kernel", TensorType("float32", (COLUMNS_OF_TABLE, VALUES)), "parameter")
    state = g.input("state", kernel.type, "state")
    index = g.add(Gather(), g.input("index", TensorType("int32", (size("N"), 3)), "stored"), rows)
    turned = [g.add(Transpose((1, 0)), value) for value in (kernel, state)]
    formula = parse("w = 0.5 * v + 0.1 * g; p - w, w", ("p", "g", "v"))
    new = g.node(UpdateRows(formula), index, g.add(Lookup(), turned[0], index), *turned).values
    outputs = {key: g.add(Transpose((1, 0)), value) for key, value in zip(("kernel", "state"), new, strict=True)}
    graph = g.graph("step", outputs)
    compiled = Compiled(graph)
    assert {v.type.layout for v in compiled.optimized.inputs_of("parameter", "state")} == {COLUMNS}
    arrays = held(np.random.default_rng(2))
    given = {key: arrays[key] for key in ("rows", "index")} | {"kernel": arrays["table"].T, "state": arrays["table"].T}
    found = compiled.run(given, 33, steps=3)
    assert_close(found, steps_of(graph, given, 3, {"B": 33, "N": ROWS_OF_DATA}))
    assert_same_bits(compiled.run(given, 33, threads=3, steps=3), found)


@pytest.mark.parametrize("where", ["every", "below"])
def test_no_vector_is_written_at_each_step(where: str) -> None:
    """A sum of looked-up rows over steps, and the update by its gradient."""
    steps = 5
    g = GraphBuilder()
    rows = g.input("rows", TensorType("int64", (BATCH,)), "index")
    table = g.input("table", TensorType("float32", (VALUES, COLUMNS_OF_TABLE)), "parameter")
    numbers = g.input("numbers", TensorType("int32", (size("M"),)), "stored")
    starts, lengths = (
        g.input(name, TensorType(dtype, (size("N"),)), "stored")
        for name, dtype in (("starts", "int64"), ("lengths", "int32"))
    )
    index = g.add(Steps(steps), numbers, starts, lengths, rows)
    count = g.add(Lengths(), lengths, rows)
    some = apply(g, "where(n > 0, 1, 0)", n=count)
    limits = [count] if where == "below" else []
    if limits:
        index = g.add(MaskNumbers(), index, g.add(OverSteps(steps, "below"), some, count))
    total = g.node(ReduceSteps("sum", steps, BATCH), g.add(Lookup(), table, index), *limits).value()
    ct = g.add(OverSteps(steps, where), apply(g, "0.1 * tanh(s)", s=total), *limits)  # type: ignore[arg-type]
    (new,) = g.node(UpdateRows(parse("p - g", ("p", "g"))), index, ct, table).values
    compiled = Compiled(g.graph("step", {"table": new}))
    kinds = {node.op.name for node in compiled.optimized.nodes}
    assert "sum_rows" in kinds
    assert "lookup" not in kinds
    rng = np.random.default_rng(3)
    given = {
        "rows": np.arange(33),
        "numbers": rng.integers(0, VALUES, 300),
        "starts": rng.integers(0, 290, ROWS_OF_DATA),
        "lengths": rng.integers(0, steps + 1, ROWS_OF_DATA),
        "table": rng.normal(size=(VALUES, COLUMNS_OF_TABLE)),
    }
    found = compiled.run(given, 33, steps=2)
    assert_close(found, steps_of(compiled.graph, given, 2, {"B": 33, "N": ROWS_OF_DATA, "M": 300}))
    assert_same_bits(compiled.run(given, 33, threads=3, steps=2), found)
