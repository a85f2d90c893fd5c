"""Results that lie where an input lay: the array is in the cache already, and there is one of it, not two."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from netspec.compiler.codegen.schedule import Schedule
from netspec.compiler.graph.lowering import Buffer, Call, Loop, Split
from netspec.tensortype import Dim, bind


@dataclass(frozen=True)
class _Use:
    """A call that touches a buffer: its phase, its place in the order of a thread, and what a thread has of it."""

    phase: int
    time: int
    call: Call | Loop
    split: Split | None


def written_over(
    schedule: Schedule, sizes: Mapping[str, Dim], outputs: Collection[Buffer] = ()
) -> Mapping[Buffer, Buffer]:
    """For each result that takes over the memory of an input, the buffer whose memory it is in the end.

    A call says what its results may lie over (`Call.over`). They do if nothing reads the input afterwards, and if in
    that phase each thread touches its own part of both alone, for threads run apart.
    """
    uses = _uses(schedule)
    groups: dict[Buffer, list[Buffer]] = {}
    root: dict[Buffer, Buffer] = {}
    for phase in schedule.rounds():
        for call in (call for each in phase for call in each.calls if isinstance(call, Call)):
            for result, source in call.over:
                first = root.get(source, source)
                members = groups.get(first, [first])
                if result in root or result in groups or set(members) & set(outputs):
                    continue
                if _is_alike(result, source, sizes) and _may(call, result, source, members, uses):
                    groups[first] = [*members, result]
                    root[result] = first
    return root


def _uses(schedule: Schedule) -> dict[Buffer, list[_Use]]:
    """Who touches each buffer of the arena, in the order of a thread."""
    found: dict[Buffer, list[_Use]] = {}
    time = 0
    for number, phase in enumerate(schedule.rounds()):
        for each in phase:
            for call in each.calls:
                for access in (*call.reads, *call.writes):
                    if access.buffer.place == "arena":
                        found.setdefault(access.buffer, []).append(_Use(number, time, call, access.split))
                time += 1
    return found


def _is_alike(result: Buffer, source: Buffer, sizes: Mapping[str, Dim]) -> bool:
    return all(
        bind(getattr(result, name), sizes) == bind(getattr(source, name), sizes)
        for name in ("rows", "row_stride", "panel_stride", "bytes")
    )


def _may(call: Call, result: Buffer, source: Buffer, members: list[Buffer], uses: Mapping[Buffer, list[_Use]]) -> bool:
    before = [use for member in members for use in uses[member]]
    own = next(use for use in uses[result] if use.call is call)
    if sum(access.buffer is source for access in call.reads) != 1 or own.split is None:
        return False  # it reads it in two ways, of which one may look elsewhere
    if max(use.time for use in before) > own.time or min(use.time for use in uses[result]) < own.time:
        return False
    return all(use.split == own.split for use in (*before, *uses[result]) if use.phase == own.phase)
