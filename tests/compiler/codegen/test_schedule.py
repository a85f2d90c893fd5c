"""The scheduler and the arena on random programs: order, barriers, and bytes that are never claimed twice at once."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from random_programs import programs
from small_networks import mlp_step

from netspec.compiler.codegen.executable import Executable, prepare
from netspec.compiler.graph import Graph, GraphBuilder, Node, UnsupportedError, Value
from netspec.compiler.graph.lowering import Access, Call
from netspec.compiler.kernels.processor import Tile
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.expressions import apply
from netspec.compiler.passes import optimize
from netspec.tensortype import TensorType, bind, known

TILE = Tile(8, 2)
quick = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def prepared(graph: Graph) -> Executable:
    """The program of a graph, if all of it has kernels."""
    try:
        return prepare(optimize(graph, 32), TILE)
    except UnsupportedError:
        assume(False)
        raise


@quick
@given(graph=programs())
def test_every_call_comes_once_and_after_what_it_reads(graph: Graph) -> None:
    made = prepared(graph)
    calls = made.schedule.calls
    assert sorted(map(id, calls)) == sorted(map(id, made.lowered.calls))
    last = {call.node: i for i, call in enumerate(calls)}
    for i, call in enumerate(calls):
        for source in sources(call.node.inputs):
            assert source not in last or source is call.node or last[source] < i


@quick
@given(graph=programs())
def test_nobody_reads_a_parameter_after_its_update(graph: Graph) -> None:
    made = prepared(graph)
    order = made.schedule.calls
    after = made.lowered.graph
    for key, value in after.outputs:
        if key not in after.by_key or value == after.by_key[key]:
            continue
        old, buffer = after.by_key[key], made.lowered.outputs[key].memory
        written = [i for i, call in enumerate(order) if any(a.buffer is buffer for a in call.writes)]
        assert all(order[i].node is value.node for i in written)
        for i, call in enumerate(order):
            reads_old = any(a.buffer is buffer for a in call.reads) and old in behind(call.node.inputs)
            assert not reads_old or call.node is value.node or i < min(written)


@quick
@given(graph=programs())
def test_between_two_barriers_no_thread_is_in_anothers_way(graph: Graph) -> None:
    for phase in prepared(graph).schedule.phases:
        for one, other in combinations(phase, 2):
            assert not in_the_way(one, other)


@quick
@given(graph=programs())
@pytest.mark.parametrize("threads", [1, 2])
def test_buffers_alive_at_once_share_no_byte(threads: int, graph: Graph) -> None:
    made = prepared(graph)
    # Where all samples are one block, one of several threads runs whatever goes by samples: test_arena.py.
    for batch in (1, 17) if threads == 1 else (17, 33):
        plan = made.arena({"B": batch}, threads)
        alive = lifetimes(made, threads)
        assert alive.keys() == plan.offsets.keys()
        spans = {b: (plan.offsets[b], plan.offsets[b] + known(bind(b.bytes, {"B": batch})) + 64) for b in plan.offsets}
        for one, other in combinations(alive, 2):
            if alive[one][0] <= alive[other][1] and alive[other][0] <= alive[one][1]:
                assert spans[one][1] <= spans[other][0] or spans[other][1] <= spans[one][0]
        assert max((end for _, end in spans.values()), default=0) <= plan.bytes
        assert plan.bytes <= sum(end - start + 512 for start, end in spans.values())


def test_a_dense_network_meets_twice_a_step() -> None:
    assert len(mlp().schedule.phases) == 2  # activations by samples; then weights by tiles


def test_an_arena_is_smaller_than_all_its_buffers() -> None:
    made = mlp()
    one = made.arena({"B": 64}, threads=1).bytes
    assert one <= made.arena({"B": 64}, threads=2).bytes
    assert one < sum(known(bind(b.bytes, {"B": 64})) for b in made.arena({"B": 64}, threads=1).offsets)


def test_updates_that_read_each_other_are_ordered_by_a_copy() -> None:
    g = GraphBuilder()
    a, b = (g.input(key, TensorType("float32", (5, 5)), "parameter") for key in "ab")
    graph = g.graph("swap", {"a": g.add(Contract(), b, b), "b": g.add(Contract(), a, a)})
    assert len(prepare(optimize(graph, 32), TILE).schedule.calls) > len(graph.outputs)


def test_an_update_that_is_also_read_lies_where_the_parameter_lay() -> None:
    g = GraphBuilder()
    w = g.input("w", TensorType("float32", (5, 5)), "parameter")
    new = apply(g, "w * 0.5", w=w)
    made = prepare(optimize(g.graph("read", {"w": new, "y": g.add(Contract(), new, new)}), 32), TILE)
    assert made.lowered.outputs["w"] is made.lowered.values[made.lowered.graph.by_key["w"]]


@lru_cache
def mlp() -> Executable:
    return prepare(optimize(mlp_step([40, 32, 16, 10]), 32), TILE)


def sources(values: tuple[Value, ...]) -> set[Node]:
    """The nodes that make ``values``, and, of what is only seen in another shape, those behind it."""
    return {value.node for value in behind(values)}


def behind(values: tuple[Value, ...]) -> set[Value]:
    found = set(values)
    for value in values:
        if value.node.op.name == "reshape":
            found |= behind(value.node.inputs)
    return found


def in_the_way(one: Call, other: Call) -> bool:
    """Whether two calls touch the same bytes, one of them to write, from threads that may differ."""

    def meets(a: Access, b: Access) -> bool:
        return a.buffer is b.buffer and (a.split is None or a.split != b.split)

    pairs = [(a, b) for a in one.writes for b in (*other.reads, *other.writes)]
    pairs += [(a, b) for a in one.reads for b in other.writes]
    return any(meets(a, b) for a, b in pairs)


def lifetimes(made: Executable, threads: int) -> dict[object, tuple[int, int]]:
    """First and last moment of every buffer of the arena: calls of one thread, phases of several."""
    alive: dict[object, tuple[int, int]] = {}
    calls = [(p, call) for p, rounds in enumerate(made.schedule.rounds()) for each in rounds for call in each.calls]
    for i, (phase, call) in enumerate(calls):
        moment = i if threads == 1 else phase
        for access in (*call.reads, *call.writes):
            if access.buffer.place == "arena":
                first, _ = alive.get(access.buffer, (moment, moment))
                alive[access.buffer] = first, moment
    ends = {buffer.memory for buffer in made.lowered.outputs.values()}
    return {b: (first, len(calls) if b in ends else last) for b, (first, last) in alive.items()}
