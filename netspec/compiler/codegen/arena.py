"""One arena for all values that live within a step: which bytes each has, known before anything runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from netspec.compiler.codegen.buffers import LINE, SPARE
from netspec.compiler.codegen.in_place import written_over
from netspec.compiler.codegen.schedule import BY_SAMPLES, Schedule
from netspec.compiler.graph.lowering import Buffer
from netspec.compiler.kernels.kernel import UNIT
from netspec.tensortype import BATCH, Dim, bind, known


@dataclass(frozen=True)
class Arena:
    """Offsets of buffers, and the size of the whole."""

    offsets: Mapping[Buffer, int]
    bytes: int


def plan_arena(
    schedule: Schedule, sizes: Mapping[str, Dim], *, threads: int, outputs: Collection[Buffer] = ()
) -> Arena:
    """Give buffers that are never alive together the same bytes.

    Between two barriers threads run apart: with several of them a buffer is alive for whole phases, with one from the
    call that writes it first to the call that reads it last, but through all of what runs block by block. Where all
    samples are one block, one thread runs all calls that go by samples, and those count as if it were alone: for one
    image ResNet-50 then takes a third of the memory. What is written over an input lies there. ``outputs`` are alive to
    the end.
    """
    alive = _lifetimes(schedule, threads, is_one_block=_is_one_block(sizes))
    time = max((last for _, last in alive.values()), default=0)
    alive.update({buffer: (alive[buffer][0], time) for buffer in outputs if buffer in alive})
    taken = written_over(schedule, sizes, outputs)
    for buffer, first in taken.items():
        (begin, end), (start, stop) = alive[first], alive.pop(buffer)
        alive[first] = min(begin, start), max(end, stop)
    extents = {buffer: _padded(known(bind(buffer.bytes, sizes))) for buffer in alive}
    offsets: dict[Buffer, int] = {}
    for buffer in sorted(alive, key=lambda b: (-extents[b], alive[b])):
        offsets[buffer] = _lowest_gap(buffer, extents, alive, offsets)
    whole = max((offsets[b] + extents[b] for b in offsets), default=0)
    return Arena(offsets | {buffer: offsets[first] for buffer, first in taken.items()}, whole)


def _is_one_block(sizes: Mapping[str, Dim]) -> bool:
    batch = bind(BATCH, sizes)
    return isinstance(batch, int) and batch <= UNIT


def _lifetimes(schedule: Schedule, threads: int, *, is_one_block: bool) -> dict[Buffer, tuple[int, int]]:
    """The first and the last moment of each buffer; a moment is what cannot be told apart in time."""
    alive: dict[Buffer, tuple[int, int]] = {}

    def touch(buffer: Buffer, first: int, last: int) -> None:
        known = alive.get(buffer, (first, last))
        alive[buffer] = min(known[0], first), max(known[1], last)

    time = 0
    for rounds in schedule.rounds():
        begin, at_any_time = time, set[Buffer]()
        for each in rounds:
            for call in each.calls:
                for access in (*call.reads, *call.writes):
                    if access.buffer.place == "arena":
                        touch(access.buffer, time, time)
                        if threads > 1 and not (is_one_block and access.split == BY_SAMPLES):
                            at_any_time.add(access.buffer)
                time += not each.interleaves or (is_one_block and each.by_blocks)
            time += 1
        for buffer in at_any_time:
            touch(buffer, begin, time)
        time += 1
    return alive


def _padded(count: int) -> int:
    # Three lines more keep arrays of whole pages from lying at the same place of every page.
    return -(-(count + SPARE) // LINE) * LINE + 3 * LINE


def _lowest_gap(
    buffer: Buffer,
    extents: Mapping[Buffer, int],
    alive: Mapping[Buffer, tuple[int, int]],
    offsets: Mapping[Buffer, int],
) -> int:
    first, last = alive[buffer]
    neighbours = sorted((offsets[b], extents[b]) for b in offsets if alive[b][0] <= last and first <= alive[b][1])
    place = 0
    for offset, extent in neighbours:
        if place + extents[buffer] <= offset:
            break
        place = max(place, offset + extent)
    return place
