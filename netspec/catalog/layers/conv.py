"""Convolutions over one, two and three axes."""

from __future__ import annotations

from math import prod
from typing import ClassVar

from pydantic import Field

from netspec.catalog.activations.activation import Activation
from netspec.catalog.fields import Positive
from netspec.catalog.initializers import GlorotUniform, Zeros
from netspec.catalog.layers.axes import shown
from netspec.catalog.layers.conv_over_time import padding_over_time, windows_over_time
from netspec.catalog.layers.layer import Layer, Sight
from netspec.catalog.layers.windows import (
    Connections,
    Extents,
    Padding,
    check_groups,
    each_axis,
    space_of,
    windows_on,
)
from netspec.catalog.scope import Incoming, Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.conv import Conv
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.take import NONE, Take
from netspec.tensortype import ShapeError, known, lengths


class Convolution(Layer):
    """What convolutions over any number of axes share."""

    axes: ClassVar[int]
    filters: Positive = Field(description="Channels of the output.")
    kernel: Extents = Field(description="Size of the window: one for all axes, or one for each.")
    stride: Extents = Field(default=1, description="Positions from one window to the next.")
    padding: Padding = Field(
        default="valid", description="`valid`, `same`, a number on all sides, or [before, after] for each axis."
    )
    dilation: Extents = Field(default=1, description="Positions from one tap of a window to the next.")
    groups: Positive = Field(default=1, description="Groups of channels, each of which reads its own inputs only.")
    connections: Connections | None = Field(
        default=None,
        description="For each filter the input maps it reads, from 0; without it every filter reads all.",
        examples=[[[0, 1, 2], [1, 2, 3]]],
    )
    activation: Activation | None = Field(default=None, description="Applied to the net input.")
    bias: bool = Field(default=True, description="Whether a learned bias is added to each channel.")

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        space, channels = space_of(self.kind, self.axes, x), known(x.type.channels)
        check_groups(self.kind, self.groups, channels, self.filters)
        windows = windows_on(self.kind, space, self.kernel, self.stride, self.padding, self.dilation)
        taps = prod(window.extent for window in windows)
        shape = (*(window.extent for window in windows), channels // self.groups, self.filters)
        fans = (taps * channels // self.groups, taps * self.filters // self.groups)
        kernel = self._kernel(g, shape, fans)
        return self._activated(g, g.add(Conv(windows, self.groups), x, kernel))

    def _activated(self, g: Scope, y: Value) -> Value:
        """``y`` with the bias and the activation."""
        if self.bias:
            y = apply(g, "y + b", y=y, b=g.parameter("bias", (self.filters,), Zeros()))
        g.net = y
        return self.activation.apply(g, y) if self.activation else y

    def _kernel(self, g: Scope, shape: tuple[int, ...], fans: tuple[int, int]) -> Value:
        """The weights of all connections; those that the table leaves out are zero, and no weights."""
        if self.connections is None:
            return g.parameter("kernel", shape, GlorotUniform(), fans)
        *extents, ins, outs = shape
        if self.groups != 1:
            raise ShapeError(
                f"`connections` says what each filter reads, and so do {self.groups} `groups`", "leave one of them out"
            )
        if len(self.connections) != outs:
            raise ShapeError(
                f"`connections` lists the inputs of {len(self.connections)} filters, and there are {outs}",
                "give one list of input maps for each filter",
            )
        pairs = [(i, o) for o, maps in enumerate(self.connections) for i in maps]
        wrong = next((i for i, _ in pairs if i >= ins), None)
        if wrong is not None or len(set(pairs)) != len(pairs):
            what = f"map {wrong}" if wrong is not None else "a map twice for one filter"
            raise ShapeError(
                f"`connections` names {what}, and the input has maps 0 to {ins - 1}",
                "maps are counted from 0, and each stands once in the list of a filter",
            )
        places = {pair: n for n, pair in enumerate(pairs)}
        table = tuple(places.get((i, o), NONE) for i in range(ins) for o in range(outs))
        fans = (fans[0] * len(pairs) // (ins * outs), fans[1])
        incoming = Incoming(shape, tuple(range(len(shape) - 1)), table)
        weights = g.parameter("kernel", (*extents, len(pairs)), GlorotUniform(), fans, incoming)
        return g.add(Reshape(shape), g.add(Take(table), weights))


class Conv1d(Convolution):
    r"""$y_{p,o} = f(\sum_{t,i} x_{p s + t d - b,\, i}\, w_{t,i,o} + b_o)$: the same weights at every place of an axis.

    Shapes: ``[length, in] -> [positions, filters]``, where positions is
    ``(length + padding - (kernel - 1) * dilation - 1) // stride + 1``; what windows meet outside is zero. Along a
    length that differs from sample to sample, ``[T, in] -> [T - kernel + 1, filters]``, each sample has the windows
    of its own steps, at least one; there is no stride.

    Weights: ``kernel`` ``[kernel, in / groups, filters]``, from glorot_uniform; ``bias`` ``[filters]``, from zeros.

    Example:
        inputs: {x: [100, 3]}
        layers: [{conv1d: {filters: 16, kernel: 5, activation: relu}}, flatten, {dense: 2}]

    Reference: Waibel et al. 1989, Phoneme recognition using time-delay neural networks.
    """

    kind: ClassVar[str] = "conv1d"
    axes: ClassVar[int] = 1

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        return self._over_time(g, x) if x.type.rank == 2 and lengths(x.type.shape[0]) else super().build(g, x)

    def sight(self, *inputs: Value) -> Sight:
        (x,) = inputs
        return "all" if x.type.rank == 2 and lengths(x.type.shape[0]) else "step"

    def _over_time(self, g: Scope, x: Value) -> Value:
        """Along a length axis, where samples have as many windows as they are long."""
        (taps,), (stride,), (dilation,) = (
            each_axis(self.kind, name, getattr(self, name), 1) for name in ("kernel", "stride", "dilation")
        )
        if stride != 1 or self.groups != 1:
            raise ShapeError(
                f"`{self.kind}` over a length axis takes every step and all channels, got {shown(x)}",
                "leave `stride` and `groups` out, or give the axis a size: a number for the length",
            )
        padding = padding_over_time(self.kind, self.padding, (taps - 1) * dilation + 1)
        channels = known(x.type.channels)
        kernel = self._kernel(g, (taps, channels, self.filters), (taps * channels, taps * self.filters))
        return self._activated(g, windows_over_time(g, self.kind, x, kernel, padding, dilation))


class Conv2d(Convolution):
    r"""$y_{p,q,o} = f(\sum_{t,u,i} x_{p + t,\, q + u,\, i}\, w_{t,u,i,o} + b_o)$: the same weights everywhere on a map.

    Shapes: ``[height, width, in] -> [rows, columns, filters]``; a video ``[T, height, width, in]`` frame by frame.
    Along each axis there are ``(size + padding - (kernel - 1) * dilation - 1) // stride + 1`` windows.

    Weights: ``kernel`` ``[height, width, in / groups, filters]``, from glorot_uniform, or with ``connections``
    ``[height, width, number of connections]``, filter by filter; ``bias`` ``[filters]``, from zeros.

    Example:
        inputs: {image: [28, 28, 1]}
        layers:
          - conv2d: {filters: 6, kernel: 5, padding: same, activation: relu}
          - max_pool2d: 2
          - flatten
          - dense: 10

    Reference: LeCun et al. 1998, Gradient-based learning applied to document recognition.
    """

    kind: ClassVar[str] = "conv2d"
    axes: ClassVar[int] = 2


class Conv3d(Convolution):
    r"""$y_{p,o} = f(\sum_{t,i} x_{p + t,\, i}\, w_{t,i,o} + b_o)$ with places $p$ and taps $t$ in three dimensions.

    Shapes: ``[depth, height, width, in] -> [planes, rows, columns, filters]``, windows along each axis as in `conv2d`.

    Weights: ``kernel`` ``[depth, height, width, in / groups, filters]``, from glorot_uniform; ``bias`` ``[filters]``,
    from zeros.

    Example:
        inputs: {volume: [8, 16, 16, 1]}
        layers: [{conv3d: {filters: 4, kernel: 3}}, flatten, {dense: 2}]

    Reference: Ji et al. 2013, 3D convolutional neural networks for human action recognition.
    """

    kind: ClassVar[str] = "conv3d"
    axes: ClassVar[int] = 3
