"""The order of the calls of a step, and the barriers between them.

Threads own parts of every buffer and run through the calls without waiting. A call has to wait where it touches what
another thread may still write, or writes what another may still read. The scheduler takes any call that need not wait
before it places a barrier: a dense network then has two barriers a step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import groupby, pairwise

from netspec.compiler.codegen.lower import Lowered
from netspec.compiler.codegen.phase import Phase
from netspec.compiler.graph.lowering import Call, Loop, Split
from netspec.compiler.graph.node import Node, Value
from netspec.tensortype import BATCH, LANES

BY_SAMPLES = Split("rows", BATCH)
WIDE = 4096  # columns from which on calls go by strips of them
STRIP = 256  # columns: with 200 rows of weights, and 600 of what they are summed over, some 800 kB


@dataclass(frozen=True)
class Round:
    """Calls of a phase, one after the other; ``by_blocks``: a thread runs all of them for 16 samples, then the next.

    Where windows slide, what a layer writes for 16 samples is some 100 kB, and for a thread's share of the batch more
    than the second-level cache holds. ``columns``: of so many, a thread runs all calls for a strip, then for the next.
    The cotangent of 16,383 scores then comes from memory once for all that is summed over it, and weights once for
    their update and for their transpose.
    """

    calls: tuple[Call | Loop, ...]
    by_blocks: bool = False
    columns: int = 0

    @property
    def strips(self) -> int:
        """How many strips its columns are, 0 where it does not go by strips."""
        return -(-self.columns // STRIP)

    @property
    def interleaves(self) -> bool:
        """Whether its calls take turns, part by part."""
        return self.by_blocks or bool(self.columns)


def _rounds(phase: Sequence[Call | Loop]) -> Iterator[Round]:
    """Runs of calls that go by samples alone; those that have nothing to do with samples come last.

    In one phase these cannot touch what the others touch, or there would be a barrier between them; but around loops
    they can, where threads own the samples of all steps.
    """
    strips = {n: found for n in _wide(phase) if len(found := _by_columns(phase, n)) > 1}
    apart = {id(call) for found in strips.values() for call in found}
    left = [call for call in phase if id(call) not in apart]
    splits = [{access.split for access in (*call.reads, *call.writes) if access.split} for call in left]
    around_loops = any(split.axis == "blocks" for own in splits for split in own)
    others = [call for call, own in zip(left, splits, strict=True) if BY_SAMPLES not in own and not around_loops]
    rest = [(call, own == {BY_SAMPLES}) for call, own in zip(left, splits, strict=True) if call not in others]
    for pure, group in groupby(rest, lambda pair: pair[1] and isinstance(pair[0], Call)):
        calls = tuple(call for call, _ in group)
        buffers = (access.buffer for call in calls for access in (*call.reads, *call.writes))
        by_blocks = pure and len(calls) > 1 and any(buffer.type.layout == LANES for buffer in buffers)
        yield Round(_ends_early(calls) if by_blocks else calls, by_blocks)
    yield Round(tuple(others))
    yield from (Round(found, columns=columns) for columns, found in strips.items())


def _wide(calls: Sequence[Call | Loop]) -> list[int]:
    """The numbers of columns, large ones, that calls share by pairs of vectors."""
    splits = {a.split for call in calls for a in (*call.reads, *call.writes) if a.split and a.split.axis == "pairs"}
    return sorted(split.extent for split in splits if isinstance(split.extent, int) and split.extent >= WIDE)


def _by_columns(calls: Sequence[Call | Loop], columns: int) -> tuple[Call, ...]:
    """The calls that share so many columns; none if there is one among them that shares something else too."""
    own = {Split("pairs", columns), Split("columns", columns)}
    found: list[Call] = []
    for call in calls:
        splits = {access.split for access in (*call.reads, *call.writes) if access.split}
        if splits & own:
            if not isinstance(call, Call) or splits - own:
                return ()
            found.append(call)
    return tuple(found)


def _ends_early(calls: Sequence[Call | Loop]) -> tuple[Call | Loop, ...]:
    """The calls with those that no other one waits for right behind what they wait for.

    A weight gradient reads the cotangent that was just written; what the next phase reads is then written last.
    """
    before = [{j for j in range(i) if _in_order(calls[j], call)} for i, call in enumerate(calls)]
    waited_for = set().union(*before)
    ends = [i for i in range(len(calls)) if i not in waited_for and before[i]]
    order: list[int] = []
    for i in range(len(calls)):
        if i not in ends:
            order += [i, *(end for end in ends if max(before[end]) == i)]
    return tuple(calls[i] for i in order)


def _in_order(one: Call | Loop, other: Call | Loop) -> bool:
    """Whether one of two calls writes what the other touches."""
    ones, others = ({access.buffer for access in (*call.reads, *call.writes)} for call in (one, other))
    return any(a.buffer in others for a in one.writes) or any(a.buffer in ones for a in other.writes)


@dataclass(frozen=True)
class Schedule:
    """Phases of calls; a barrier stands after each phase."""

    phases: tuple[tuple[Call | Loop, ...], ...]

    def rounds(self) -> Iterator[tuple[Round, ...]]:
        """The calls of each phase in the order in which a thread runs them."""
        for phase in self.phases:
            yield tuple(_rounds(phase))

    @property
    def calls(self) -> tuple[Call, ...]:
        """All calls of kernels, those in loops too."""
        return tuple(call for phase in self.phases for each in phase for call in each.calls)


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
    phases: list[tuple[Call | Loop, ...]] = []
    while ready:
        phase, blocked = Phase[Call | Loop](), list[int]()
        while ready:
            i = heappop(ready)
            if not phase.take(calls[i]):
                blocked.append(i)
                continue
            for j in followers[i]:
                missing[j] -= 1
                if not missing[j]:
                    heappush(ready, j)
        phases.append(tuple(phase.taken))
        ready = blocked
        heapify(ready)
    if sum(map(len, phases)) != len(calls):
        raise ValueError("an update needs a value that is computed from the parameter after the update")
    return Schedule(tuple(phases))


def _dependencies(lowered: Lowered) -> list[set[int]]:
    """For each call the calls that must come before it."""
    own: dict[Node, list[int]] = {}
    for i, call in enumerate(lowered.calls):
        own.setdefault(call.node, []).append(i)
    sources = _sources(lowered, own)
    result: list[set[int]] = [set() for _ in lowered.calls]
    for node, indices in own.items():
        for value in node.inputs:
            for i in _reading(lowered, value, indices):
                result[i].update(sources[value])
        for before, after in pairwise(indices):
            result[after].add(before)
    for node, replaced in _updates(lowered):
        maker = node
        while maker not in own:  # it only shows in another shape what another node writes
            maker = maker.inputs[0].node
        for reader in _readers(lowered, replaced, own):
            if reader is not maker:
                result[own[maker][0]].update(own[reader])
    return result


def _sources(lowered: Lowered, own: Mapping[Node, list[int]]) -> dict[Value, frozenset[int]]:
    """For each value the calls that make it; a value without calls is an alias, whose readers wait for its maker."""
    sources: dict[Value, frozenset[int]] = {}
    for node in lowered.graph.nodes:
        through = (
            frozenset().union(*(sources[v] for v in node.inputs)) if node not in own else frozenset(own[node][-1:])
        )
        for value in node.values:
            sources[value] = through
    return sources


def _reading(lowered: Lowered, value: Value, indices: list[int]) -> list[int]:
    """The calls of a node that have to wait for an input: weights are packed long before what they are to meet.

    What reads nothing, such as zeros for a frame, waits too: its memory would be taken for longer than it is needed.
    """
    memory, calls = lowered.values[value].memory, lowered.calls
    return [i for i in indices if not calls[i].reads or any(memory is a.buffer for a in calls[i].reads)] or indices[:1]


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
