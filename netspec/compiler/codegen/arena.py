"""One arena for all values that live within a step: which bytes each has, known before anything runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from netspec.compiler.codegen.buffers import LINE, SPARE
from netspec.compiler.codegen.schedule import Schedule
from netspec.compiler.graph.lowering import Buffer
from netspec.tensortype import Dim, bind, known


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
    call that writes it first to the call that reads it last. ``outputs`` are alive to the end.
    """
    alive: dict[Buffer, tuple[int, int]] = {}
    time = 0
    for phase in schedule.phases:
        for call in phase:
            for access in (*call.reads, *call.writes):
                if access.buffer.place == "arena":
                    first, _ = alive.get(access.buffer, (time, time))
                    alive[access.buffer] = first, time
            time += threads == 1
        time += threads != 1
    alive.update({buffer: (alive[buffer][0], time) for buffer in outputs if buffer in alive})
    extents = {buffer: _padded(known(bind(buffer.bytes, sizes))) for buffer in alive}
    offsets: dict[Buffer, int] = {}
    for buffer in sorted(alive, key=lambda b: (-extents[b], alive[b])):
        offsets[buffer] = _lowest_gap(buffer, extents, alive, offsets)
    return Arena(offsets, max((offsets[b] + extents[b] for b in offsets), default=0))


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
