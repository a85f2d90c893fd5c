"""Locally connected layers: windows as in a convolution, each with weights of its own."""

from __future__ import annotations

from math import prod
from typing import ClassVar

from pydantic import Field

from netspec.catalog.activations.activation import Activation
from netspec.catalog.fields import Positive
from netspec.catalog.initializers import GlorotUniform, Zeros
from netspec.catalog.layers.layer import Layer
from netspec.catalog.layers.windows import Extents, Padding, space_of, windows_on
from netspec.catalog.scope import Incoming, Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.conv import Conv
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.plans import Patches, Unfold
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.route import Route
from netspec.compiler.ops.transpose import Transpose
from netspec.compiler.ops.windows import Window, axes_of
from netspec.tensortype import known


class LocallyConnected(Layer):
    """What locally connected layers over any number of axes share."""

    axes: ClassVar[int]
    filters: Positive = Field(description="Channels of the output.")
    kernel: Extents = Field(description="Size of the window: one for all axes, or one for each.")
    stride: Extents = Field(default=1, description="Positions from one window to the next.")
    padding: Padding = Field(
        default="valid", description="`valid`, `same`, a number on all sides, or [before, after] for each axis."
    )
    activation: Activation | None = Field(default=None, description="Applied to the net input.")
    bias: bool = Field(default=True, description="Whether a learned bias is added to each unit.")

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        space, channels = space_of(self.kind, self.axes, x), known(x.type.channels)
        windows = windows_on(self.kind, space, self.kernel, self.stride, self.padding)
        counts = tuple(axis.count for axis in axes_of(windows, space))
        taps, positions = prod(window.extent for window in windows), prod(counts)
        # Each window is a group of a convolution over one pixel: its patch lies side by side as that group's channels.
        patches = g.add(Route(Patches(windows, positions), space), x)
        y = g.add(Conv((Window(1),) * self.axes, positions), patches, self._kernel(g, counts, taps, channels))
        if self.bias:
            bias = g.parameter("bias", (*counts, self.filters), Zeros())
            y = apply(g, "y + b", y=y, b=g.add(Reshape((positions * self.filters,)), bias))
        y = g.add(Route(Unfold(counts), (1,) * self.axes), y)
        g.net = y
        return self.activation.apply(g, y) if self.activation else y

    def _kernel(self, g: Scope, counts: tuple[int, ...], taps: int, channels: int) -> Value:
        """The weights as that convolution has them: ``[1, ..., taps * in, positions * filters]``."""
        inner, positions = taps * channels, prod(counts)
        fans = (inner, taps * self.filters)
        shape = (*counts, inner, self.filters)
        kernel = g.parameter("kernel", shape, GlorotUniform(), fans, Incoming(shape, (len(shape) - 2,)))
        turned = g.add(Transpose((1, 0, 2)), g.add(Reshape((positions, inner, self.filters)), kernel))
        return g.add(Reshape(((1,) * self.axes) + (inner, positions * self.filters)), turned)


class Local1d(LocallyConnected):
    r"""$y_{p,o} = f(\sum_{t,i} x_{p s + t - b,\, i}\, w_{p,\, t C + i,\, o} + b_{p,o})$: other weights at every place.

    Shapes: ``[length, in] -> [positions, filters]``, windows as in `conv1d`.

    Weights: ``kernel`` ``[positions, kernel * in, filters]``, from glorot_uniform; ``bias`` ``[positions, filters]``,
    from zeros.

    Example:
        inputs: {x: [100, 3]}
        layers: [{local1d: {filters: 4, kernel: 5, stride: 5, activation: relu}}, flatten, {dense: 2}]

    Reference: LeCun 1989, Generalization and network design strategies.
    """

    kind: ClassVar[str] = "local1d"
    axes: ClassVar[int] = 1


class Local2d(LocallyConnected):
    r"""$y_{p,q,o} = f(\sum_{t,u,i} x_{p + t,\, q + u,\, i}\, w_{p,\, q,\, (t K + u) C + i,\, o} + b_{p,q,o})$.

    Units see small windows, as in a convolution, but share no weights: for images whose parts always lie at the same
    place, such as faces that are aligned. Of LeCun's five networks of 1989 it is the third.

    Shapes: ``[height, width, in] -> [rows, columns, filters]``, windows as in `conv2d`.

    Weights: ``kernel`` ``[rows, columns, height * width * in, filters]`` (height and width of the window), from
    glorot_uniform; ``bias`` ``[rows, columns, filters]``, from zeros.

    Example:
        inputs: {image: [16, 16, 1]}
        layers: [{local2d: {filters: 2, kernel: 3, stride: 2, activation: tanh}}, flatten, {dense: 10}]

    Reference: LeCun 1989, Generalization and network design strategies.
    """

    kind: ClassVar[str] = "local2d"
    axes: ClassVar[int] = 2
