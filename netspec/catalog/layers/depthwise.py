"""Depthwise convolutions: every channel has filters of its own, which see nothing else."""

from __future__ import annotations

from math import prod
from typing import ClassVar

from pydantic import Field

from netspec.catalog.activations.activation import Activation
from netspec.catalog.fields import Positive
from netspec.catalog.initializers import GlorotUniform, Zeros
from netspec.catalog.layers.layer import Layer
from netspec.catalog.layers.windows import Extents, Padding, space_of, windows_on
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.conv import Conv
from netspec.compiler.ops.expressions import apply
from netspec.tensortype import known


class DepthwiseConvolution(Layer):
    """What depthwise convolutions over any number of axes share."""

    axes: ClassVar[int]
    kernel: Extents = Field(
        description="Size of the window: one for all axes, or one for each.", json_schema_extra={"main": True}
    )
    multiplier: Positive = Field(default=1, description="Filters of each channel.")
    stride: Extents = Field(default=1, description="Positions from one window to the next.")
    padding: Padding = Field(
        default="valid", description="`valid`, `same`, a number on all sides, or [before, after] for each axis."
    )
    dilation: Extents = Field(default=1, description="Positions from one tap of a window to the next.")
    activation: Activation | None = Field(default=None, description="Applied to the net input.")
    bias: bool = Field(default=True, description="Whether a learned bias is added to each channel.")

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        space = space_of(self.kind, self.axes, x)
        channels = known(x.type.channels)
        windows = windows_on(self.kind, space, self.kernel, self.stride, self.padding, self.dilation)
        extents, filters = tuple(window.extent for window in windows), channels * self.multiplier
        fans = (prod(extents), prod(extents) * self.multiplier)
        y = g.add(Conv(windows, channels), x, g.parameter("kernel", (*extents, 1, filters), GlorotUniform(), fans))
        if self.bias:
            y = apply(g, "y + b", y=y, b=g.parameter("bias", (filters,), Zeros()))
        g.net = y
        return self.activation.apply(g, y) if self.activation else y


class DepthwiseConv1d(DepthwiseConvolution):
    r"""$y_{p,\, i m + j} = f(\sum_t x_{p s + t d - b,\, i}\, w_{t,\, i m + j} + b_{i m + j})$ with $m$ filters each.

    Shapes: ``[length, in] -> [positions, in * multiplier]``, windows as in `conv1d`.

    Weights: ``kernel`` ``[kernel, 1, in * multiplier]``, from glorot_uniform; ``bias`` ``[in * multiplier]``, from
    zeros.

    Example:
        inputs: {x: [100, 8]}
        layers: [{depthwise_conv1d: 5}, {conv1d: {filters: 16, kernel: 1}}, flatten, {dense: 2}]

    Reference: Sifre 2014, Rigid-motion scattering for image classification.
    """

    kind: ClassVar[str] = "depthwise_conv1d"
    axes: ClassVar[int] = 1


class DepthwiseConv2d(DepthwiseConvolution):
    r"""$y_{p,\, i m + j} = f(\sum_t x_{p s + t d - b,\, i}\, w_{t,\, i m + j} + b_{i m + j})$ at places $p$ of a map.

    With a `conv2d` of kernel 1 behind it, which mixes the channels, it is a separable convolution: a kernel of 3 x 3
    between 64 channels then takes 4,672 weights in the place of 36,864.

    Shapes: ``[height, width, in] -> [rows, columns, in * multiplier]``, windows as in `conv2d`.

    Weights: ``kernel`` ``[height, width, 1, in * multiplier]``, from glorot_uniform; ``bias`` ``[in * multiplier]``,
    from zeros.

    Example:
        inputs: {image: [12, 12, 3]}
        layers:
          - depthwise_conv2d: {kernel: 3, padding: same}
          - conv2d: {filters: 16, kernel: 1, activation: relu}
          - global_avg_pool2d
          - dense: 10

    Reference: Sifre 2014, Rigid-motion scattering for image classification; Chollet 2017, Xception: deep learning with
    depthwise separable convolutions.
    """

    kind: ClassVar[str] = "depthwise_conv2d"
    axes: ClassVar[int] = 2


class DepthwiseConv3d(DepthwiseConvolution):
    r"""$y_{p,\, i m + j} = f(\sum_t x_{p + t,\, i}\, w_{t,\, i m + j} + b_{i m + j})$ in three dimensions.

    Shapes: ``[depth, height, width, in] -> [planes, rows, columns, in * multiplier]``, windows as in `conv3d`.

    Weights: ``kernel`` ``[depth, height, width, 1, in * multiplier]``, from glorot_uniform; ``bias``
    ``[in * multiplier]``, from zeros.

    Example:
        inputs: {volume: [6, 8, 8, 2]}
        layers: [{depthwise_conv3d: 3}, flatten, {dense: 2}]

    Reference: Sifre 2014, Rigid-motion scattering for image classification.
    """

    kind: ClassVar[str] = "depthwise_conv3d"
    axes: ClassVar[int] = 3
