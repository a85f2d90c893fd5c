"""The fully connected layer."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netspec.catalog.activations.activation import Activation
from netspec.catalog.fields import Count
from netspec.catalog.initializers import GlorotUniform, Zeros
from netspec.catalog.layers.axes import fixed, shown
from netspec.catalog.layers.layer import Layer
from netspec.catalog.layers.product import product
from netspec.catalog.scope import Scope, Units
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply
from netspec.tensortype import Dim, ShapeError, lengths


class Dense(Layer):
    r"""$y = f(x W + b)$: each unit weighs all inputs, adds its bias and applies the activation $f$.

    Shapes: ``[in] -> [units]``; ``[T, in] -> [T, units]`` with the same weights at every place of the length axes.

    Weights: ``kernel`` ``[in, units]``, from glorot_uniform; ``bias`` ``[units]``, from zeros, since the random kernel
    already tells units apart and a bias drawn at random would only shift what the activation sees.

    Example:
        inputs: {x: [64]}
        layers:
          - dense: {units: 32, activation: relu, init: he_normal}
          - dense: 10

    Reference: Rosenblatt 1958, The perceptron; Rumelhart, Hinton & Williams 1986, Learning representations by
    back-propagating errors.
    """

    kind: ClassVar[str] = "dense"
    units: Count = Field(description="Outputs.", json_schema_extra={"main": True})
    activation: Activation | None = Field(default=None, description="Applied to the net input.")
    bias: bool = Field(default=True, description="Whether a learned bias is added.")

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        net = net_input(g, self.kind, x, self.units, fan_out=self.units, bias=self.bias)
        g.net = net
        y = self.activation.apply(g, net) if self.activation else net
        if not lengths(x.type.shape[0]):
            g.units = Units(x, net, y)
        return y


def net_input(g: Scope, kind: str, x: Value, columns: Dim, *, fan_out: Dim, bias: bool) -> Value:
    """``x W + b`` of the layer ``kind``, ``[in] -> [columns]``.

    Raises:
        ShapeError: if ``x`` has several fixed axes.
    """
    *others, features = fixed(kind, x)
    if others:
        raise ShapeError(
            f"`{kind}` acts on the last axis and length axes before it, got {shown(x)}", "put `- flatten` before it"
        )
    kernel = g.parameter("kernel", (features, columns), GlorotUniform(), (features, fan_out))
    y = product(g, x, kernel)
    return apply(g, "y + b", y=y, b=g.parameter("bias", (columns,), Zeros())) if bias else y
