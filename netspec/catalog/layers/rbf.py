"""Units that say how far the input is from a centre."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netspec.catalog.activations.activation import Activation
from netspec.catalog.fields import Count
from netspec.catalog.initializers.random import Normal
from netspec.catalog.layers.axes import fixed, shown
from netspec.catalog.layers.layer import Layer
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.transpose import Transpose
from netspec.tensortype import ShapeError


class Rbf(Layer):
    r"""$y_j = f(\sum_i (x_i - w_{ij})^2)$: the squared distance of the input from the centre of each unit.

    An activation makes what is wanted of the distance: a Gaussian unit is ``exp(-x)`` of it, and a score, the larger
    the nearer, ``-x``. With centres that stay as they are the units compare with given patterns, as LeNet-5's do.

    Shapes: ``[in] -> [units]``; ``[T, in] -> [T, units]`` with the same centres at every place of the length axes.

    Weights: ``kernel`` ``[in, units]``, a centre in each column, from normal with a standard deviation of 1, where
    standardized inputs lie.

    Example:
        inputs: {x: [4]}
        layers: [{rbf: 16}, {dense: 3}]

    Reference: Broomhead & Lowe 1988, Multivariable functional interpolation and adaptive networks; LeCun et al. 1998,
    Gradient-based learning applied to document recognition (the output layer).
    """

    kind: ClassVar[str] = "rbf"
    units: Count = Field(description="Centres.", json_schema_extra={"main": True})
    activation: Activation | None = Field(default=None, description="Applied to the squared distance.")

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        *others, features = fixed(self.kind, x)
        if others:
            raise ShapeError(
                f"`rbf` acts on the last axis and length axes before it, got {shown(x)}", "put `- flatten` before it"
            )
        centres = g.parameter("kernel", (features, self.units), Normal(std=1.0), (features, self.units))
        rows = g.add(Reshape((x.type.shape[0], 1, features)), x)
        # Difference by difference: |x|^2 - 2 x w + |w|^2 would be one matrix product, but near a centre large numbers
        # cancel, and of a distance of 0.01 from a centre of length 9 no digit is right in float32.
        squares = apply(g, "(x - w) ** 2", x=rows, w=g.add(Transpose((1, 0)), centres))
        y = g.add(Reduce("sum", (2,)), squares)
        g.net = y
        return self.activation.apply(g, y) if self.activation else y
