"""A linked program: outputs of every kind, steps, sizes; a golden list of what a network's step has become."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pytest
from compiled import Compiled, assert_close, assert_same_bits, steps_of
from numpy.typing import NDArray
from small_networks import mlp_step

from netspec.compiler.codegen.executable import Executable, Linked, prepare
from netspec.compiler.codegen.memory import Store
from netspec.compiler.codegen.schedule import Schedule
from netspec.compiler.graph import Graph, GraphBuilder, Value, key_of
from netspec.compiler.graph.lowering import Access, Call, Scratch
from netspec.compiler.graph.printer import show
from netspec.compiler.kernels.processor import Tile
from netspec.compiler.ops.broadcast import Broadcast
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.conv import Conv
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.extent import Extent
from netspec.compiler.ops.gather import Gather
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.windows import Window
from netspec.compiler.passes import optimize
from netspec.tensortype import BATCH, TensorType, known, size

N = 40
SCALAR = TensorType("float32", ())
EXTREMES: tuple[Literal["max"], Literal["min"]] = ("max", "min")
DIGITS = [64, 32, 10]


def network(widths: list[int], seed: int = 0) -> tuple[Graph, dict[str, NDArray[Any]]]:
    """A classifier's step and values for its inputs."""
    graph, rng = mlp_step(widths), np.random.default_rng(seed)
    given: dict[str, NDArray[Any]] = {}
    for value in graph.inputs:
        shape = value.type.bind({"N": N, "B": 17}).shape
        real = value.type.dtype == "float32"
        given[key_of(value)] = rng.normal(size=shape) * 0.3 if real else rng.integers(0, widths[-1], shape)
    return graph, given | {"lr": np.array(0.1)}


@pytest.mark.parametrize("batch", [1, 5, 16, 17])
def test_steps_of_a_network_equal_the_interpreter(batch: int) -> None:
    graph, given = network([12, 9, 7, 5])
    given["index"] = given["index"][:batch]
    made = Compiled(graph)
    found = made.run(given, batch, steps=3)
    expected = steps_of(graph, given, 3, {"B": batch, "N": N})
    for key, array in expected.items():
        assert_close({key: found[key]}, {key: array}, 1e-4)
    for threads in (2, 3):
        assert_same_bits(made.run(given, batch, threads=threads, steps=3), found)


def test_what_is_carried_follows_the_updated_parameter() -> None:
    graph, given = network([12, 9, 5])
    found = Compiled(graph).run(given, 17, steps=2)
    assert np.array_equal(found["dense_2.kernel.T"], found["dense_2.kernel"].T)


def test_scores_of_many_words_are_trained_strip_by_strip() -> None:
    graph, given = network([12, 9, 4111])
    given["index"] %= N
    made = Compiled(graph)
    (strips,) = [each for phase in made.executable.schedule.rounds() for each in phase if each.columns]
    assert [call.kernel.name.partition("_")[0] for call in strips.calls] == ["contract", "fold", "transpose"]  # type: ignore[union-attr]
    found = made.run(given, 17, steps=2)
    for key, array in steps_of(graph, given, 2, {"B": 17, "N": N}).items():
        assert_close({key: found[key]}, {key: array}, 1e-4)
    assert np.array_equal(found["dense_2.kernel.T"], found["dense_2.kernel"].T)
    for threads in (2, 3):
        assert_same_bits(made.run(given, 17, threads=threads, steps=2), found)


def _batch(g: GraphBuilder) -> Value:
    index = g.input("index", TensorType("int64", (BATCH,)), "index")
    return g.add(Gather(), g.input("x", TensorType("float32", (size("N"), 5)), "stored"), index)


