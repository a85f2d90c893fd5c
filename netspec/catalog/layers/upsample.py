"""Maps made larger without weights."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from netspec.catalog.layers.layer import Layer
from netspec.catalog.layers.windows import Extents, each_axis, space_of
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.plans import Linear, Nearest
from netspec.compiler.ops.route import Route


class Upsampling(Layer):
    """What upsamplings over any number of axes share."""

    axes: ClassVar[int]
    scale: Extents = Field(
        description="How many times as many positions: one number for all axes, or one for each.",
        json_schema_extra={"main": True},
    )
    method: Literal["nearest", "linear"] = Field(
        default="nearest", description="`nearest` repeats values, `linear` draws straight lines between them."
    )

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        space = space_of(self.kind, self.axes, x)
        factors = each_axis(self.kind, "scale", self.scale, self.axes)
        plan = Nearest(factors) if self.method == "nearest" else Linear(factors)
        return g.add(Route(plan, space), x)


class Upsample1d(Upsampling):
    r"""$y_{p,c} = x_{\lfloor p / s \rfloor,\, c}$, or by ``linear`` the value at $(p + 1/2) / s - 1/2$ between two.

    Shapes: ``[length, channels] -> [scale * length, channels]``. Beyond the centres of the first and the last position
    their values stay.

    Example:
        inputs: {x: [25, 3]}
        layers: [{upsample1d: {scale: 4, method: linear}}, {conv1d: {filters: 3, kernel: 5}}]
    """

    kind: ClassVar[str] = "upsample1d"
    axes: ClassVar[int] = 1


class Upsample2d(Upsampling):
    r"""$y_{p,q,c} = x_{\lfloor p / s \rfloor, \lfloor q / s \rfloor, c}$, or by ``linear`` between four neighbours.

    ``linear`` is bilinear interpolation: the value at $(p + 1/2) / s - 1/2$ along each axis.

    Shapes: ``[height, width, channels] -> [scale * height, scale * width, channels]``. Beyond the outermost centres the
    outermost values stay.

    Example:
        inputs: {code: [7, 7, 16]}
        layers:
          - upsample2d: 2                                         # [14, 14, 16]
          - conv2d: {filters: 8, kernel: 3, padding: same}
          - upsample2d: {scale: [2, 3], method: linear}           # [28, 42, 8]

    Reference: Odena, Dumoulin & Olah 2016, Deconvolution and checkerboard artifacts (why before a convolution).
    """

    kind: ClassVar[str] = "upsample2d"
    axes: ClassVar[int] = 2


class Upsample3d(Upsampling):
    r"""$y_{p,c} = x_{\lfloor p / s \rfloor,\, c}$ in three dimensions, or by ``linear`` between eight neighbours.

    Shapes: ``[depth, height, width, channels] -> [scale * depth, scale * height, scale * width, channels]``.

    Example:
        inputs: {volume: [4, 8, 8, 2]}
        layers: [{upsample3d: 2}, {conv3d: {filters: 1, kernel: 3}}]
    """

    kind: ClassVar[str] = "upsample3d"
    axes: ClassVar[int] = 3
