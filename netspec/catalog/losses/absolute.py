"""Losses of real numbers that far-off targets pull at no harder than near ones."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from netspec.catalog.fields import AboveZero
from netspec.catalog.losses.loss import Loss
from netspec.catalog.losses.targets import mean, numbers
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply


class Mae(Loss):
    r"""$\frac1K \sum_k |y_k - t_k|$, the mean over outputs; where they are equal the derivative is 0.

    Reference: Boscovich 1757, De litteraria expeditione per pontificiam ditionem.
    """

    kind: ClassVar[str] = "mae"

    def build(self, g: Scope, output: Value, target: Value) -> Value:
        # Not abs(y - t), whose derivative at 0 would be that of one side: a target that is met would be left again.
        return mean(g, apply(g, "max(y - t, 0) + max(t - y, 0)", y=output, t=numbers(g, output, target)))


class Huber(Loss):
    r"""$\frac12 d^2$ where $|d| \le \delta$, else $\delta (|d| - \frac12 \delta)$; $d = y - t$, the mean over outputs.

    Reference: Huber 1964, Robust estimation of a location parameter.
    """

    kind: ClassVar[str] = "huber"
    delta: AboveZero = Field(
        default=1.0, description="The difference from which on the loss is linear.", json_schema_extra={"main": True}
    )

    def build(self, g: Scope, output: Value, target: Value) -> Value:
        delta = repr(self.delta)
        text = f"d = y - t; where(abs(d) > {delta}, {delta} * (abs(d) - 0.5 * {delta}), 0.5 * d * d)"
        return mean(g, apply(g, text, y=output, t=numbers(g, output, target)))


class Quantile(Loss):
    r"""$\max(q d, (q - 1) d)$, $d = t - y$, the mean over outputs: least where a share $q$ of targets lies below $y$.

    Reference: Koenker & Bassett 1978, Regression quantiles.
    """

    kind: ClassVar[str] = "quantile"
    q: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.5, description="The share of targets that shall lie below.", json_schema_extra={"main": True}
    )

    def build(self, g: Scope, output: Value, target: Value) -> Value:
        text = f"{self.q!r} * max(t - y, 0) + {1 - self.q!r} * max(y - t, 0)"
        return mean(g, apply(g, text, y=output, t=numbers(g, output, target)))
