"""A learned scale and shift."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from netspec.catalog.activations.activation import Activation
from netspec.catalog.fields import Per, refusal
from netspec.catalog.initializers import Ones, Zeros
from netspec.catalog.layers.axes import fixed, shown
from netspec.catalog.layers.layer import Layer
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply
from netspec.tensortype import Dim, ShapeError


class Affine(Layer):
    r"""$y = f(s x + b)$ with a scale $s$ and bias $b$ for every channel, position or element of the fixed axes.

    Shapes: ``[...] -> [...]``, any.

    Weights: ``scale``, from ones, and ``bias``, from zeros; for an input ``[H, W, C]`` their shape is ``[C]`` per
    channel, ``[H, W, 1]`` per position, ``[H, W, C]`` per element.

    Example:
        inputs: {image: [8, 8, 3]}
        layers: [affine, {affine: {per: position, scale: false}}]

    Reference: LeCun et al. 1998, Gradient-based learning applied to document recognition (the subsampling layers).
    """

    kind: ClassVar[str] = "affine"
    per: Per = Field(default="channel", description="What has a scale and bias of its own.")
    scale: bool = Field(default=True, description="Whether there is a scale.")
    bias: bool = Field(default=True, description="Whether there is a bias.")
    activation: Activation | None = Field(default=None, description="Applied to the result.")

    @model_validator(mode="after")
    def _learns(self) -> Self:
        if not (self.scale or self.bias):
            raise refusal("`affine` without scale and bias does nothing")
        return self

    def build(self, g: Scope, *inputs: Value) -> Value:
        (y,) = inputs
        shape = self.weights(y)
        if self.scale:
            y = apply(g, "y * s", y=y, s=g.parameter("scale", shape, Ones()))
        if self.bias:
            y = apply(g, "y + b", y=y, b=g.parameter("bias", shape, Zeros()))
        g.net = y
        return self.activation.apply(g, y) if self.activation else y

    def weights(self, x: Value) -> tuple[Dim, ...]:
        """The shape of the weights."""
        *positions, channels = axes = fixed(self.kind, x)
        if self.per == "channel":
            return (channels,)
        if self.per == "element":
            return tuple(axes)
        if not positions:
            raise ShapeError(
                f"`affine` per position needs axes before the channels, got {shown(x)}",
                "write `per: channel` or `per: element`",
            )
        return (*positions, 1)
