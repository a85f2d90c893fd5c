"""Positional encodings: what tells places apart that attention sees all at once."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from netspec.catalog.fields import Positive
from netspec.catalog.initializers.random import Normal
from netspec.catalog.layers.axes import fixed, last_length, shown
from netspec.catalog.layers.layer import Layer, Sight
from netspec.catalog.scope import Scope
from netspec.compiler.formula import parse
from netspec.compiler.graph import Value
from netspec.compiler.ops.broadcast import Broadcast
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.expressions import apply, lower_formula
from netspec.compiler.ops.iota import Iota
from netspec.compiler.ops.reshape import Reshape
from netspec.tensortype import Dim, ShapeError, known, lengths

_WAVES = "w = t * exp({rate!r} * floor(column() / 2)); where(column() - 2 * floor(column() / 2) < 1, sin(w), cos(w))"


class Positional(Layer):
    r"""$y_t = x_t + p_t$, where $p_t$ tells the place of step t in its sequence, from 0.

    ``sinusoidal``: $p_{t,2i} = \sin(t / 10000^{2i/n})$ and $p_{t,2i+1} = \cos(t / 10000^{2i/n})$, for sequences of any
    length. ``learned``: a row of a table for each of the first ``length`` steps; those behind share the last row.

    Shapes: ``[T, n] -> [T, n]``; places may be a fixed axis.

    Weights: ``table`` ``[length, n]`` if it is learned, from normal numbers with a deviation of 0.02.

    Example:
        inputs: {words: [T, 16]}
        layers:
          - positional
          - attention: {heads: 4}

    Reference: Vaswani et al. 2017, Attention is all you need.
    """

    kind: ClassVar[str] = "positional"
    encoding: Literal["sinusoidal", "learned"] = Field(
        default="sinusoidal", description="Waves of many lengths, or rows of a table.", json_schema_extra={"main": True}
    )
    length: Positive | None = Field(default=None, description="Rows of the table that is learned.", examples=[512])

    @model_validator(mode="after")
    def _has_length(self) -> Positional:
        if (self.encoding == "learned") != (self.length is not None):
            raise ValueError("`length` is the number of rows of the table of `encoding: learned`, which needs it")
        return self

    def sight(self, *inputs: Value) -> Sight:
        return "past" if any(lengths(x.type.shape[0]) for x in inputs) else "step"  # which it counts

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        *places, width = fixed(self.kind, x)
        if len(places) > 1:
            raise ShapeError(f"`positional` goes along one axis of places, got {shown(x)}", "put `reshape` before it")
        if self.length is not None:
            return apply(g, "x + p", x=x, p=self._learned(g, x, self.length))
        steps, rows = (places[0], x.type.shape[0]) if places else last_length(self.kind, x)
        t = g.add(Broadcast((steps, width)), _counted(g, steps))
        (waves,) = lower_formula(g, parse(_WAVES.format(rate=-2 * math.log(10_000) / known(width)), ("t",)), {"t": t})
        if places:
            return apply(g, "x + p", x=x, p=waves)
        apart = g.add(Reshape((steps, rows, width)), x)
        y = apply(g, "x + p", x=apart, p=g.add(Reshape((steps, 1, width)), waves))
        return g.add(Reshape(x.type.shape), y)

    def _learned(self, g: Scope, x: Value, length: int) -> Value:
        """The row of the table for each place of ``x``.

        A product with ones chooses them, and the way back is one sum over all places. It takes as long as a dense layer
        of ``length`` units.
        """
        *places, width = fixed(self.kind, x)
        table = g.parameter("table", (length, width), Normal(std=0.02))
        steps, rows = (places[0], x.type.shape[0]) if places else last_length(self.kind, x)
        t = apply(g, f"min(t, {length - 1})", t=g.add(Broadcast((steps, length)), _counted(g, steps)))
        (chosen,) = lower_formula(g, parse("where(column() == t, 1, 0)", ("t",)), {"t": t})
        if places:
            return g.add(Contract(), chosen, table)
        every = g.add(Broadcast((steps, rows, length)), g.add(Reshape((steps, 1, length)), chosen))
        return g.add(Contract(), g.add(Reshape((steps * rows, length)), every), table)


def _counted(g: Scope, steps: Dim) -> Value:
    """The number of each step, ``float32[steps, 1]``."""
    return g.add(Reshape((steps, 1)), apply(g, "1 * t", t=g.add(Iota((1, steps), 1))))
