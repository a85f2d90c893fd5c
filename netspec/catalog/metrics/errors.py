"""How far numbers lie from their targets, in the units of the data."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import TYPE_CHECKING, ClassVar, Literal

from netspec.catalog.losses.targets import mean, numbers
from netspec.catalog.metrics.metric import PLAIN, Collected, Reading, Summed
from netspec.catalog.metrics.rows import side_by_side
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply

if TYPE_CHECKING:
    from netspec.catalog.metrics.metric import Rows


class Rmse(Summed):
    r"""$\sqrt{\frac{1}{NK} \sum (y - t)^2}$ over samples and outputs, in the units of what it is given."""

    kind: ClassVar[str] = "rmse"
    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def build(self, g: Scope, output: Value, target: Value, how: Reading = PLAIN) -> Value:
        return mean(g, apply(g, "d = y - t; d * d", y=output, t=numbers(g, output, target)))

    def finish(self, total: float, count: int) -> float:
        return sqrt(total / count)


class MeanAbsoluteError(Summed):
    r"""$\frac{1}{NK} \sum |y - t|$ over samples and outputs."""

    kind: ClassVar[str] = "mae"
    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def build(self, g: Scope, output: Value, target: Value, how: Reading = PLAIN) -> Value:
        return mean(g, apply(g, "abs(y - t)", y=output, t=numbers(g, output, target)))

    def finish(self, total: float, count: int) -> float:
        return total / count


class MaxError(Collected):
    r"""$\max |y - t|$ over samples and outputs: how far off the worst answer is."""

    kind: ClassVar[str] = "max_error"
    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def build(self, g: Scope, output: Value, target: Value, how: Reading = PLAIN) -> Value:
        return side_by_side(g, apply(g, "abs(y - t)", y=output, t=numbers(g, output, target)))

    def finish(self, rows: Rows, classes: Sequence[str] = ()) -> float:
        return float(rows.max())


class R2(Collected):
    r"""$1 - \sum (y - t)^2 / \sum (t - \bar t)^2$, the share of the targets' variance explained; the mean over outputs.

    An output whose target is constant counts 1 where it is met exactly, else 0.
    """

    kind: ClassVar[str] = "r2"
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def build(self, g: Scope, output: Value, target: Value, how: Reading = PLAIN) -> Value:
        return side_by_side(g, output, numbers(g, output, target))

    def finish(self, rows: Rows, classes: Sequence[str] = ()) -> float:
        import numpy as np

        y, t = np.split(rows, 2, axis=1)
        residual, spread = ((y - t) ** 2).sum(axis=0), ((t - t.mean(axis=0)) ** 2).sum(axis=0)
        constant = spread == 0
        explained = 1 - residual / np.where(constant, 1, spread)
        return float(np.where(constant, residual == 0, explained).mean())
