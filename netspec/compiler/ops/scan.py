"""Recurrence: a graph that runs once for every step, with state that goes from step to step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

from netspec.compiler.formula.parse import parse
from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Graph, Node, Value, key_of, role_of
from netspec.compiler.graph.op import Op, Sample
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.map import Map
from netspec.tensortype import BATCH, Dim, ShapeError, TensorType, known, total

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Buffer, Lowering
    from netspec.compiler.graph.op import Array, Real

KEPT = "kept."
"""Before the number of an output: what the way back needs of each step."""

_SUM = parse("a + b", ("a", "b"))


@dataclass(frozen=True)
class Scan(Op):
    """Run ``body`` for each of ``steps``, the last one first if it is ``reverse``.

    The inputs of the body say what it is given, in the order of this op's inputs: ``state`` begins with ``[N, ...]``
    and is in each step what the output of its key was in the step before; ``slice`` is the step's ``[N, ...]`` of an
    array ``[steps*N, ...]``; ``constant`` is the same in all steps. The results are the body's outputs: of a state the
    whole track ``[(steps + 1)*N, ...]``, what it began with and what it was after each step, in the order of the steps;
    of all else ``[steps*N, ...]``.

    Its gradient is back-propagation through time: a scan the other way round, whose body pulls cotangents back through
    one step. What a weight gets from all steps is one product after it, over steps and samples.
    """

    name: ClassVar[str] = "scan"
    body: Graph
    steps: Dim
    reverse: bool = False

    def bodies(self) -> tuple[Graph, ...]:
        return (self.body,)

    def with_bodies(self, bodies: Sequence[Graph]) -> Self:
        return replace(self, body=bodies[0])

    @property
    def states(self) -> dict[str, Value]:
        """The inputs of the body that go from step to step, by key."""
        return {key_of(value): value for value in self.body.inputs_of("state")}

    @property
    def rows(self) -> Dim:
        """Rows of one step, N."""
        return next(iter(self.states.values())).type.shape[0]

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        if len(inputs) != len(self.body.inputs) or not self.states:
            raise ShapeError(f"`scan` has a body of {len(self.body.inputs)} inputs and is given {len(inputs)}")
        for value, given in zip(self.body.inputs, inputs, strict=True):
            shape = value.type.shape
            wanted = (self.steps * shape[0], *shape[1:]) if role_of(value) == "slice" else shape
            if given.shape != wanted:
                raise ShapeError(f"`scan` reads {key_of(value)} {TensorType(value.type.dtype, wanted)}, got {given}")
        return tuple(self._result(key, value.type) for key, value in self.body.outputs)

    def _result(self, key: str, type_: TensorType) -> TensorType:
        steps = self.steps + 1 if key in self.states else self.steps
        return type_.with_shape((steps * type_.shape[0], *type_.shape[1:]))

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        from netspec.compiler.ops.scan_reverse import pulled_back  # which makes a scan itself

        return pulled_back(g, node, self, cotangents)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        from netspec.compiler.graph.interpreter import interpret

        steps, rows = known(self.steps), known(self.rows)
        given = dict(zip(map(key_of, self.body.inputs), inputs, strict=True))
        states = {key: given[key] for key in self.states}
        made: dict[str, list[Array]] = {key: [states[key]] if key in states else [] for key, _ in self.body.outputs}
        sliced = [key_of(value) for value in self.body.inputs_of("slice")]
        for step in reversed(range(steps)) if self.reverse else range(steps):
            now = {key: given[key][step * rows : (step + 1) * rows] for key in sliced}
            found = interpret(self.body, {**given, **now, **states}, real)
            states = {key: found[key] for key in states}
            for key, array in found.items():
                made[key].append(array)
        empty = [np.empty((0, *(known(n) for n in v.type.shape[1:])), real) for _, v in self.body.outputs]
        order = -1 if self.reverse else 1
        pairs = zip(self.body.outputs, empty, strict=True)
        return tuple(np.concatenate([*made[key][::order], none]) for (key, _), none in pairs)

    def multiply_adds(self, inputs: Sequence[TensorType]) -> Dim:
        each = (node.op.multiply_adds([value.type for value in node.inputs]) for node in self.body.nodes)
        return self.steps * total(each)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.ops.stretch import Stretch, copy

        results = {key: lowering.buffer(value) for (key, _), value in zip(self.body.outputs, node.values, strict=True)}
        buffers: dict[Value, Buffer] = {}
        for value, outer in zip(self.body.inputs, node.inputs, strict=True):
            given, role = lowering.buffer(outer), role_of(value)
            if role == "state":
                first = self._step(results[key_of(value)], value.type, before=True)
                copy(lowering, Stretch(given), Stretch(replace(first, step=0)))
                buffers[value] = first
            else:
                buffers[value] = self._step(given, value.type) if role == "slice" else given
        outputs = {
            value: self._step(results[key], value.type, before=False if key in self.states else None)
            for key, value in self.body.outputs
        }
        lowering.loop(self.body, {**buffers, **outputs}, self.steps)

    def _step(self, whole: Buffer, type_: TensorType, *, before: bool | None = None) -> Buffer:
        """One step's rows; of a track those before or after the step."""
        rows = type_.shape[0]
        first: Dim = self.steps - 1 if self.reverse else 0
        if before is not None:
            first = first + (before == self.reverse)
        stride = rows * whole.row_stride
        sign = -1 if self.reverse else 1
        return replace(
            whole,
            type=type_,
            rows=rows,
            whole=whole.memory,
            offset=whole.offset + first * stride,
            step=stride * sign,
            block=True,
        )

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for units in (1, 15, 16, 17):
            for reverse in (False, True):
                yield _sample(cls(_simple(units), 3, reverse), units)
        yield _sample(cls(_simple(5), 1), 5)


