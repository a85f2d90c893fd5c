"""Pooling: a map made smaller by the largest or the mean of each window."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from netspec.catalog.layers.layer import Layer
from netspec.catalog.layers.windows import Extents, Padding, space_of, windows_on
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.pool import Pool
from netspec.compiler.ops.windows import axes_of
from netspec.tensortype import ShapeError


class Pooling(Layer):
    """What poolings over any number of axes share."""

    axes: ClassVar[int]
    how: ClassVar[Literal["max", "average"]]
    size: Extents = Field(
        description="Size of the window: one for all axes, or one for each.", json_schema_extra={"main": True}
    )
    stride: Extents | None = Field(
        default=None, description="Positions from one window to the next; without it the size.", examples=[2]
    )
    padding: Padding = Field(
        default="valid", description="`valid`, `same`, a number on all sides, or [before, after] for each axis."
    )

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        space = space_of(self.kind, self.axes, x)
        stride = self.size if self.stride is None else self.stride
        windows = windows_on(self.kind, space, self.size, stride, self.padding)
        for axis in axes_of(windows, space):
            # Nothing is the largest of nothing: minus infinity would go on from there, and become NaN.
            if axis.before >= axis.extent or (axis.count - 1) * axis.stride - axis.before >= axis.size:
                raise ShapeError(
                    f"`{self.kind}` has windows of {axis.extent} in {max(axis.before, axis.after)} of padding alone, "
                    "where there is nothing to pool",
                    "keep `padding` below the size of the window; `zero_pad` before it makes zeros that count",
                )
        return g.add(Pool(self.how, windows), x)


class MaxPool1d(Pooling):
    r"""$y_{p,c} = \max_t x_{p s + t,\, c}$: the strongest response of each window; its place is lost.

    Shapes: ``[length, channels] -> [positions, channels]``. Padding never wins; the gradient goes to the first winner.

    Example:
        inputs: {x: [100, 3]}
        layers: [{conv1d: {filters: 16, kernel: 5}}, {max_pool1d: 2}, flatten, {dense: 2}]

    Reference: Weng et al. 1992, Cresceptron.
    """

    kind: ClassVar[str] = "max_pool1d"
    axes: ClassVar[int] = 1
    how: ClassVar[Literal["max", "average"]] = "max"


class MaxPool2d(Pooling):
    r"""$y_{p,q,c} = \max_{t,u} x_{p s + t,\, q s + u,\, c}$: the strongest response of each window.

    Shapes: ``[height, width, channels] -> [rows, columns, channels]``. Padding never wins; the gradient goes to the
    first winner.

    Example:
        inputs: {image: [28, 28, 1]}
        layers: [{conv2d: {filters: 6, kernel: 5}}, {max_pool2d: {size: 3, stride: 2}}, flatten, {dense: 10}]

    Reference: Weng et al. 1992, Cresceptron; Scherer et al. 2010, Evaluation of pooling operations.
    """

    kind: ClassVar[str] = "max_pool2d"
    axes: ClassVar[int] = 2
    how: ClassVar[Literal["max", "average"]] = "max"


class MaxPool3d(Pooling):
    r"""$y_{p,c} = \max_t x_{p s + t,\, c}$ over windows in three dimensions.

    Shapes: ``[depth, height, width, channels] -> [planes, rows, columns, channels]``.

    Example:
        inputs: {volume: [8, 16, 16, 1]}
        layers: [{conv3d: {filters: 4, kernel: 3}}, {max_pool3d: 2}, flatten, {dense: 2}]
    """

    kind: ClassVar[str] = "max_pool3d"
    axes: ClassVar[int] = 3
    how: ClassVar[Literal["max", "average"]] = "max"


class AvgPool1d(Pooling):
    r"""$y_{p,c} = \operatorname{mean}_t x_{p s + t,\, c}$; padding does not count.

    Shapes: ``[length, channels] -> [positions, channels]``.

    Example:
        inputs: {x: [100, 3]}
        layers: [{avg_pool1d: 4}, flatten, {dense: 2}]
    """

    kind: ClassVar[str] = "avg_pool1d"
    axes: ClassVar[int] = 1
    how: ClassVar[Literal["max", "average"]] = "average"


class AvgPool2d(Pooling):
    r"""$y_{p,q,c} = \operatorname{mean}_{t,u} x_{p s + t,\, q s + u,\, c}$; padding does not count.

    Shapes: ``[height, width, channels] -> [rows, columns, channels]``.

    Example:
        inputs: {image: [28, 28, 1]}
        layers: [{conv2d: {filters: 6, kernel: 5}}, {avg_pool2d: 2}, flatten, {dense: 10}]

    Reference: LeCun et al. 1998, Gradient-based learning applied to document recognition.
    """

    kind: ClassVar[str] = "avg_pool2d"
    axes: ClassVar[int] = 2
    how: ClassVar[Literal["max", "average"]] = "average"


class AvgPool3d(Pooling):
    r"""$y_{p,c} = \operatorname{mean}_t x_{p s + t,\, c}$ over windows in three dimensions.

    Shapes: ``[depth, height, width, channels] -> [planes, rows, columns, channels]``.

    Example:
        inputs: {volume: [8, 16, 16, 1]}
        layers: [{avg_pool3d: 2}, flatten, {dense: 2}]
    """

    kind: ClassVar[str] = "avg_pool3d"
    axes: ClassVar[int] = 3
    how: ClassVar[Literal["max", "average"]] = "average"
