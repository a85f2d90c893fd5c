"""The arena on hand-made schedules: what is reused, what is not, and that the plan is as tight as it can be."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from netspec.compiler.codegen.arena import plan_arena
from netspec.compiler.codegen.buffers import place_buffer
from netspec.compiler.codegen.schedule import BY_SAMPLES, Schedule
from netspec.compiler.graph import GraphBuilder
from netspec.compiler.graph.lowering import Access, Buffer, Call, Split
from netspec.compiler.kernels.transpose import transpose_kernel, transpose_words
from netspec.tensortype import BATCH, TensorType

NODE = GraphBuilder().input("x", TensorType("float32", ()), "constant").node


def buffers(*widths: int) -> list[Buffer]:
    return [place_buffer(f"b{i}", TensorType("float32", (BATCH, width)), "arena") for i, width in enumerate(widths)]


def call(reads: Sequence[Buffer], writes: Sequence[Buffer], split: Split | None = None) -> Call:
    touched = [tuple(Access(buffer, split) for buffer in part) for part in (reads, writes)]
    return Call(transpose_kernel(), transpose_words, {}, touched[0], touched[1], NODE)


def chain(*phases: int, split: Split | None = None) -> tuple[Schedule, list[Buffer]]:
    """Calls that each read what the one before has written, so many in each phase."""
    made = buffers(*[32] * (sum(phases) + 1))
    calls = [call([made[i]], [made[i + 1]], split) for i in range(sum(phases))]
    cut, start = [], 0
    for count in phases:
        cut.append(tuple(calls[start : start + count]))
        start += count
    return Schedule(tuple(cut)), made


def test_one_thread_reuses_bytes_from_call_to_call() -> None:
    schedule, made = chain(6)
    plan = plan_arena(schedule, {"B": 16}, threads=1)
    assert len(set(plan.offsets.values())) == 2  # what a call reads and what it writes
    assert plan.offsets[made[0]] == plan.offsets[made[2]] != plan.offsets[made[1]]


def test_several_threads_reuse_bytes_only_behind_a_barrier() -> None:
    schedule, made = chain(6)
    assert len(set(plan_arena(schedule, {"B": 16}, threads=2).offsets.values())) == len(made)
    apart, made = chain(1, 1, 1, 1, 1, 1)
    assert len(set(plan_arena(apart, {"B": 16}, threads=2).offsets.values())) == 2


@pytest.mark.parametrize(("batch", "places"), [(1, 2), (16, 2), (17, 7)])
def test_one_block_of_samples_is_one_threads(batch: int, places: int) -> None:
    schedule, _ = chain(6, split=BY_SAMPLES)
    assert len(set(plan_arena(schedule, {"B": batch}, threads=3).offsets.values())) == places


def test_what_other_threads_touch_too_lives_through_the_phase() -> None:
    made = buffers(32, 32, 32, 32)
    calls = (
        call(made[:1], made[1:2], BY_SAMPLES),
        call(made[1:2], made[2:3], BY_SAMPLES),
        call(made[2:3], made[3:4], Split("columns", 32)),
    )
    offsets = plan_arena(Schedule((calls,)), {"B": 16}, threads=2).offsets
    assert len({offsets[buffer] for buffer in made}) == 4
    assert len({plan_arena(Schedule((calls,)), {"B": 16}, threads=1).offsets[buffer] for buffer in made}) == 2


def test_an_output_is_never_written_over() -> None:
    schedule, made = chain(6)
    plan = plan_arena(schedule, {"B": 16}, threads=1, outputs=[made[0]])
    assert all(plan.offsets[made[0]] != plan.offsets[other] for other in made[1:])


def test_what_lives_elsewhere_takes_nothing() -> None:
    held = place_buffer("w", TensorType("float32", (5, 5)), "persistent")
    plan = plan_arena(Schedule(((call([held], [held]),),)), {}, threads=1)
    assert (dict(plan.offsets), plan.bytes) == ({}, 0)


@pytest.mark.parametrize("batch", [1, 17, 64])
def test_sizes_follow_the_batch(batch: int) -> None:
    schedule, _ = chain(2)
    plan = plan_arena(schedule, {"B": batch}, threads=2)
    assert plan.bytes >= 3 * batch * 128
    assert all(offset % 64 == 0 for offset in plan.offsets.values())
