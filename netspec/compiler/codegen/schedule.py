"""The order of the calls of a step, and the barriers between them.

Threads own parts of every buffer and run through the calls without waiting. A call has to wait where it touches what
another thread may still write, or writes what another may still read. The scheduler takes any call that need not wait
before it places a barrier: a dense network then has two barriers a step.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import pairwise

from netspec.compiler.codegen.lower import Lowered
from netspec.compiler.graph.lowering import Access, Buffer, Call
from netspec.compiler.graph.node import Node, Value


@dataclass(frozen=True)
class Schedule:
    """Phases of calls; a barrier stands after each phase."""

    phases: tuple[tuple[Call, ...], ...]

    @property
    def calls(self) -> tuple[Call, ...]:
        return tuple(call for phase in self.phases for call in phase)


def schedule(lowered: Lowered) -> Schedule:
    """Order the calls of ``lowered`` with as few barriers as a greedy choice gives."""
    calls = lowered.calls
    waits_for = _dependencies(lowered)
    followers: list[list[int]] = [[] for _ in calls]
    for i, before in enumerate(waits_for):
        for j in before:
            followers[j].append(i)
    missing = [len(before) for before in waits_for]
    ready = [i for i, count in enumerate(missing) if not count]
    heapify(ready)
    phases: list[tuple[Call, ...]] = []
    while ready:
        phase, blocked = _Phase(), list[int]()
        while ready:
            i = heappop(ready)
            if not phase.take(calls[i]):
                blocked.append(i)
                continue
            for j in followers[i]:
                missing[j] -= 1
                if not missing[j]:
                    heappush(ready, j)
        phases.append(tuple(phase.calls))
        ready = blocked
        heapify(ready)
    if sum(map(len, phases)) != len(calls):
        raise ValueError("an update needs a value that is computed from the parameter after the update")
    return Schedule(tuple(phases))


class _Phase:
    """The calls since the last barrier and what they touch."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._written: dict[Buffer, list[Access]] = {}
        self._read: dict[Buffer, list[Access]] = {}

    def take(self, call: Call) -> bool:
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
        self.calls.append(call)
        for table, accesses in ((self._read, call.reads), (self._written, call.writes)):
            for access in accesses:
                table.setdefault(access.buffer, []).append(access)
        return True


def _meets(one: Access, other: Access) -> bool:
    return one.split is None or one.split != other.split


def _dependencies(lowered: Lowered) -> list[set[int]]:
    """For each call the calls that must come before it."""
    own: dict[Node, list[int]] = {}
    for i, call in enumerate(lowered.calls):
        own.setdefault(call.node, []).append(i)
    sources: dict[Value, frozenset[int]] = {}
    for node in lowered.graph.nodes:  # a node without calls is an alias: its readers wait for what it is made from
        through = (
            frozenset().union(*(sources[v] for v in node.inputs)) if node not in own else frozenset(own[node][-1:])
        )
        for value in node.values:
            sources[value] = through
    result: list[set[int]] = [set() for _ in lowered.calls]
    for node, indices in own.items():
        result[indices[0]].update(*(sources[value] for value in node.inputs))
        for before, after in pairwise(indices):
            result[after].add(before)
    for node, replaced in _updates(lowered):
        for reader in _readers(lowered, replaced, own):
            if reader is not node:
                result[own[node][0]].update(own[reader])
    return result


def _updates(lowered: Lowered) -> Iterable[tuple[Node, Value]]:
    """The nodes that write over an input, and that input."""
    graph = lowered.graph
    for name, value in graph.outputs:
        if name in graph.by_key and value is not graph.by_key[name]:
            yield value.node, graph.by_key[name]


def _readers(lowered: Lowered, value: Value, own: dict[Node, list[int]]) -> list[Node]:
    """The nodes with calls that read ``value`` or an alias of it."""
    found: list[Node] = []
    stack = [value]
    while stack:
        for node in lowered.graph.uses.get(stack.pop(), ()):
            if node in own:
                found.append(node)
            else:
                stack += node.values
    return found
