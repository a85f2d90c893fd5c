"""Losses of real numbers by their squared differences."""

from __future__ import annotations

from typing import ClassVar

from netspec.catalog.losses.loss import Loss
from netspec.catalog.losses.targets import mean, numbers, total
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply


class SquaredError(Loss):
    r"""$\frac12 \sum_k (y_k - t_k)^2$ over the outputs of a sample: the textbooks' error, whose derivative is $y - t$.

    Reference: Rumelhart, Hinton & Williams 1986, Learning representations by back-propagating errors.
    """

    kind: ClassVar[str] = "squared_error"

    def build(self, g: Scope, output: Value, target: Value) -> Value:
        return total(g, apply(g, "d = y - t; 0.5 * d * d", y=output, t=numbers(g, output, target)))


class Mse(Loss):
    r"""$\frac1K \sum_k (y_k - t_k)^2$, the mean over the outputs of a sample.

    Reference: Legendre 1805, Nouvelles methodes pour la determination des orbites des cometes (least squares).
    """

    kind: ClassVar[str] = "mse"

    def build(self, g: Scope, output: Value, target: Value) -> Value:
        return mean(g, apply(g, "d = y - t; d * d", y=output, t=numbers(g, output, target)))
