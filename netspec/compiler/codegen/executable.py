"""A graph made ready to run: lowered, scheduled, its memory planned; then linked to arrays and kernels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec.compiler.codegen.arena import Arena, plan_arena
from netspec.compiler.codegen.lower import Lowered, lower
from netspec.compiler.codegen.memory import ALIGNMENT, Store, allocate
from netspec.compiler.codegen.schedule import Schedule, schedule
from netspec.compiler.graph.lowering import INDEX, Argument, Buffer, Call, Clock, Loop, Pointer, Scratch
from netspec.compiler.graph.node import Graph, Value
from netspec.compiler.graph.op import UnsupportedError
from netspec.compiler.kernels.crew import Crew
from netspec.compiler.kernels.driver import Program, Table
from netspec.compiler.kernels.kernel import UNIT, Kernel
from netspec.tensortype import Dim, Size, bind, known

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from netspec.compiler.kernels.processor import Tile

    Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class Executable:
    """A scheduled graph; nothing is allocated yet."""

    lowered: Lowered
    schedule: Schedule
    _arenas: dict[tuple[frozenset[tuple[str, int]], int], Arena] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @cached_property
    def kernels(self) -> tuple[Kernel, ...]:
        """The kernels it calls, each once."""
        return tuple(dict.fromkeys(call.kernel for call in self.schedule.calls))

    @cached_property
    def _scratches(self) -> frozenset[Dim]:
        return frozenset(s.bytes for call in self.schedule.calls for s in _scratches(call.arguments.values()))

    def scratch_bytes(self, sizes: Mapping[str, int]) -> int:
        """What one thread needs beside the arena: what the neediest of its calls does."""
        needs = (known(bind(need, sizes)) for need in self._scratches)
        return -(-max(needs, default=0) // ALIGNMENT) * ALIGNMENT

    def arena(self, sizes: Mapping[str, int], threads: int) -> Arena:
        """The plan of what lives within a step; made once, for it is asked for before a run and when that is linked."""
        key = frozenset(sizes.items()), threads
        known = self._arenas.get(key)
        if known is None:
            outputs = {buffer.memory for buffer in self.lowered.outputs.values()}
            known = self._arenas[key] = plan_arena(self.schedule, sizes, threads=threads, outputs=outputs)
        return known

    def persistent_bytes(self) -> int:
        """What parameters, state and constants take, padding included."""
        held = {b for b in self.lowered.buffers if b.place == "persistent"}.difference(self.carried)
        return sum(known(buffer.bytes) for buffer in held)

    @cached_property
    def carried(self) -> tuple[Buffer, ...]:
        """States that have a row for each of the batch, in memory of its size."""
        return tuple(b for b in self.lowered.buffers if b.place == "persistent" and isinstance(b.bytes, Size))

    def peak_bytes(self, sizes: Mapping[str, int], threads: int, capacity: int | None = None) -> int:
        """All memory of a run but the stored data: what is persistent, and what steps take.

        ``sizes`` are ``B``, the rows of a batch, and how long it is along each length.
        """
        return self.persistent_bytes() + self.step_bytes(sizes, threads, capacity)

    def step_bytes(self, sizes: Mapping[str, int], threads: int, capacity: int | None = None) -> int:
        """What steps take beside what is persistent: arena, scratch, the index and the scalars of steps."""
        steps = steps_at_once(sizes) if capacity is None else capacity
        scalars = sum(buffer.place == "step" for buffer in self.lowered.buffers)
        index = 8 * sizes["B"]
        carried = sum(known(bind(buffer.bytes, sizes)) for buffer in self.carried)
        arena = self.arena(sizes, threads).bytes + threads * self.scratch_bytes(sizes)
        return arena + carried + steps * (index + 4 * scalars)


INDEX_BYTES = 1 << 20
"""What the index of one run of the driver may take."""


def steps_at_once(sizes: Mapping[str, int]) -> int:
    """How many steps one run of the driver takes at most: more would only cost memory.

    Along lengths steps are larger, and programs many, one for each length that a batch has.
    """
    return max(1, min(INDEX_BYTES // (8 * prod(sizes.values())), 1 << 12))


def prepare(graph: Graph, tile: Tile) -> Executable:
    """Lower and schedule ``graph``."""
    lowered = lower(graph, tile)
    return Executable(lowered, schedule(lowered))


class Linked:
    """A program bound to memory for one batch size, and one size of each length; ``capacity`` steps can be run at once.

    ``sizes`` are ``B``, the rows of a batch, and the lengths' by their symbols. ``index`` takes the rows of the data
    for each step, ``inputs`` and ``outputs`` hold one number a step.
    """

    def __init__(
        self,
        executable: Executable,
        addresses: Mapping[Kernel, int],
        store: Store,
        stored: Mapping[str, Array],
        *,
        sizes: Mapping[str, int],
        capacity: int,
        threads: int,
        arena: npt.NDArray[np.uint8] | None = None,
        ticks: bool = False,
    ) -> None:
        import numpy as np

        self.executable, self.capacity, self.threads = executable, capacity, threads
        self.sizes, self.batch = dict(sizes), sizes["B"]
        plan = executable.arena(self.sizes, threads)
        self.arena = allocate(plan.bytes) if arena is None or arena.nbytes < plan.bytes else arena
        self._last = 0
        self._scratch_bytes = executable.scratch_bytes(self.sizes)
        self._scratch = allocate(self._scratch_bytes * threads)
        self.index = np.zeros(capacity * self.batch, np.int64)
        self._sizes: dict[str, int | Size] = {**self.sizes, str(INDEX): self.index.size}
        self._offsets = plan.offsets
        self._kept: list[object] = [store, stored]
        self.inputs: dict[str, npt.NDArray[np.float32]] = {}
        self.outputs: dict[str, npt.NDArray[np.float32]] = {}
        self._steps: dict[Buffer, npt.NDArray[np.float32]] = {}
        self._given = {executable.lowered.values[value] for value in executable.lowered.graph.inputs}
        self._addresses: dict[Buffer, int] = {}
        for buffer in executable.lowered.buffers:
            self._addresses[buffer] = self._place(buffer, store, stored)
        self._results: dict[str, tuple[Array, tuple[int, ...]]] = {}
        for name, value in executable.lowered.graph.outputs:
            buffer = executable.lowered.outputs[name]
            if buffer.place == "step":
                self.outputs[name] = self._steps[buffer.memory]
                self._results[name] = self._result(name, value)
            elif buffer.place == "arena":
                self._results[name] = self._result(name, value)
            elif name not in executable.lowered.graph.by_key:
                raise UnsupportedError(f"the output `{name}` is an input; `own-outputs` has to make a copy of it")
        self.calls: list[Call | None] = []  # that of each row of the program
        self.program = self._program(addresses, ticks)

    def run(self, crew: Crew, steps: int) -> float:
        """Run the first ``steps`` steps of the index; seconds they took."""
        if not 0 < steps <= self.capacity:
            raise ValueError(f"between 1 and {self.capacity} steps, got {steps}")
        self._last = steps - 1
        return crew.run(self.program, steps)

    def array(self, name: str) -> Array:
        """The value after the last step of an output that replaces no input: ``float32[B, ...]``, a copy."""
        view, shape = self._results[name]
        if name in self.outputs:
            view = self.outputs[name][self._last : self._last + 1]
        return view.copy().reshape(shape)

    def _result(self, name: str, value: Value) -> tuple[Array, tuple[int, ...]]:
        """The rows of an output as they lie in memory, and its logical shape."""
        import numpy as np

        buffer = self.executable.lowered.outputs[name]
        shape = tuple(known(bind(n, self._sizes)) for n in value.type.shape)
        if buffer.place == "step":
            return self.outputs[name], shape
        rows, columns = (shape[0], int(np.prod(shape[1:]))) if shape else (1, 1)
        first = self._offsets.get(buffer.memory, 0) + known(bind(buffer.offset, self._sizes))
        memory = self.arena[first:].view(np.float32)
        stride = known(bind(buffer.row_stride, self._sizes))
        return np.lib.stride_tricks.as_strided(memory, (rows, columns), (stride, memory.itemsize)), shape

    def _place(self, buffer: Buffer, store: Store, stored: Mapping[str, Array]) -> int:
        import numpy as np

        if buffer.place == "arena":
            return int(self.arena.ctypes.data) + self._offsets.get(buffer, 0)
        if buffer.place == "index":
            return int(self.index.ctypes.data)
        if buffer.place == "step":
            array = np.zeros(self.capacity + 32, np.float32)
            self._steps[buffer] = array[: self.capacity]
            if buffer in self._given:
                self.inputs[buffer.name] = self._steps[buffer]
            self._kept.append(array)
            return int(array.ctypes.data)
        if buffer.place == "stored":
            array = stored[buffer.name]
            if array.dtype != buffer.type.dtype or not array.flags.c_contiguous:
                raise ValueError(f"`{buffer.name}` must be {buffer.type}, contiguous; got {array.dtype}")
            return int(array.ctypes.data)
        if buffer in self.executable.lowered.extents:
            size = known(bind(self.executable.lowered.extents[buffer], self._sizes))
            constant = np.full(32, size, np.float32)
            self._kept.append(constant)
            return int(constant.ctypes.data)
        return int(store.memory(buffer).ctypes.data)

    def _program(self, addresses: Mapping[Kernel, int], ticks: bool) -> Program:
        table, blocks, backwards = Table(self.threads), -(-self.batch // UNIT), False
        for rounds in self.executable.schedule.rounds():
            for each in rounds:
                parts = blocks if each.by_blocks else each.strips
                with table.parts(parts, backwards=backwards and each.by_blocks) if parts else nullcontext():
                    self.calls += [None] * bool(parts)
                    for call in each.calls:
                        if isinstance(call, Loop):
                            self._loop(table, call, addresses)
                        else:
                            self.calls.append(call)
                            table.call(addresses[call.kernel], self._words(call, table.clock), call.kernel.name)
                backwards ^= each.by_blocks  # what a round wrote last is still in the cache
            table.barrier()
            self.calls.append(None)
        table.keep(self._kept, self.arena, self._scratch, self.index)
        return table.program(ticks)

    def _loop(self, table: Table, loop: Loop, addresses: Mapping[Kernel, int]) -> None:
        """Rows whose words move on from round to round; all that moves are addresses, by as much in each round."""
        self.calls.append(None)
        with table.loop(known(bind(loop.rounds, self._sizes))):
            for phase in loop.phases:
                for call in phase:
                    words, after = (self._words(call, table.clock, turn) for turn in (0, 1))
                    table.stepped(addresses[call.kernel], words, after, call.kernel.name)
                    self.calls.append(call)
                if len(loop.phases) > 1:
                    table.barrier()
                    self.calls.append(None)

    def _words(self, call: Call, clock: int, turn: int = 0) -> Sequence[int]:
        return call.pack(**{name: self._resolve(value, clock, turn) for name, value in call.arguments.items()})

    def _resolve(self, argument: Argument, clock: int, turn: int) -> Any:
        match argument:
            case Pointer():
                buffer = argument.buffer
                offset = argument.offset + buffer.offset + buffer.step * turn
                return self._addresses[buffer.memory] + known(bind(offset, self._sizes))
            case Clock():
                return clock
            case Scratch():
                return [int(self._scratch.ctypes.data), self._scratch_bytes]
            case bool() | int():
                return argument
            case Size():
                return known(argument.bind(self._sizes))
        assert isinstance(argument, Sequence)
        return [self._resolve(item, clock, turn) for item in argument]


def _scratches(arguments: Iterable[Argument]) -> list[Scratch]:
    found: list[Scratch] = []
    for argument in arguments:
        if isinstance(argument, Scratch):
            found.append(argument)
        elif isinstance(argument, Sequence):
            found += _scratches(argument)
    return found
