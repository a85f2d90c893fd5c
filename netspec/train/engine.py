"""A program on this machine: its arrays in memory, its kernels loaded, its threads; the only state there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec.catalog.metrics import Collected, Found, Inspected, Summed
from netspec.catalog.streams import stream
from netspec.compiler.graph import Graph, Input, key_of
from netspec.compiler.graph.lowering import Buffer
from netspec.data.batches import Visit
from netspec.data.faults import told_at
from netspec.diagnostics import DataError
from netspec.memory import refuse_too_much
from netspec.pipeline import COLLECTED, SUMMED, Kind, Program
from netspec.runs.tensors import Present
from netspec.spec.parameters import Parameter
from netspec.spec.updates import AVERAGE, AVERAGE_RATE, LAST, SHARE, scalar_key
from netspec.tensortype import known
from netspec.train.gathering import Gathering

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from netspec.compiler.codegen.executable import Executable, Linked
    from netspec.compiler.kernels.crew import Crew

    Array: TypeAlias = npt.NDArray[Any]

EVALUATED_ROWS = 64
"""Rows that are evaluated at once where training does not take more: enough to keep the threads busy."""


@dataclass(frozen=True)
class Measured:
    """Loss and metrics over a split, as means over its rows; ``tables`` are the metrics that are no number."""

    rows: int
    loss: float
    metrics: Mapping[str, float]
    tables: Mapping[str, list[list[int]]] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """The metrics as files and programs are told them."""
        return {"metrics": dict(self.metrics), **({"tables": dict(self.tables)} if self.tables else {})}


SMALLER = ("a smaller batch or fewer units take less; `netspec show SPEC` tells how much",)


class Engine:
    """Runs a program's graphs over the data's rows.

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
        self._linked: dict[tuple[Kind, int], Linked] = {}
        self._crews: dict[int, Crew] = {}
        self._arena: npt.NDArray[np.uint8] | None = None

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
        keys = [key_of(v) for v in self.program.step.inputs_of("parameter", "state")]
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

    def linked(self, kind: Kind, batch: int, capacity: int | None = None, *, ticks: bool = False) -> Linked:
        """The program of a graph for one batch size, bound to this engine's memory.

        Raises:
            EnvironmentFault: if there is no room for it.
        """
        key = (kind, batch)
        found = self._linked.get(key)
        few = self._few(kind, batch) if found is None else found.executable is self._executables.get((kind, True))
        if found is None or (few and self._moved):
            self.executable(kind, few=few)
        if found is None:
            from netspec.compiler.codegen.executable import Linked, steps_at_once

            made, threads = self.prepared(kind, few=few), self.threads(kind, batch)
            capacity = capacity or steps_at_once(batch)
            held = 0 if self._arena is None else self._arena.nbytes
            needed = made.step_bytes(batch, threads, capacity) - held
            refuse_too_much(needed, f"`{self.program.document.name}` with a batch of {batch:,}", helps=SMALLER)
            found = self._linked[key] = Linked(
                made,
                self._addresses(made),
                self.store,
                self._arrays,
                batch=batch,
                capacity=capacity,
                threads=threads,
                arena=self._arena,
                ticks=ticks,
            )
            self._arena = found.arena  # programs run one after the other and can share what lives within a step
        return found

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

    def threads(self, kind: Kind, batch: int) -> int:
        """As many as were asked for, else as many as there is work for."""
        if self._asked_threads is not None:
            return self._asked_threads
        return self.program.threads(kind, batch)

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
            if buffer.name in self.store:
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

    # --- running ---

    def train(
        self, rows: Array, first_step: int, lr: Array, gathering: Gathering | None = None
    ) -> tuple[npt.NDArray[np.float32], dict[str, Array], float]:
        """Train on ``rows`` ``int64[steps, batch]``.

        Args:
            rows: The rows of the data for each step.
            first_step: How many steps were taken before.
            lr: The learning rate of each step, ``float64[steps]``.
            gathering: Where several batches make a step: how those of ``rows`` stand in theirs.

        Returns:
            The loss of each step, the sum of every metric over each step's batch, and the seconds it took.
        """
        steps, batch = rows.shape
        linked = self.linked("step", batch)
        linked.index[: steps * batch] = rows.reshape(-1)
        self._set_scalars(linked, first_step, lr, gathering)
        seconds = linked.run(self.crew(linked.threads), steps)
        self._moved = True
        outputs = {name: array[:steps].copy() for name, array in linked.outputs.items()}
        loss = outputs.pop("loss")
        return loss, {name.removeprefix(SUMMED): array for name, array in outputs.items()}, seconds

    def trace(self, rows: Array, step: int, lr: float, gathering: Gathering | None = None) -> dict[str, Array]:
        """Train one batch ``int64[batch]``, and tell what every layer computed in it, as `Program.trace` has it."""
        import numpy as np

        linked = self.linked("trace", len(rows), 1)
        linked.index[:] = rows
        self._set_scalars(linked, step, np.array([lr]), gathering)
        linked.run(self.crew(linked.threads), 1)
        self._moved = True
        changed = linked.executable.lowered.graph.by_key
        return {name: linked.array(name) for name in linked.executable.lowered.outputs if name not in changed}

    def capacity(self, batch: int) -> int:
        """How many steps `train` takes at once."""
        return self.linked("step", batch).capacity

    def evaluate(self, rows: Visit) -> Measured:
        """Loss and metrics over some rows, as in prediction."""
        import numpy as np

        batch = min(len(rows), self._evaluated_at_once(len(rows)))
        totals: dict[str, float] = {}
        collected: dict[str, list[Array]] = {}
        for part in rows.batches(batch):
            linked = self.linked("evaluate", part.shape[1])
            kept = [name for name in linked.executable.lowered.outputs if name.startswith(COLLECTED)]
            at_once = 1 if kept else linked.capacity  # rows are those of the last step
            for start in range(0, len(part), at_once):
                chunk = part[start : start + at_once]
                linked.index[: chunk.size] = chunk.reshape(-1)
                linked.run(self.crew(linked.threads), len(chunk))
                for name, array in linked.outputs.items():
                    # One after the other, so that the sum does not depend on how many steps are run at once.
                    for value in array[: len(chunk)].tolist():
                        totals[name] = totals.get(name, 0.0) + value
                for name in kept:
                    collected.setdefault(name.removeprefix(COLLECTED), []).append(linked.array(name))
        loss = totals.pop("loss", float("nan")) / len(rows)
        sums = {name.removeprefix(SUMMED): total for name, total in totals.items()}
        found = self._collected({name: np.concatenate(arrays) for name, arrays in collected.items()})
        numbers = {**self.metrics(sums, len(rows)), **{n: v for n, v in found.items() if isinstance(v, float)}}
        in_order = {b.name: numbers[b.name] for b in self.program.document.metrics if b.name in numbers}
        return Measured(len(rows), loss, in_order, {n: v for n, v in found.items() if isinstance(v, list)})

    def _evaluated_at_once(self, rows: int) -> int:
        """Rows of a batch: the training's where gradients are told of, for these depend on it; else what is fast."""
        document = self.program.document
        if any(isinstance(b.what, Inspected) and b.what.inside == "weights" for b in document.metrics):
            return rows if document.train.batch == "full" else document.train.batch
        return max([EVALUATED_ROWS, *(size for kind, size in self._linked if kind == "step")])

    def metrics(self, totals: Mapping[str, float], count: int) -> dict[str, float]:
        """The metrics of ``count`` samples that are told by their sums, by name."""
        return {
            binding.name: binding.what.finish(totals[binding.name], count)
            for binding in self.program.document.metrics
            if isinstance(binding.what, Summed | Inspected) and binding.name in totals
        }

    def _collected(self, rows: Mapping[str, Array]) -> dict[str, Found]:
        """The metrics that are told by the rows of all samples, by name."""
        import numpy as np

        return {
            binding.name: binding.what.finish(rows[binding.name].astype(np.float64))
            for binding in self.program.document.metrics
            if isinstance(binding.what, Collected) and binding.name in rows
        }

    def gradient(self, rows: Array) -> dict[str, Array]:
        """The gradient of the mean loss over ``rows`` by every weight that training may change."""
        linked = self.linked("gradient", len(rows), 1)
        linked.index[:] = rows
        linked.run(self.crew(linked.threads), 1)
        names = [name for name in linked.executable.lowered.outputs if name.startswith("gradient.")]
        return {name.removeprefix("gradient."): linked.array(name) for name in names}

    def predict(self, rows: Array, batch: int = 256) -> dict[str, Array]:
        """The outputs for the rows ``int64[n]``: ``float32[n, ...]`` by name."""
        import numpy as np

        if len(rows) <= batch:
            return self._predict(rows)
        found: dict[str, list[Array]] = {}
        for start in range(0, len(rows), batch):
            for name, part in self._predict(rows[start : start + batch]).items():
                found.setdefault(name, []).append(part)
        return {name: np.concatenate(parts) for name, parts in found.items()}

    def _predict(self, rows: Array) -> dict[str, Array]:
        linked = self.linked("predict", len(rows), 1)
        if self._moved:
            self._derive()
        linked.index[:] = rows
        linked.run(self.crew(linked.threads), 1)
        return {name: linked.array(name) for name in linked.executable.lowered.outputs}

    def given(self, rows: Array, step: int, lr: float, gathering: Gathering | None = None) -> dict[str, Array]:
        """All that the graph of a step reads for one batch, by its keys, for an interpreter."""
        import numpy as np

        graph = self.program.step
        with np.errstate(over="ignore"):
            scalars = self._scalars(step, np.array([lr]), gathering)
            given = {key: np.asarray(np.asarray(array)[0], np.float32) for key, array in scalars.items()}
        given |= {**self._arrays, "index": rows}
        given |= {key_of(v): self.constant(key_of(v)) for v in graph.inputs_of("constant")}
        given |= {key_of(v): self._value(key_of(v)) for v in graph.inputs_of("parameter", "state")}
        return {key: array for key, array in given.items() if key in graph.by_key}

    def _set_scalars(self, linked: Linked, first_step: int, lr: Array, gathering: Gathering | None = None) -> None:
        import numpy as np

        for key, values in self._scalars(first_step, lr, gathering).items():
            if key in linked.inputs:
                with np.errstate(over="ignore"):  # an absurd rate is infinite; the loss will tell
                    linked.inputs[key][: len(lr)] = values

    def _scalars(self, first_step: int, lr: Array, gathering: Gathering | None) -> dict[str, Any]:
        """What the host computes for each of some steps, by the graph's keys."""
        import numpy as np

        steps = batches = np.arange(first_step, first_step + len(lr))
        found: dict[str, Any] = {}
        if gathering is not None:
            steps, batches = gathering.step, gathering.batch
            found |= {SHARE: gathering.share, LAST: gathering.last}
        average, optimizer = self.program.document.train.average, self.program.document.optimizer
        if average is not None:
            found[AVERAGE_RATE] = (1 - average.ema) / (1 - average.ema ** (steps + 1.0))
        scales = {p.lr_scale for p in self.program.parameters.values() if p.trainable} if optimizer else set()
        for lr_scale in scales:
            assert optimizer is not None
            for name, values in optimizer.scalars(lr * lr_scale, steps + 1).items():
                found[scalar_key(name, lr_scale)] = values
        return {"step": batches % (1 << 24), **found}
