"""Probabilities from scores."""

from __future__ import annotations

from typing import ClassVar

from netspec.catalog.activations.activation import Activation
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.stop_gradient import StopGradient


class Softmax(Activation):
    r"""$y_k = e^{x_k} / \sum_j e^{x_j}$ over the last axis.

    Reference: Bridle 1990, Training stochastic model recognition algorithms as networks.
    """

    kind: ClassVar[str] = "softmax"

    def apply(self, g: Scope, x: Value) -> Value:
        exponentials = shifted_exponentials(g, x)
        total = g.add(Reduce("sum", (x.type.rank - 1,), keepdims=True), exponentials)
        return apply(g, "e / s", e=exponentials, s=total)


def largest(g: Scope, x: Value) -> Value:
    """The maximum over the last axis, which stays with length 1, as a constant to the gradient.

    A softmax or log-sum-exp does not change with the shift, so its derivative by the shift is 0: spared here, since it
    would come out only as a sum over the row that cancels up to rounding.
    """
    return g.add(StopGradient(), g.add(Reduce("max", (x.type.rank - 1,), keepdims=True), x))


def shifted_exponentials(g: Scope, x: Value) -> Value:
    """``exp(x - max(x))``: at most 1 and somewhere 1, so neither they nor their sum overflow or vanish."""
    return apply(g, "exp(x - m)", x=x, m=largest(g, x))
