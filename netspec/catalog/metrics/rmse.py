"""The root of the mean squared error."""

from __future__ import annotations

from math import sqrt
from typing import ClassVar, Literal

from netspec.catalog.losses.targets import mean, numbers
from netspec.catalog.metrics.metric import Metric
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops import apply


class Rmse(Metric):
    r"""$\sqrt{\frac{1}{NK} \sum (y - t)^2}$ over samples and outputs, in the units of what it is given."""

    kind: ClassVar[str] = "rmse"
    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def build(self, g: Scope, output: Value, target: Value, *, cut: float = 0.5, middle: float = 0.5) -> Value:
        return mean(g, apply(g, "d = y - t; d * d", y=output, t=numbers(g, output, target)))

    def finish(self, total: float, count: int) -> float:
        return sqrt(total / count)
