"""Channels made pixels, and pixels made channels."""

from __future__ import annotations

from math import prod
from typing import ClassVar

from pydantic import Field

from netspec.catalog.layers.axes import fixed, shown
from netspec.catalog.layers.layer import Layer
from netspec.catalog.layers.windows import Extents, each_axis, space_of
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.plans import Unfold
from netspec.compiler.ops.route import Route
from netspec.tensortype import ShapeError, known


class Shuffle(Layer):
    """What both directions share: the block of pixels, on one to three axes."""

    block: Extents = Field(
        description="Pixels of a block along each axis: one number for all axes, or one for each.",
        json_schema_extra={"main": True},
    )

    def blocks_of(self, x: Value) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The space of ``x``, and the block.

        Raises:
            ShapeError: if there are no axes before the channels, or more than three.
        """
        axes = len(fixed(self.kind, x)) - 1
        if not 1 <= axes <= 3:
            raise ShapeError(
                f"`{self.kind}` needs one to three axes before the channels, got {shown(x)}",
                "`- reshape: [height, width, channels]` before it gives it such a shape",
            )
        return space_of(self.kind, axes, x), each_axis(self.kind, "block", self.block, axes)


class DepthToSpace(Shuffle):
    r"""$y_{p r + a,\, q r + b,\, c} = x_{p,\, q,\, (a r + b) C + c}$: blocks of channels become blocks of $r r$ pixels.

    A convolution before it thus makes a map r times as large at the cost of the small one (sub-pixel convolution).

    Shapes: ``[height, width, r * r * C] -> [r * height, r * width, C]``, and so on one or three axes.

    Example:
        inputs: {image: [16, 16, 1]}
        layers: [{conv2d: {filters: 4, kernel: 3, padding: same}}, {depth_to_space: 2}]       # [32, 32, 1]

    Reference: Shi et al. 2016, Real-time single image and video super-resolution using an efficient sub-pixel
    convolutional neural network.
    """

    kind: ClassVar[str] = "depth_to_space"

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        space, block = self.blocks_of(x)
        channels, parts = known(x.type.channels), prod(block)
        if channels % parts:
            raise ShapeError(
                f"`depth_to_space` makes {parts} pixels of the channels, and {channels} do not divide by {parts}",
                f"give what is before it {max(channels // parts, 1) * parts} channels",
            )
        return g.add(Route(Unfold(block), space), x)


class SpaceToDepth(Shuffle):
    r"""$y_{p,\, q,\, (a r + b) C + c} = x_{p r + a,\, q r + b,\, c}$: blocks of $r r$ pixels become channels.

    Nothing is lost, other than by pooling: the map is smaller and as much deeper. `depth_to_space` undoes it.

    Shapes: ``[r * height, r * width, C] -> [height, width, r * r * C]``, and so on one or three axes.

    Example:
        inputs: {image: [32, 32, 3]}
        layers: [{space_to_depth: 2}, {conv2d: {filters: 16, kernel: 3}}]                     # [16, 16, 12] first

    Reference: Sajjadi, Vemulapalli & Brown 2018, Frame-recurrent video super-resolution.
    """

    kind: ClassVar[str] = "space_to_depth"

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        space, block = self.blocks_of(x)
        if any(n % size for n, size in zip(space, block, strict=True)):
            raise ShapeError(
                f"`space_to_depth` cuts {list(space)} into blocks of {list(block)}, which leaves a rest",
                "`zero_pad` or `crop` before it makes whole blocks",
            )
        small = tuple(n // size for n, size in zip(space, block, strict=True))
        return g.add(Route(Unfold(block), small, turned=True), x)
