"""The gated recurrent unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from netspec.catalog.initializers import Zeros
from netspec.catalog.layers.recurrent import Gated, Prepared, Step, gate
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.slice import Slice


class Gru(Gated):
    r"""$h_t = (1 - z) n + z h_{t-1}$, with gates $r, z = \sigma(x_t K + h_{t-1} R + b)$ and a candidate $n$.

    With ``reset: after`` $n = \tanh(x_t K_n + b_n + r (h_{t-1} R_n + c))$, one product a step; with ``reset: before``
    $n = \tanh(x_t K_n + b_n + (r h_{t-1}) R_n)$, as it was published.

    Shapes: ``[T, in] -> [T, units]``, or ``[units]`` with ``output: last``; twice as wide with ``bidirectional``. The
    port ``state`` is the state after the last real step.

    Weights: ``kernel`` ``[in, 3*units]``, from glorot_uniform, ``recurrent`` ``[units, 3*units]``, from orthogonal,
    ``bias`` ``[3*units]``, from zeros; columns in the order $r, z, n$. With ``reset: after`` also ``recurrent_bias``
    ``[units]``, from zeros, $c$. Those that read from the end are called ``backward_kernel`` and so on.

    Example:
        inputs: {words: [T, 8]}
        layers: [{gru: 16}, {dense: 4}]

    Reference: Cho et al. 2014, Learning phrase representations using RNN encoder-decoder for statistical machine
    translation.
    """

    kind: ClassVar[str] = "gru"
    gates: ClassVar[int] = 3
    reset: Literal["after", "before"] = Field(
        default="after", description="Whether the reset gate acts on the product with the state, or on the state."
    )

    def prepare(self, g: Scope, side: str, x: Value, *others: Value) -> Prepared:
        n, part, whole = self.units, self.input_part(g, side, x, Zeros()), self.recurrent(g, side)
        if self.reset == "after":
            bias = g.parameter(f"{side}recurrent_bias", (n,), Zeros())
            return Prepared({"x": part}, {"recurrent": whole, "bias": bias})
        weights = {"gates": g.add(Slice(1, 0, 2 * n), whole), "candidate": g.add(Slice(1, 2 * n, 3 * n), whole)}
        return Prepared({"x": part}, weights)

    def step(self, step: Step) -> Mapping[str, Value]:
        g, h, given = step.g, step.states["h"], step.given
        of_x = [gate(g, given["x"], k * self.units, (k + 1) * self.units) for k in range(self.gates)]
        if self.reset == "after":
            u = g.add(Contract(), h, given["recurrent"])
            of_h = [gate(g, u, k * self.units, (k + 1) * self.units) for k in range(self.gates)]
            r, z = (apply(g, "sigmoid(x + u)", x=of_x[k], u=of_h[k]) for k in (0, 1))
            n = apply(g, "tanh(x + r * (u + b))", x=of_x[2], r=r, u=of_h[2], b=given["bias"])
        else:
            u = g.add(Contract(), h, given["gates"])
            of_h = [gate(g, u, k * self.units, (k + 1) * self.units) for k in (0, 1)]
            r, z = (apply(g, "sigmoid(x + u)", x=of_x[k], u=of_h[k]) for k in (0, 1))
            u = g.add(Contract(), apply(g, "r * h", r=r, h=h), given["candidate"])
            n = apply(g, "tanh(x + u)", x=of_x[2], u=u)
        return {"h": apply(g, "(1 - z) * n + z * h", z=z, n=n, h=h)}
