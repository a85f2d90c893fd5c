"""How large gradients are, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from netspec.catalog.metrics.metric import Inspected
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.reduce import Reduce


class GradientNorm(Inspected):
    r"""$\sqrt{\sum_i (\partial L / \partial w_i)^2}$ over the weights of a layer, the mean over batches.

    $L$ is what a step goes downhill on: the mean loss of a batch and its penalties, before any clipping. ``from`` is a
    layer or a block, or one weight of it (``hidden.kernel``); without it the norm is over all weights that training
    may change. A split that is evaluated is taken in batches of the training's size.

    Reference: Bengio, Simard & Frasconi 1994, Learning long-term dependencies with gradient descent is difficult.

    Example:
        {gradient_norm: {from: dense_1}}
    """

    kind: ClassVar[str] = "gradient_norm"
    better: ClassVar[Literal["higher", "lower"]] = "lower"
    inside: ClassVar[Literal["values", "gradients", "weights"]] = "weights"

    def inspect(self, g: Scope, values: Sequence[Value]) -> Value:
        whole: Value | None = None
        for x in values:
            one = g.add(Reduce("sum", tuple(range(x.type.rank))), apply(g, "x * x", x=x))
            whole = one if whole is None else apply(g, "a + b", a=whole, b=one)
        assert whole is not None
        return apply(g, "sqrt(s)", s=whole)
