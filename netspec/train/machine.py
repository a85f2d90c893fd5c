"""A program on this machine: its arrays in memory, its kernels loaded, its threads; the only state there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec.catalog.streams import stream
from netspec.compiler.graph import Graph, Input, key_of
from netspec.compiler.graph.lowering import Buffer
from netspec.data.faults import told_at
from netspec.diagnostics import DataError
from netspec.memory import refuse_too_much
from netspec.pipeline import Kind, Program
from netspec.runs.tensors import Present
from netspec.spec.carried import CARRIED
from netspec.spec.parameters import Parameter
from netspec.spec.updates import AVERAGE
from netspec.tensortype import TensorType, known
from netspec.train.lengths import Lengths

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from netspec.compiler.codegen.executable import Executable, Linked
    from netspec.compiler.kernels.crew import Crew

    Array: TypeAlias = npt.NDArray[Any]

SMALLER = ("a smaller batch or fewer units take less; `netspec show SPEC` tells how much",)


class Machine:
    """Holds a program's weights and state, and binds its graphs to memory.

    ``arrays`` are the columns that the graphs read, by field; ``constants`` what was fitted, by the graphs' input keys.
    """

    def __init__(
        self,
        program: Program,
        arrays: Mapping[str, Array],
        constants: Mapping[str, Array],
        *,
        seed: int,
        threads: int | None = None,
        compiling: Callable[[int, int], None] | None = None,
    ) -> None:
        from netspec.compiler.codegen.memory import Store

        self.program, self.seed, self.store = program, seed, Store()
        self._asked_threads, self.compiling = threads, compiling
        self._arrays = {f"data.{name}": array for name, array in arrays.items()}
        self._constants = dict(constants)
        self._given: dict[str, Array] = {}
        self._moved = False  # whether steps have changed weights since something was derived from them
        self._executables: dict[tuple[Kind, bool], Executable] = {}
        self._filled: set[tuple[Kind, bool]] = set()
        self._linked: dict[tuple[Kind, frozenset[tuple[str, int]]], Linked] = {}
        self.lengths = Lengths(program.lengths, arrays)
        self._crews: dict[int, Crew] = {}
        self._arena: npt.NDArray[np.uint8] | None = None

    def read(self, arrays: Mapping[str, Array]) -> None:
        """Read other data from now on: ``arrays`` as they are given at first."""
        self._arrays = {f"data.{name}": array for name, array in arrays.items()}
        least = self.lengths.least
        self.lengths = Lengths(self.program.lengths, arrays)
        self.lengths.least = least
        self._linked.clear()

    # --- weights and state ---

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Give weights, and state by their keys, in place of what they are or would begin with."""
        layouts = self.store.layouts()
        for key, array in arrays.items():
            if key in layouts:
                self.store.put(layouts[key], array)
            else:
                self._given[key] = array
        self._derive()

    def weights(self) -> dict[str, Array]:
        """The parameters by their paths, copies."""
        return {key: self._value(key) for key in self.program.parameters}

    def averages(self) -> dict[str, Array]:
        """What stands in for the weights where the spec asks for averages; before a step there are none yet."""
        return {key: self._value(source) for key, source in self._averaged().items()}

    def _averaged(self) -> dict[str, str]:
        """The keys of what stands in for each weight."""
        state = self.program.step.by_key
        return {k: k + AVERAGE if k + AVERAGE in state else k for k in self.program.parameters}

    def state(self) -> Present:
        """Parameters and optimizer state: all that a step changes and that nothing else determines."""
        every = [key_of(v) for v in self.program.step.inputs_of("parameter", "state")]
        keys = [key for key in every if not key.endswith(CARRIED) or key in self.store or key in self._given]
        return Present({key: partial(self._value, key) for key in keys})

    def present(self, *, averages: bool) -> Present:
        """The weights, or their averages, as they are when they are asked for."""
        keys = self._averaged() if averages else {key: key for key in self.program.parameters}
        return Present({name: partial(self._value, key) for name, key in keys.items()})

    def _value(self, key: str) -> Array:
        return self.store.get(key) if key in self.store else self._initial(key)

    def _initial(self, key: str) -> Array:
        import numpy as np

        if key in self._given:
            return self._given[key]
        parameter = self.program.parameters.get(key)
        if parameter is not None:
            return self._drawn(parameter)
        type_ = self.program.step.by_key[key].type
        return np.zeros([known(n) for n in type_.shape], np.float32)

    def _drawn(self, parameter: Parameter) -> Array:
        shape = tuple(known(n) for n in parameter.shape)
        fan_in, fan_out = (known(n) for n in parameter.fans)
        try:
            with told_at(parameter.init_span):
                return parameter.init.draw(shape, (fan_in, fan_out), self.seed, parameter.key)
        except DataError as error:
            error.sources.update(self.program.document.sources)
            raise

    # --- programs ---

    def prepared(self, kind: Kind, *, few: bool = False) -> Executable:
        """The scheduled kernels of a graph, whatever is in memory; ``few``: for few samples (`Program.few`)."""
        key = kind, few
        if key not in self._executables:
            from netspec.compiler.kernels import processor

            given = {key: buffer.type.layout for key, buffer in self.store.layouts().items()}
            self._executables[key] = self.program.executable(kind, processor.current().tile, given, few=few)
            self.lengths.hold(self.program.graph(kind))
        return self._executables[key]

    def executable(self, kind: Kind, *, few: bool = False) -> Executable:
        """The scheduled kernels of a graph, with its weights and constants in memory.

        Raises:
            EnvironmentFault: if there is no room for them.
        """
        made = self.prepared(kind, few=few)
        if (kind, few) not in self._filled:
            name = self.program.document.name
            refuse_too_much(
                made.persistent_bytes() - self.store.bytes, f"holding the weights of `{name}`", helps=SMALLER
            )
            self._fill(made)
            self._filled.add((kind, few))
        if few and self._moved:
            self._derive()
        return made

    def linked(
        self, kind: Kind, sizes: Mapping[str, int], capacity: int | None = None, *, ticks: bool = False
    ) -> Linked:
        """The program of a graph for one batch size, and one size of each length, bound to this machine's memory.

        Raises:
            EnvironmentFault: if there is no room for it.
        """
        key, batch = (kind, frozenset(sizes.items())), sizes["B"]
        found = self._linked.get(key)
        few = self._few(kind, batch) if found is None else found.executable is self._executables.get((kind, True))
        if found is None or (few and self._moved):
            self.executable(kind, few=few)
        if found is None:
            from netspec.compiler.codegen.executable import Linked, steps_at_once

            made, threads = self.prepared(kind, few=few), self.threads(kind, sizes)
            capacity = capacity or steps_at_once(sizes)
            held = 0 if self._arena is None else self._arena.nbytes
            needed = made.step_bytes(sizes, threads, capacity) - held
            refuse_too_much(needed, f"`{self.program.document.name}` with a batch of {batch:,}", helps=SMALLER)
            self._grow(made, sizes, threads)
            self._carry(made, batch)
            found = self._linked[key] = Linked(
                made,
                self._addresses(made),
                self.store,
                self._arrays,
                sizes=sizes,
                capacity=capacity,
                threads=threads,
                arena=self._arena,
                ticks=ticks,
            )
            self._arena = found.arena  # programs run one after the other and can share what lives within a step
        return found

    def _grow(self, made: Executable, sizes: Mapping[str, int], threads: int) -> None:
        """Take room for the longest samples at once, where lengths differ: else each longer batch would take more."""
        from netspec.compiler.codegen.memory import allocate

        if len(sizes) > 1:
            most = made.arena(self.lengths.largest(sizes["B"]), threads).bytes
            if self._arena is None or self._arena.nbytes < most:
                self._arena = allocate(most)

    def _carry(self, made: Executable, batch: int) -> None:
        """Have as many rows of what is carried as a batch has; smaller batches are the first of them."""
        moved = False
        for buffer in made.carried:
            name = buffer.name
            if name not in self.store or len(self.store.get(name)) < batch:
                moved |= self.store.put(buffer, self.rows_held(name, buffer.type, batch))
                self._given.pop(name, None)
        if moved:  # whatever is linked to it would write where it was
            self._linked.clear()

    def rows_held(self, key: str, type_: TensorType, rows: int) -> Array:
        """What is carried under a key, with ``rows`` rows at least: zeros where there are fewer."""
        import numpy as np

        held = [self._value(key)] if key in self.store or key in self._given else []
        more = rows - len(held[0]) if held else rows
        return np.concatenate([*held, np.zeros((max(0, more), known(type_.channels)), np.float32)])

    def carried(self) -> dict[str, Array]:
        """The states that go on from batch to batch, copies; none before there was a batch."""
        keys = [key for key in {**self.store.layouts(), **self._given} if key.endswith(CARRIED)]
        return {key: self._value(key) for key in keys}

    def forget(self) -> None:
        """Let the next batch begin anew, with nothing carried from another."""
        import numpy as np

        self.load({key: np.zeros_like(array) for key, array in self.carried().items()})

    def _few(self, kind: Kind, batch: int) -> bool:
        """Whether a batch gets the program for few samples.

        What full batches of a split leave over does not: its kernels would take longer to compile than they save.
        """
        return self.program.few(kind, batch) and (kind == "predict" or (kind, False) not in self._filled)

    def crew(self, threads: int) -> Crew:
        """The threads that run programs."""
        if threads not in self._crews:
            from netspec.compiler.codegen.objects import load
            from netspec.compiler.kernels.crew import Crew
            from netspec.compiler.kernels.driver import driver_kernel

            driver = driver_kernel()
            self._crews[threads] = Crew(load([driver])[driver], threads)
        return self._crews[threads]

    def threads(self, kind: Kind, sizes: Mapping[str, int]) -> int:
        """As many as were asked for, else as many as there is work for."""
        if self._asked_threads is not None:
            return self._asked_threads
        return self.program.threads(kind, sizes)

    def close(self) -> None:
        """End the threads."""
        for crew in self._crews.values():
            crew.close()

    def _addresses(self, made: Executable) -> Mapping[Any, int]:
        from netspec.compiler.codegen.objects import load
        from netspec.compiler.kernels.driver import driver_kernel

        return load([*made.kernels, driver_kernel()], self.compiling)

    def _fill(self, made: Executable) -> None:
        """Put into memory what the executable reads and that is not there yet."""
        pending: dict[str, Buffer] = {}
        for buffer in made.lowered.buffers:
            if buffer.place not in ("persistent", "constant") or buffer in made.lowered.extents:
                continue
            if buffer.name in self.store or buffer in made.carried:
                continue
            value = made.lowered.graph.by_key[buffer.name]
            assert isinstance(value.node.op, Input)
            if value.node.op.role == "derived":
                pending[buffer.name] = buffer
            elif value.node.op.role == "constant":
                self.store.put(buffer, self.constant(buffer.name))
            else:
                self.store.put(buffer, self._initial(buffer.name))
                self._given.pop(buffer.name, None)
        for name, array in self._derived(made.lowered.graph).items():
            if name in pending:
                self.store.put(pending[name], array)

    def constant(self, key: str) -> Array:
        """What a constant input of the graphs holds: a fitted array, or half of a stream of random numbers."""
        import numpy as np

        if key in self._constants:
            array = np.asarray(self._constants[key], np.float32)
            return array.reshape(()) if array.size == 1 else array
        path, _, half = key.rpartition("/stream_")
        hi, lo = stream(self.seed, path)
        return np.asarray(hi if half == "hi" else lo, np.float32)

    def _derive(self) -> None:
        self._moved = False
        layouts = self.store.layouts()
        for made in (self._executables[key] for key in self._filled):
            for name, array in self._derived(made.lowered.graph).items():
                self.store.put(layouts[name], array)

    def _derived(self, graph: Graph) -> Mapping[str, Array]:
        from netspec.compiler.graph.interpreter import interpret

        if graph.setup is None:
            return {}
        return interpret(graph.setup, {key: self._value(key) for key in graph.setup.by_key})
