"""What may run between two barriers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from netspec.compiler.graph.lowering import Access, Buffer, Call, Loop
from netspec.compiler.graph.node import Node
from netspec.tensortype import Dim

Taken = TypeVar("Taken", bound="Call | Loop")


class Phase(Generic[Taken]):
    """The calls since the last barrier and what they touch."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self._written: dict[Buffer, list[Access]] = {}
        self._read: dict[Buffer, list[Access]] = {}

    def take(self, call: Taken) -> bool:
        """Add ``call`` if no other thread can be in its way."""
        reads = [a for access in call.reads for a in self._written.get(access.buffer, ()) if _meets(a, access)]
        writes = [
            a
            for access in call.writes
            for a in (*self._written.get(access.buffer, ()), *self._read.get(access.buffer, ()))
            if _meets(a, access)
        ]
        if reads or writes:
            return False
        self.taken.append(call)
        for table, accesses in ((self._read, call.reads), (self._written, call.writes)):
            for access in accesses:
                table.setdefault(access.buffer, []).append(access)
        return True


def _meets(one: Access, other: Access) -> bool:
    return one.split is None or one.split != other.split


def looped(calls: Sequence[Call], rounds: Dim, node: Node) -> Loop:
    """One loop of calls, with barriers among them only where a thread would touch what another one owns."""
    phases = [Phase[Call]()]
    for call in calls:
        if not phases[-1].take(call):
            phases.append(Phase[Call]())
            phases[-1].take(call)
    reads = tuple(dict.fromkeys(access for call in calls for access in call.reads))
    writes = tuple(dict.fromkeys(access for call in calls for access in call.writes))
    return Loop(tuple(tuple(phase.taken) for phase in phases), rounds, reads, writes, node)
