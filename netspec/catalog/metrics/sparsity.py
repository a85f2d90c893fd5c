"""How much of what a network computes is nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from netspec.catalog.losses.targets import mean
from netspec.catalog.metrics.metric import Inspected
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply


class Sparsity(Inspected):
    """The share of a layer's activations that are 0, over samples and units.

    Reference: Glorot, Bordes & Bengio 2011, Deep sparse rectifier neural networks.

    Example:
        {sparsity: {from: dense_1}}
    """

    kind: ClassVar[str] = "sparsity"
    better: ClassVar[Literal["higher", "lower"]] = "higher"
    inside: ClassVar[Literal["values", "gradients", "weights"]] = "values"

    def inspect(self, g: Scope, values: Sequence[Value]) -> Value:
        (x,) = values
        return mean(g, apply(g, "where(x == 0, 1, 0)", x=x))


class GradientSparsity(Sparsity):
    """The share of the loss's derivatives by a layer's net inputs that are 0, over samples and units.

    Of a layer that has no net inputs it is of the derivatives by its values.

    Reference: Glorot, Bordes & Bengio 2011, Deep sparse rectifier neural networks.

    Example:
        {gradient_sparsity: {from: dense_1}}
    """

    kind: ClassVar[str] = "gradient_sparsity"
    inside: ClassVar[Literal["values", "gradients", "weights"]] = "gradients"
