"""One value of all steps of a sequence: the largest, the mean, the last."""

from __future__ import annotations

from typing import ClassVar, Literal

from netspec.catalog.layers.axes import fixed, last_length
from netspec.catalog.layers.layer import Layer
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.reduce_steps import ReduceSteps
from netspec.compiler.ops.reshape import Reshape


class OverTime(Layer):
    """What layers that take the steps of the last length together share."""

    how: ClassVar[Literal["max", "sum", "last"]]

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        fixed(self.kind, x)
        steps, rows = last_length(self.kind, x)
        return g.graph.node(ReduceSteps(self.how, steps, rows), x, g.steps(x)).value(0)


class MaxOverTime(OverTime):
    r"""$y_i = \max_t x_{t,i}$ over the real steps of the last length: the strongest response, wherever it is.

    Shapes: ``[T, ...] -> [...]``; ``[T, C, ...] -> [T, ...]``. The gradient goes to the first winner.

    Example:
        inputs: {x: [T, 8]}
        layers: [{dense: 16}, max_over_time, {dense: 2}]

    Reference: Collobert et al. 2011, Natural language processing (almost) from scratch.
    """

    kind: ClassVar[str] = "max_over_time"
    how: ClassVar[Literal["max", "sum", "last"]] = "max"


class MeanOverTime(OverTime):
    r"""$y_i = \frac1T \sum_t x_{t,i}$ over the real steps of the last length.

    Shapes: ``[T, ...] -> [...]``; ``[T, C, ...] -> [T, ...]``.

    Example:
        inputs: {x: [T, 8]}
        layers: [{dense: 16}, mean_over_time, {dense: 2}]

    Reference: Mikolov et al. 2013, Efficient estimation of word representations in vector space (the words around one).
    """

    kind: ClassVar[str] = "mean_over_time"
    how: ClassVar[Literal["max", "sum", "last"]] = "sum"

    def build(self, g: Scope, *inputs: Value) -> Value:
        total, count = super().build(g, *inputs), g.steps(inputs[0])
        each = g.add(Reshape((total.type.shape[0], *(1,) * (total.type.rank - 1))), count)
        return apply(g, "where(n > 0, s / n, 0)", s=total, n=each)


class Last(OverTime):
    r"""$y_i = x_{T,i}$: the last real step of the last length.

    Shapes: ``[T, ...] -> [...]``; ``[T, C, ...] -> [T, ...]``.

    Example:
        inputs: {x: [T, 8]}
        layers: [{dense: 16}, last, {dense: 2}]
    """

    kind: ClassVar[str] = "last"
    how: ClassVar[Literal["max", "sum", "last"]] = "last"
