"""Transposed convolutions: maps made larger, each value spread over a window."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import Field, PlainValidator, WithJsonSchema

from netspec.catalog.activations.activation import Activation
from netspec.catalog.fields import Positive, is_whole, not_whole
from netspec.catalog.initializers import GlorotUniform, Zeros
from netspec.catalog.layers.layer import Layer
from netspec.catalog.layers.windows import Extents, Padding, check_groups, each_axis, space_of
from netspec.catalog.scope import Incoming, Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.conv import ConvInput
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.windows import Window
from netspec.tensortype import ShapeError, known


def _amounts(value: Any) -> int | tuple[int, ...]:
    if is_whole(value):
        return int(value)
    if isinstance(value, list | tuple) and value and all(map(is_whole, value)):
        return tuple(value)
    raise not_whole("a whole number from 0, or one for each axis", value)


Amounts: TypeAlias = Annotated[
    int | tuple[int, ...], PlainValidator(_amounts), WithJsonSchema({"type": ["integer", "array"], "minimum": 0})
]
"""A whole number from 0 for all axes, or one for each."""


class TransposedConvolution(Layer):
    """What transposed convolutions over any number of axes share."""

    axes: ClassVar[int]
    filters: Positive = Field(description="Channels of the output.")
    kernel: Extents = Field(description="Size of the window: one for all axes, or one for each.")
    stride: Extents = Field(default=1, description="Positions of the output from one window to the next.")
    padding: Padding = Field(
        default="valid",
        description="What is cut off the output: nothing (`valid`), so much that a stride of s makes it s times as "
        "large (`same`), a number on all sides, or [before, after] for each axis.",
    )
    output_padding: Amounts = Field(
        default=0, description="Positions added at the end of the output, which no window need reach; below the stride."
    )
    dilation: Extents = Field(default=1, description="Positions from one tap of a window to the next.")
    groups: Positive = Field(default=1, description="Groups of channels, each of which reads its own inputs only.")
    activation: Activation | None = Field(default=None, description="Applied to the net input.")
    bias: bool = Field(default=True, description="Whether a learned bias is added to each channel.")

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        space, channels = space_of(self.kind, self.axes, x), known(x.type.channels)
        check_groups(self.kind, self.groups, channels, self.filters)
        windows, sizes = self._laid_down(space)
        taps = prod(window.extent for window in windows)
        shape = (*(window.extent for window in windows), self.filters // self.groups, channels)
        fans = (taps * channels // self.groups, taps * self.filters // self.groups)
        # A filter is what leads into one channel of the output: of its group all inputs, at all taps.
        incoming = Incoming((taps, self.filters // self.groups, self.groups, channels // self.groups), (0, 3))
        kernel = g.parameter("kernel", shape, GlorotUniform(), fans, incoming)
        y = g.add(ConvInput(windows, sizes, self.groups), x, kernel)
        if self.bias:
            y = apply(g, "y + b", y=y, b=g.parameter("bias", (self.filters,), Zeros()))
        g.net = y
        return self.activation.apply(g, y) if self.activation else y

    def _laid_down(self, space: Sequence[int]) -> tuple[tuple[Window, ...], tuple[int, ...]]:
        """The windows of the convolution that is turned round, and the size of what it slides over, the output."""
        given = (("kernel", self.kernel), ("stride", self.stride), ("dilation", self.dilation))
        each = [each_axis(self.kind, name, value, self.axes) for name, value in given]
        more = each_axis(self.kind, "output_padding", self.output_padding, self.axes)
        if isinstance(self.padding, tuple) and len(self.padding) != self.axes:
            raise ShapeError(f"`{self.kind}` slides over {self.axes} axes, but `padding` has {len(self.padding)} pairs")
        windows, sizes = [], []
        for axis, (n, extent, stride, gap, added) in enumerate(zip(space, *each, more, strict=True)):
            span = (extent - 1) * gap + 1
            before, after = self._cut(axis, span, stride)
            extra = added + (max(stride - span, 0) if self.padding == "same" else 0)
            size = (n - 1) * stride + span - before - after + extra
            if extra >= stride:
                raise ShapeError(
                    f"`{self.kind}` adds {extra} at the end of an axis where windows are {stride} apart",
                    "with so much there would be room for one window more: keep `output_padding` below the stride",
                )
            if size < 1:
                raise ShapeError(
                    f"`{self.kind}` cuts {before} and {after} off an axis of {size + before + after}",
                    "less `padding` leaves something",
                )
            windows.append(Window(extent, stride, gap, before, after))
            sizes.append(size)
        return tuple(windows), tuple(sizes)

    def _cut(self, axis: int, span: int, stride: int) -> tuple[int, int]:
        """How much is cut off both ends of the output; for `same` as a convolution of that stride would pad it."""
        if isinstance(self.padding, tuple):
            return self.padding[axis]
        if self.padding == "same":
            whole = max(span - stride, 0)
            return whole // 2, whole - whole // 2
        amount = self.padding if isinstance(self.padding, int) else 0
        return amount, amount


class Conv1dTranspose(TransposedConvolution):
    r"""$y_{q,o} = f(\sum_{p s + t d - c = q} \sum_i x_{p,i}\, w_{t,o,i} + b_o)$: each value is spread over a window.

    It is the gradient of a `conv1d` by its input: where that goes from many positions to few, this goes back.

    Shapes: ``[positions, in] -> [length, filters]``, where length is
    ``(positions - 1) * stride + (kernel - 1) * dilation + 1 - padding + output_padding``.

    Weights: ``kernel`` ``[kernel, filters / groups, in]``, from glorot_uniform, which is the kernel of the `conv1d`
    that it turns round, so that both can share it; ``bias`` ``[filters]``, from zeros.

    Example:
        inputs: {x: [25, 16]}
        layers: [{conv1d_transpose: {filters: 3, kernel: 4, stride: 4}}]

    Reference: Zeiler et al. 2010, Deconvolutional networks.
    """

    kind: ClassVar[str] = "conv1d_transpose"
    axes: ClassVar[int] = 1


class Conv2dTranspose(TransposedConvolution):
    r"""$y_{q,o} = f(\sum_{p s + t d - c = q} \sum_i x_{p,i}\, w_{t,o,i} + b_o)$ for places $p, q$ and taps $t$.

    It is the gradient of a `conv2d` by its input: decoders and generators make maps larger by it.

    Shapes: ``[rows, columns, in] -> [height, width, filters]``; along each axis there are
    ``(size - 1) * stride + (kernel - 1) * dilation + 1 - padding + output_padding`` positions.

    Weights: ``kernel`` ``[height, width, filters / groups, in]``, from glorot_uniform, which is the kernel of the
    `conv2d` that it turns round, so that both can share it; ``bias`` ``[filters]``, from zeros.

    Example:
        inputs: {code: [7, 7, 16]}
        layers:
          - conv2d_transpose: {filters: 8, kernel: 4, stride: 2, padding: 1, activation: relu}      # [14, 14, 8]
          - conv2d_transpose: {filters: 1, kernel: 3, stride: 2, padding: same}                     # [28, 28, 1]

    Reference: Zeiler et al. 2010, Deconvolutional networks; Dumoulin & Visin 2016, A guide to convolution arithmetic
    for deep learning.
    """

    kind: ClassVar[str] = "conv2d_transpose"
    axes: ClassVar[int] = 2


class Conv3dTranspose(TransposedConvolution):
    r"""$y_{q,o} = f(\sum_{p s + t d - c = q} \sum_i x_{p,i}\, w_{t,o,i} + b_o)$ in three dimensions.

    Shapes: ``[planes, rows, columns, in] -> [depth, height, width, filters]``, along each axis as in
    `conv2d_transpose`.

    Weights: ``kernel`` ``[depth, height, width, filters / groups, in]``, from glorot_uniform; ``bias`` ``[filters]``,
    from zeros.

    Example:
        inputs: {code: [2, 4, 4, 8]}
        layers: [{conv3d_transpose: {filters: 1, kernel: 2, stride: 2}}]

    Reference: Zeiler et al. 2010, Deconvolutional networks.
    """

    kind: ClassVar[str] = "conv3d_transpose"
    axes: ClassVar[int] = 3
