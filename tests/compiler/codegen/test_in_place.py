"""When a result may lie where an input of its call lay: what must not be read again, and by whom both are touched."""

from __future__ import annotations

from dataclasses import replace

import pytest
from compiled import Compiled

from netspec.compiler.codegen.arena import plan_arena
from netspec.compiler.codegen.buffers import place_buffer
from netspec.compiler.codegen.in_place import written_over
from netspec.compiler.codegen.schedule import BY_SAMPLES, Schedule
from netspec.compiler.graph import GraphBuilder
from netspec.compiler.graph.lowering import Access, Buffer, Call, Split
from netspec.compiler.kernels.transpose import transpose_kernel, transpose_words
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.reduce import Reduce
from netspec.tensortype import BATCH, TensorType

NODE = GraphBuilder().input("x", TensorType("float32", ()), "constant").node
SIZES = {"B": 48}
A, B, C, D = (place_buffer(name, TensorType("float32", (BATCH, 32)), "arena") for name in "abcd")
WIDE = place_buffer("wide", TensorType("float32", (BATCH, 64)), "arena")


def call(
    reads: list[Buffer], write: Buffer, split: Split | None = BY_SAMPLES, over: list[Buffer] | None = None
) -> Call:
    touched = [tuple(Access(buffer, split) for buffer in part) for part in (reads, [write])]
    pairs = tuple((write, source) for source in (reads if over is None else over))
    return Call(transpose_kernel(), transpose_words, {}, touched[0], touched[1], NODE, pairs)


def test_a_chain_lies_in_one_place() -> None:
    schedule = Schedule(((call([], A), call([A], B), call([B], C)), (call([C], D),)))
    assert written_over(schedule, SIZES) == {B: A, C: A, D: A}
    plan = plan_arena(schedule, SIZES, threads=2)
    assert set(plan.offsets) == {A, B, C, D}
    assert len(set(plan.offsets.values())) == 1


@pytest.mark.parametrize(
    "calls",
    [
        pytest.param([call([], A), call([A], B), call([A, B], C, over=[])], id="read again"),
        pytest.param([call([], A), call([A], B, over=[])], id="not said"),
        pytest.param([call([], A), call([A, A], B)], id="read in two ways"),
        pytest.param([call([], A), call([A], WIDE)], id="of another size"),
        pytest.param([call([], A, None), call([A], B)], id="written by all in the same phase"),
        pytest.param([call([], A), call([A], B, None)], id="not cut among threads"),
        pytest.param([call([], A), call([A], B), replace(call([B], C), reads=(Access(B),), over=())], id="read by all"),
        pytest.param([call([], B), call([], A), call([A], B)], id="written before"),
    ],
)
def test_two_places_are_needed(calls: list[Call]) -> None:
    schedule = Schedule((tuple(calls),))
    assert written_over(schedule, SIZES) == {}
    offsets = plan_arena(schedule, SIZES, threads=2).offsets
    assert offsets[A] != offsets.get(B, offsets.get(WIDE))


def test_a_barrier_parts_those_that_read_all() -> None:
    schedule = Schedule(((call([], A, None),), (call([A], B),), (call([B], C, None, over=[]),)))
    assert written_over(schedule, SIZES) == {B: A}


def test_an_output_is_not_written_over() -> None:
    schedule = Schedule(((call([], A), call([A], B), call([B], C)),))
    assert written_over(schedule, SIZES, outputs=[A]) == {C: B}
    assert written_over(schedule, SIZES, outputs=[C]) == {B: A, C: A}


def test_scores_and_their_cotangents_are_kept_once() -> None:
    """The array of a batch by a vocabulary: what softmax and cross entropy make of the scores lies where these were."""
    g, width = GraphBuilder(), 4000
    x = g.input("x", TensorType("float32", (64, 8)), "parameter")
    w = g.input("w", TensorType("float32", (8, width)), "parameter")
    z = g.add(Contract(), x, w)
    total = g.add(Reduce("sum", (1,), keepdims=True), apply(g, "exp(z)", z=z))
    cotangent = apply(g, "exp(z) / t", z=z, t=total)
    graph = g.graph("step", {"dx": g.add(Contract(transpose_b=True), cotangent, w)})
    bytes_ = Compiled(graph).executable.arena({}, 2).bytes
    assert 1 <= bytes_ / (4 * 64 * width) < 1.5
