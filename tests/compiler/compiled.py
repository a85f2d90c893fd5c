"""Runs a graph as machine code: what the tests of passes, lowering and kernels hold against the interpreter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netspec.compiler.codegen import objects
from netspec.compiler.codegen.executable import Executable, Linked, prepare
from netspec.compiler.codegen.memory import Store, keep
from netspec.compiler.graph import Graph, Input, key_of
from netspec.compiler.graph.interpreter import interpret
from netspec.compiler.graph.verify import verify
from netspec.compiler.kernels.crew import Crew
from netspec.compiler.kernels.driver import driver_kernel
from netspec.compiler.kernels.processor import current
from netspec.compiler.passes import optimize

Arrays = dict[str, NDArray[Any]]
HELD = ("parameter", "state", "derived", "constant")


@dataclass
class Compiled:
    """A graph after all passes, scheduled; ``run`` gives every output and what every carried input became."""

    graph: Graph
    few: bool = False
    optimized: Graph = field(init=False)
    executable: Executable = field(init=False)

    def __post_init__(self) -> None:
        verify(self.graph)
        tile = current().tile
        self.optimized = optimize(self.graph, 16 * tile.vectors, few=self.few)
        self.executable = prepare(self.optimized, tile)

    def run(self, arrays: Mapping[str, NDArray[Any]], batch: int, threads: int = 1, steps: int = 1) -> Arrays:
        """The outputs after ``steps`` equal steps, by key."""
        store, linked = self.link(arrays, batch, threads, steps)
        crew = Crew(addresses(self.executable)[driver_kernel()], threads)
        linked.run(crew, steps)
        crew.close()
        found: Arrays = {}
        for key, _ in self.optimized.outputs:
            if key in self.optimized.by_key:
                found[key] = store.get(key)
            else:
                found[key] = linked.array(key)
        return found

    def link(self, arrays: Mapping[str, NDArray[Any]], batch: int, threads: int, steps: int) -> tuple[Store, Linked]:
        """Memory filled with ``arrays``, and the program bound to it."""
        graph, store = self.optimized, Store()
        held = {key_of(value) for value in graph.inputs_of(*HELD)}
        given = {key: np.asarray(array) for key, array in arrays.items()}
        if graph.setup is not None:
            given |= interpret(graph.setup, {key: given[key] for key in graph.setup.by_key})
        for buffer in self.executable.lowered.buffers:
            if buffer.name in held and buffer.place in ("persistent", "constant"):
                store.put(buffer, given[buffer.name].astype(buffer.type.dtype))
        stored = {}
        for value in graph.inputs_of("stored"):
            key = key_of(value)
            stored[key] = keep(given[key].astype(value.type.dtype))
        linked = Linked(
            self.executable,
            addresses(self.executable),
            store,
            stored,
            sizes={"B": batch},
            capacity=steps,
            threads=threads,
        )
        for value in graph.inputs:
            op = value.node.op
            assert isinstance(op, Input)
            if op.role == "index":
                linked.index[:] = np.tile(given[op.key], steps)
            elif op.role == "step":
                linked.inputs[op.key][:] = given[op.key]
        linked.arena.view(np.float32)[:] = np.nan  # what a kernel has not written must not count
        return store, linked


def addresses(executable: Executable) -> Mapping[Any, int]:
    """The kernels' code."""
    return objects.load([*executable.kernels, driver_kernel()])


def assert_close(
    found: Mapping[str, NDArray[Any]], expected: Mapping[str, NDArray[Any]], relative: float = 2e-5
) -> None:
    """Equal to within float32 rounding of the largest element of each array."""
    assert list(found) == list(expected)
    for key, array in expected.items():
        assert found[key].shape == array.shape, key
        scale = max(1.0, float(np.abs(array[np.isfinite(array)]).max(initial=0)))
        np.testing.assert_allclose(found[key], array, rtol=relative, atol=relative * scale, err_msg=key)


def assert_same_bits(found: Mapping[str, NDArray[Any]], expected: Mapping[str, NDArray[Any]]) -> None:
    """The same bits, NaN included."""
    for key, array in expected.items():
        assert np.ascontiguousarray(found[key]).tobytes() == np.ascontiguousarray(array).tobytes(), key


def steps_of(graph: Graph, arrays: Mapping[str, NDArray[Any]], steps: int, sizes: Mapping[str, int]) -> Arrays:
    """What the interpreter makes of so many steps."""
    given: Arrays = dict(arrays)
    outputs: Arrays = {}
    for _ in range(steps):
        outputs = interpret(graph, given, np.float64, sizes)
        given |= {key: array for key, array in outputs.items() if key in graph.by_key}
    return outputs
