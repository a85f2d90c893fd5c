"""The simple recurrent layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from netspec.catalog.activations.activation import Activation
from netspec.catalog.activations.tanh import tanh
from netspec.catalog.initializers import Zeros
from netspec.catalog.layers.recurrent import Gated, Prepared, Step
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.expressions import apply


class Rnn(Gated):
    r"""$s_t = f(x_t U + s_{t-1} W + b)$: Elman's simple recurrent network.

    Shapes: ``[T, in] -> [T, units]``, or ``[units]`` with ``output: last``; twice as wide with ``bidirectional``. The
    port ``state`` is the state after the last real step.

    Weights: ``kernel`` ``[in, units]``, from glorot_uniform; ``recurrent`` ``[units, units]``, from orthogonal;
    ``bias`` ``[units]``, from zeros. Those that read from the end are called ``backward_kernel`` and so on.

    Example:
        inputs: {words: [T, 8]}
        layers: [{rnn: {units: 16, activation: sigmoid}}, {dense: 4}]

    Reference: Elman 1990, Finding structure in time.
    """

    kind: ClassVar[str] = "rnn"
    activation: Activation = Field(default_factory=tanh, description="Applied to the net input of each step.")
    bias: bool = Field(default=True, description="Whether a learned bias is added.")

    def prepare(self, g: Scope, side: str, x: Value, *others: Value) -> Prepared:
        part = self.input_part(g, side, x, Zeros() if self.bias else None)
        return Prepared({"x": part}, {"recurrent": self.recurrent(g, side)})

    def step(self, step: Step) -> Mapping[str, Value]:
        g = step.g
        z = apply(g, "a + b", a=g.add(Contract(), step.states["h"], step.given["recurrent"]), b=step.given["x"])
        return {"h": self.activation.apply(g, z)}
