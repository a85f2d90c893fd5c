"""What recurrent layers share: the walk along a length axis, in either direction, and the states they leave behind."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from netspec.catalog.fields import Positive
from netspec.catalog.initializers import GlorotUniform, Orthogonal
from netspec.catalog.initializers.initializer import Initializer
from netspec.catalog.layers.axes import fixed, last_length, shown
from netspec.catalog.layers.layer import Built, Layer, Sight
from netspec.catalog.layers.product import product
from netspec.catalog.scope import Scope
from netspec.compiler.graph import GraphBuilder, Value
from netspec.compiler.graph.arithmetic import constant
from netspec.compiler.ops.concat import Concat
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.scan import scan
from netspec.compiler.ops.slice import Slice
from netspec.tensortype import BATCH, Dim, ShapeError, TensorType

BACKWARD = "backward_"
"""Before the names of the weights that read the other way round."""


@dataclass(frozen=True)
class Prepared:
    """What a cell is given: ``every`` step's rows of what was made for all steps at once, and ``same`` at each step."""

    every: Mapping[str, Value]
    same: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One step of a cell: where it builds, its states before the step, and what `Prepared` has named."""

    g: Scope
    states: Mapping[str, Value]
    given: Mapping[str, Value]


def gate(g: Scope, z: Value, start: int, stop: int) -> Value:
    """The columns of one gate of several."""
    return g.add(Slice(1, start, stop), z)


class Recurrence(Layer):
    """A layer that goes along the last length axis with the same weights at every step."""

    references: ClassVar[tuple[str, ...]] = ("initial",)
    resumes: ClassVar[bool] = True

    output: Literal["every", "last"] = Field(default="every", description="Every step, or the last real one alone.")
    bidirectional: bool = Field(
        default=False, description="Whether other units read from the end, and both stand beside each other."
    )
    initial: str | None = Field(
        default=None,
        description="The value that it begins with, such as `encoder.state`; else zeros.",
        examples=["encoder.state"],
    )
    carry: bool = Field(
        default=False, description="Whether a window of a stream begins with the state that the one before it ended in."
    )

    @model_validator(mode="after")
    def _carries_one_way(self) -> Recurrence:
        if self.carry and self.bidirectional:
            raise ValueError("`carry` goes on from the window before, and `bidirectional` reads what comes later, too")
        if self.carry and self.initial is not None:
            raise ValueError("`carry` and `initial` both say what it begins with: keep one of them")
        return self

    def sight(self, *inputs: Value) -> Sight:
        return "all" if self.bidirectional else "past"

    @property
    def carries(self) -> bool:
        return self.carry

    @property
    @abstractmethod
    def states(self) -> Mapping[str, int]:
        """How wide each state is; the first one is what the layer gives."""

    @property
    def given_states(self) -> tuple[str, ...]:
        """The states that another layer may give, and that the port `state` shows side by side."""
        return tuple(self.states)

    def start(self, g: Scope, state: str, shape: tuple[Dim, Dim]) -> Value:
        """What a state is before the first step, unless it is given."""
        return constant(g.graph, 0.0, shape)

    @abstractmethod
    def prepare(self, g: Scope, side: str, x: Value, *others: Value) -> Prepared:
        """What is made of ``x`` ``float32[R, features]`` for all steps at once, and the weights that each step reads.

        ``side`` stands before the names of the weights of the units that read from the end.
        """

    @abstractmethod
    def step(self, step: Step) -> Mapping[str, Value]:
        """The states after a step."""

    def build(self, g: Scope, *inputs: Value) -> Built:
        x, *others = inputs
        given = others.pop() if self.initial is not None else None
        steps, rows = last_length(self.kind, x)
        if len(fixed(self.kind, x)) != 1:
            raise ShapeError(f"`{self.kind}` reads one axis of values at each step, got {shown(x)}")
        sides = ("", BACKWARD) if self.bidirectional else ("",)
        begin = self._begin(g, given, rows, sides)
        goes_on = rows == BATCH and not self.bidirectional
        if self.carry and not goes_on:
            raise ShapeError(f"`carry` goes on from one sample to the next, and `{self.kind}` reads parts of one")
        if goes_on:
            begin[""] = {name: g.resumed(name, start, asked=self.carry) for name, start in begin[""].items()}
        every: list[Value] = []
        last: list[Value] = []
        for side in sides:
            tracks = self._walk(g, self.prepare(g, side, x, *others), begin[side], x, side)
            end = (0, rows) if side else (steps * rows, (steps + 1) * rows)
            stretch = (0, steps * rows) if side else (rows, (steps + 1) * rows)
            every.append(g.add(Slice(0, *stretch), tracks[next(iter(self.states))]))
            after = {name: g.add(Slice(0, *end), tracks[name]) for name in self.states}
            last += [after[name] for name in self.given_states]
            for name, value in after.items() if goes_on else ():
                g.leave(name, value)
        y = beside(g, every if self.output == "every" else last[:: len(self.given_states)])
        return {"": y, "state": beside(g, last)}

    def _begin(self, g: Scope, given: Value | None, rows: Dim, sides: tuple[str, ...]) -> dict[str, dict[str, Value]]:
        """The states before the first step, for each side: zeros, or what another layer has left."""
        begin = {
            side: {name: self.start(g, name, (rows, width)) for name, width in self.states.items()} for side in sides
        }
        if given is None:
            return begin
        width = len(sides) * sum(self.states[name] for name in self.given_states)
        if given.type.shape != (rows, width):
            raise ShapeError(f"`{self.kind}` begins with a state of [{width}], got {shown(given)}")
        at = 0
        for side in sides:
            for name in self.given_states:
                begin[side][name] = g.add(Slice(1, at, at + self.states[name]), given)
                at += self.states[name]
        return begin

    def _walk(self, g: Scope, made: Prepared, begin: Mapping[str, Value], x: Value, side: str) -> dict[str, Value]:
        """The tracks of the states, ``float32[(steps + 1)*rows, width]``."""
        steps, rows = last_length(self.kind, x)
        real, every = g.real(x), dict(made.every)
        if real is not None:
            every["real"] = g.add(Reshape((steps * rows, 1)), real)
        inner = GraphBuilder(g.graph.origin)
        states = {
            name: inner.input(name, TensorType("float32", (rows, width)), "state")
            for name, width in self.states.items()
        }
        given = {
            name: inner.input(name, TensorType("float32", (rows, *value.type.shape[1:])), "slice")
            for name, value in every.items()
        }
        given |= {name: inner.input(name, value.type, "constant") for name, value in made.same.items()}
        after = dict(self.step(Step(g.inside(inner), states, given)))
        if real is not None:
            held = "where(real > 0, new, old)"
            after = {
                name: apply(inner, held, real=given["real"], new=value, old=states[name])
                for name, value in after.items()
            }
        name = f"{g.path}.{side.rstrip('_')}" if side else g.path
        return scan(g.graph, inner.graph(name, after), {**begin, **every, **made.same}, steps, reverse=bool(side))


class Gated(Recurrence):
    """A recurrent layer whose states are all as wide, and whose gates stand beside each other in its weights."""

    units: Positive = Field(description="Units.", json_schema_extra={"main": True})
    gates: ClassVar[int] = 1

    @property
    def states(self) -> Mapping[str, int]:
        return {"h": self.units}

    def input_part(self, g: Scope, side: str, x: Value, bias: Initializer | None) -> Value:
        """``x kernel + bias`` for all gates, ``float32[R, gates*units]``."""
        features, columns = x.type.shape[1], self.gates * self.units
        kernel = g.parameter(f"{side}kernel", (features, columns), GlorotUniform(), (features, columns))
        y = product(g, x, kernel)
        return y if bias is None else apply(g, "y + b", y=y, b=g.parameter(f"{side}bias", (columns,), bias))

    def recurrent(self, g: Scope, side: str) -> Value:
        """The weights from the state into the gates, ``float32[units, gates*units]``."""
        shape = (self.units, self.gates * self.units)
        return g.parameter(f"{side}recurrent", shape, Orthogonal(), shape)


def beside(g: Scope, values: list[Value]) -> Value:
    """Values side by side along the last axis."""
    return values[0] if len(values) == 1 else g.add(Concat(1), *values)
