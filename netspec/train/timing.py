"""Where the time of a step goes, kernel by kernel, measured on made-up data."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from netspec.compiler.graph import Graph, Node, key_of
from netspec.diagnostics import ChoiceError, Diagnostic
from netspec.inspection import STATED_LENGTH
from netspec.pipeline import Kind, Program
from netspec.spec.places import ROWS_OF_DATA
from netspec.tensortype import ShapeError, TensorType, bind, known
from netspec.train.engine import Engine

if TYPE_CHECKING:
    import numpy.typing as npt

    from netspec.compiler.codegen.executable import Linked
    from netspec.compiler.graph.lowering import Call

    Array = npt.NDArray[Any]

SECONDS: Final = 1.5
"""How long steps are measured, at least."""

ROUND: Final = 0.02
"""Seconds of the steps that are taken together."""

FULL_BATCH: Final = 256
"""Rows where the batch is all rows, of data that are not opened."""


@dataclass(frozen=True)
class TimedKernel:
    """All calls of one kernel for one layer; ``seconds`` of a step, as a mean over the threads."""

    kernel: str
    layer: str | None
    line: int | None
    calls: int
    seconds: float
    macs: int


@dataclass(frozen=True)
class Timing:
    """A step (or a prediction) and its kernels, in the order in which they begin."""

    kind: Kind
    batch: int
    threads: int
    seconds: float
    waiting: float  # seconds at barriers, as a mean over the threads
    flops_limit: float  # of these threads together, measured just before
    kernels: tuple[TimedKernel, ...]

    @property
    def macs(self) -> int:
        return sum(kernel.macs for kernel in self.kernels)

    def summary(self) -> dict[str, Any]:
        """The facts of ``show --time --json``."""
        kernels = [
            {name: getattr(kernel, name) for name in ("kernel", "layer", "line", "calls", "seconds", "macs")}
            for kernel in self.kernels
        ]
        facts = {name: getattr(self, name) for name in ("batch", "threads", "seconds", "waiting", "flops_limit")}
        return {"what": "training" if self.kind == "step" else "prediction", **facts, "kernels": kernels}


def time_kernels(
    program: Program, kind: Kind, *, threads: int | None = None, compiling: Callable[[int, int], None] | None = None
) -> Timing:
    """Run steps of a network on random numbers, and tell what each kernel takes.

    Args:
        program: The network; its data need not be opened.
        kind: A training step, or a prediction.
        threads: How many; by default as many as pay.
        compiling: Who is told how many kernels are compiled, and of how many.

    Raises:
        ChoiceError: if sizes are known only from the data.
    """
    from netspec.compiler.codegen.objects import load
    from netspec.compiler.kernels.limits import measured_fma_limit

    timed = time_calls(program, kind, threads=threads, compiling=compiling)
    limit = measured_fma_limit(load, timed.threads)
    return Timing(kind, timed.sizes["B"], timed.threads, timed.seconds, timed.waiting, limit, _kernels(timed))


@dataclass(frozen=True)
class TimedCalls:
    """A step, and the calls of its program in their order with the seconds of each, as a mean over the threads."""

    sizes: Mapping[str, int]
    threads: int
    seconds: float
    waiting: float
    calls: tuple[tuple[Call, float], ...]


def time_calls(
    program: Program,
    kind: Kind,
    *,
    threads: int | None = None,
    seconds: float | None = None,
    compiling: Callable[[int, int], None] | None = None,
) -> TimedCalls:
    """Every call of a step by itself; ``seconds`` is how long to measure, at least."""
    batch = program.document.train.batch if kind == "step" else 1
    batch = FULL_BATCH if batch == "full" else batch
    engine = engine_without_data(program, kind, batch, threads=threads, compiling=compiling)
    try:
        return _measured(
            engine,
            engine.linked(kind, engine.lengths.largest(batch), ticks=True),
            kind,
            SECONDS if seconds is None else seconds,
        )
    finally:
        engine.close()


def engine_without_data(
    program: Program,
    kind: Kind,
    batch: int,
    *,
    threads: int | None = None,
    compiling: Callable[[int, int], None] | None = None,
) -> Engine:
    """An engine over ``batch`` made-up rows.

    Raises:
        ChoiceError: if sizes are known only from the data.
    """
    given, constants = _made_up(program.graph(kind), batch)
    return Engine(program, given, constants, seed=0, threads=threads, compiling=compiling)


def _made_up(graph: Graph, rows: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """Stored fields and fitted constants that a graph reads: pixels and numbers at random, category 0.

    Samples whose lengths differ have `STATED_LENGTH` steps.
    """
    import numpy as np

    from netspec.compiler.codegen.memory import keep

    rng = np.random.default_rng(0)

    def draw(key: str, type_: TensorType) -> Array:
        if key.endswith(".lengths"):
            return np.full(rows, STATED_LENGTH, np.int32)
        shape = (rows if type_.shape[:1] == (ROWS_OF_DATA,) else rows + STATED_LENGTH, *map(known, type_.shape[1:]))
        if len(shape) > 2 and type_.dtype == "uint8":
            return rng.integers(0, 256, shape, np.uint8)
        return rng.normal(size=shape).astype(np.float32) if type_.dtype == "float32" else np.zeros(shape, type_.dtype)

    try:
        given = {
            key_of(value).removeprefix("data."): keep(draw(key_of(value), value.type))
            for value in graph.inputs_of("stored")
        }
        fitted = [value for value in graph.inputs_of("constant") if "/stream_" not in key_of(value)]
        constants = {key_of(value): np.ones([known(n) for n in value.type.shape], np.float32) for value in fitted}
        for value in graph.inputs_of("parameter", "state"):
            known(value.type.elements)
    except ShapeError as unknown:
        message = f"kernels cannot be timed without the data: {unknown}"
        helps = ("give a vocabulary its `max_size`",)
        raise ChoiceError(Diagnostic("cannot-time", message, helps=helps)) from None
    return given, constants


def _measured(engine: Engine, linked: Linked, kind: Kind, seconds: float) -> TimedCalls:
    """Rounds of steps; of each row the median of the rounds."""
    import numpy as np

    steps = 1
    while (took := _round(engine, linked, kind, steps)) < ROUND and steps < linked.capacity:
        steps = min(linked.capacity, 1 + int(steps * min(10.0, 1.2 * ROUND / took)))
    totals: list[float] = []
    rows: list[Array] = []
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds or len(rows) < 3:
        before = linked.program.ticks(linked.threads).copy()
        totals.append(_round(engine, linked, kind, steps))
        ticks = linked.program.ticks(linked.threads) - before
        rows.append(ticks.mean(axis=0) / ticks.sum(axis=1).max() * totals[-1] / steps)
    found = list(zip(linked.calls, linked.program.labels, np.median(rows, axis=0).tolist(), strict=True))
    waiting = sum(took for _, label, took in found if label == "barrier")
    calls = tuple((call, took) for call, _, took in found if call is not None)
    return TimedCalls(linked.sizes, linked.threads, float(np.median(totals)) / steps, waiting, calls)


def _round(engine: Engine, linked: Linked, kind: Kind, steps: int) -> float:
    """Seconds of some steps, at a rate that leaves the weights what they are."""
    import numpy as np

    rows = np.tile(np.arange(linked.batch), (steps, 1))
    begin = time.perf_counter()
    if kind == "step":
        engine.train(rows, 0, np.zeros(steps))
    else:
        linked.index[: rows.size] = rows.reshape(-1)
        linked.run(engine.crew(linked.threads), steps)
    return time.perf_counter() - begin


def _kernels(timed: TimedCalls) -> tuple[TimedKernel, ...]:
    """The calls by kernel and layer. A node's multiply-adds are those of its longest call."""
    longest: dict[Node, float] = {}
    groups: dict[tuple[str, str | None], list[tuple[Call, float]]] = {}
    for call, took in timed.calls:
        longest[call.node] = max(took, longest.get(call.node, 0.0))
        layer = call.node.origin.path if call.node.origin else None
        groups.setdefault((call.kernel.name, layer), []).append((call, took))

    def macs(call: Call, took: float) -> int:
        if took < longest[call.node]:
            return 0
        return known(bind(call.node.op.multiply_adds([v.type for v in call.node.inputs]), timed.sizes))

    return tuple(
        TimedKernel(
            kernel,
            layer,
            calls[0][0].node.origin.line if calls[0][0].node.origin else None,
            len(calls),
            sum(took for _, took in calls),
            sum(macs(call, took) for call, took in calls),
        )
        for (kernel, layer), calls in groups.items()
    )