def scan(
    g: GraphBuilder, body: Graph, given: Mapping[str, Value], steps: Dim, *, reverse: bool = False
) -> dict[str, Value]:
    """The results of a scan by the keys of the body's outputs, given its inputs by theirs.

    The body gives also what the way back would take long to compute again; what nobody reads falls away later.
    """
    from netspec.compiler.ops.scan_kept import split_costly, worth_keeping

    body = split_costly(body)
    states = {key_of(value) for value in body.inputs_of("state")}
    told = {value for key, value in body.outputs if key not in states}
    kept = [value for value in dict.fromkeys(worth_keeping(body)) if value not in told]
    outputs = (*body.outputs, *((f"{KEPT}{i}", value) for i, value in enumerate(kept)))
    whole = Graph(body.name, body.inputs, outputs)
    node = g.node(Scan(whole, steps, reverse), *(given[key_of(value)] for value in whole.inputs))
    return {key: value for (key, _), value in zip(outputs, node.values, strict=True)}


def _simple(units: int) -> Graph:
    """``s = tanh(x + s W)`` with a number beside that is no state."""
    g = GraphBuilder()
    s = g.input("s", TensorType("float32", (BATCH, units)), "state")
    x = g.input("x", TensorType("float32", (BATCH, units)), "slice")
    w = g.input("w", TensorType("float32", (units, units)), "constant")
    z = g.add(Map(_SUM), g.add(Contract(), s, w), x)
    new = g.add(Map(parse("tanh(z)", ("z",))), z)
    return g.graph("simple", {"s": new, "y": g.add(Map(parse("0.5 * s * z", ("s", "z"))), s, z)})


def _sample(op: Scan, units: int) -> Sample:
    shapes: tuple[tuple[Dim, ...], ...] = ((BATCH, units), (op.steps * BATCH, units), (units, units))
    return Sample(op, tuple(TensorType("float32", shape) for shape in shapes), low=-1, high=1)
