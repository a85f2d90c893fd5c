"""The long short-term memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from netspec.catalog.initializers import Parts, Zeros
from netspec.catalog.layers.recurrent import Gated, Prepared, Step, gate
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.slice import Slice


class Lstm(Gated):
    r"""$c_t = f c_{t-1} + i g$ and $h_t = o \tanh c_t$, with gates $i, f, o = \sigma(\cdot)$ and $g = \tanh(\cdot)$.

    They read $x_t K + h_{t-1} R + b$; with ``peepholes`` $i$ and $f$ read $p c_{t-1}$ too, and $o$ reads $p c_t$.

    Shapes: ``[T, in] -> [T, units]``, or ``[units]`` with ``output: last``; twice as wide with ``bidirectional``. The
    port ``state`` is $h$ and beside it $c$ after the last real step, ``[2*units]``.

    Weights: ``kernel`` ``[in, 4*units]``, from glorot_uniform, ``recurrent`` ``[units, 4*units]``, from orthogonal, and
    ``bias`` ``[4*units]``, from zeros, but ``forget_bias`` for the forget gate; columns in the order $i, f, g, o$.
    ``peephole`` ``[3*units]``, from zeros, in the order $i, f, o$. Those that read from the end are called
    ``backward_kernel`` and so on.

    Example:
        inputs: {words: [T, 8]}
        layers: [{lstm: {units: 16, output: last}}, {dense: 4}]

    Reference: Hochreiter & Schmidhuber 1997, Long short-term memory; Gers, Schraudolph & Schmidhuber 2002, Learning
    precise timing with LSTM recurrent networks (peepholes); Jozefowicz, Zaremba & Sutskever 2015, An empirical
    exploration of recurrent network architectures (forget bias).
    """

    kind: ClassVar[str] = "lstm"
    gates: ClassVar[int] = 4
    forget_bias: float = Field(default=1.0, description="What the bias of the forget gate starts with.")
    peepholes: bool = Field(default=False, description="Whether gates see the cell's state.")

    @property
    def states(self) -> Mapping[str, int]:
        return {"h": self.units, "c": self.units}

    def prepare(self, g: Scope, side: str, x: Value, *others: Value) -> Prepared:
        n = self.units
        bias = Parts(numbers=(0.0, self.forget_bias, 0.0, 0.0))
        part, weights = self.input_part(g, side, x, bias), {"recurrent": self.recurrent(g, side)}
        if self.peepholes:
            whole = g.parameter(f"{side}peephole", (3 * n,), Zeros())
            weights |= {name: g.add(Slice(0, k * n, (k + 1) * n), whole) for k, name in enumerate("ifo")}
        return Prepared({"x": part}, weights)

    def step(self, step: Step) -> Mapping[str, Value]:
        g, h, c, weights = step.g, step.states["h"], step.states["c"], step.given
        z = apply(g, "a + b", a=g.add(Contract(), h, weights["recurrent"]), b=weights["x"])
        i, f, candidate, o = (gate(g, z, k * self.units, (k + 1) * self.units) for k in range(self.gates))
        if not self.peepholes:
            c = apply(g, "sigmoid(f) * c + sigmoid(i) * tanh(g)", f=f, c=c, i=i, g=candidate)
            return {"h": apply(g, "sigmoid(o) * tanh(c)", o=o, c=c), "c": c}
        new = "sigmoid(f + q * c) * c + sigmoid(i + p * c) * tanh(g)"
        c = apply(g, new, f=f, q=weights["f"], c=c, i=i, p=weights["i"], g=candidate)
        return {"h": apply(g, "sigmoid(o + p * c) * tanh(c)", o=o, p=weights["o"], c=c), "c": c}