def test_outputs_of_every_kind() -> None:
    g = GraphBuilder()
    x = _batch(g)
    w, rate = g.input("w", TensorType("float32", (5,)), "parameter"), g.input("rate", SCALAR, "step")
    total = g.add(Reduce("sum", (0, 1)), x)
    outputs = {
        "data": x,
        "scalar": total,
        "again": total,
        "matrix": g.add(Reshape((1, 1)), total),
        "given": rate,
        "size": g.add(Extent(BATCH)),
        "old": w,
        "w": apply(g, "w + r", w=w, r=rate),
        "row": g.add(Broadcast((BATCH, 5)), w),
        "single": g.add(Reshape(()), g.add(Contract(True), *(g.add(Reduce(k, (1,), True), x) for k in EXTREMES))),
    }
    graph, rng = g.graph("kinds", outputs), np.random.default_rng(1)
    given = {"x": rng.normal(size=(N, 5)).astype(np.float32), "index": np.arange(17), "w": np.ones(5), "rate": 0.5}
    arrays = {key: np.asarray(value) for key, value in given.items()}
    found = Compiled(graph).run(arrays, 17)
    assert_close(found, steps_of(graph, arrays, 1, {}))
    assert found["size"] == 17
    assert found["old"].tolist() == [1] * 5


def test_a_run_is_of_as_many_steps_as_there_is_room_for() -> None:
    graph, given = network([12, 9, 5])
    made = Compiled(graph)
    _, linked = made.link(given, 17, 1, 2)
    with pytest.raises(ValueError, match="between 1 and 2 steps"):
        linked.run(None, 3)  # type: ignore[arg-type]  # refused before the crew is needed


def test_memory_is_known_before_anything_runs() -> None:
    made = prepared()
    assert made.peak_bytes({"B": 64}, 2) > made.persistent_bytes() + made.arena(
        {"B": 64}, 2
    ).bytes + 2 * made.scratch_bytes({"B": 64})
    weights = sum(4 * m * n for m, n in pairwise(DIGITS))
    assert made.persistent_bytes() >= 2 * weights


def test_calls_agree_where_the_scratch_memory_of_a_thread_begins() -> None:
    """Between two barriers threads are in different calls, which must not work in one another's memory."""
    made, places, needs = prepare(optimize(two_convolutions(), 8), Tile(8, 2)), set[tuple[int, int]](), set[int]()

    def noting(call: Call) -> Call:
        def pack(**words: Any) -> Sequence[int]:
            for key, argument in call.arguments.items():
                if isinstance(argument, Scratch):
                    places.add(tuple(words[key]))
                    needs.add(argument.bytes)
            return call.pack(**words)

        return replace(call, pack=pack)

    phases = tuple(tuple(map(noting, phase)) for phase in made.schedule.phases)
    stored = {"x": np.zeros((N, 12, 12, 3), np.float32)}
    store = Store()
    for buffer in made.lowered.buffers:
        if buffer.place == "persistent":
            store.put(buffer, np.zeros([known(n) for n in buffer.type.shape], np.float32))
    noted = Executable(made.lowered, Schedule(phases))
    Linked(noted, dict.fromkeys(made.kernels, 0), store, stored, sizes={"B": 8}, capacity=1, threads=3)
    ((_, distance),) = places
    assert len(needs) > 1
    assert distance >= max(needs)


def two_convolutions() -> Graph:
    """Each works in scratch memory of another size."""
    g = GraphBuilder()
    index = g.input("index", TensorType("int64", (BATCH,)), "index")
    x = g.add(Gather(), g.input("x", TensorType("float32", (size("N"), 12, 12, 3)), "stored"), index)
    for name, ins, outs in (("wide", 3, 20), ("narrow", 20, 4)):
        kernel = g.input(name, TensorType("float32", (3, 3, ins, outs)), "parameter")
        x = g.add(Conv((Window(3), Window(3))), x, kernel)
    return g.graph("two-convolutions", {"y": x})


def test_the_step_of_a_small_network_is_what_it_was(golden: Callable[[str, str], None]) -> None:
    golden("digits_step.txt", show(prepared().lowered.graph))
    golden("digits_schedule.txt", _schedule(prepared()))


def prepared() -> Executable:
    return prepare(optimize(mlp_step(DIGITS), 32), Tile(8, 2))


def _schedule(made: Executable) -> str:
    """Phases, calls, and what each touches."""

    def touch(access: Access) -> str:
        split = "" if access.split is None else f" by {access.split.axis} {access.split.extent}"
        return f"{access.buffer.name}{split}"

    lines: list[str] = []
    for phase in made.schedule.phases:
        for call in phase:
            lines.append(call.kernel.name)
            lines += [f"  reads {touch(access)}" for access in call.reads]
            lines += [f"  writes {touch(access)}" for access in call.writes]
        lines.append("barrier")
    return "\n".join(lines) + "\n"
