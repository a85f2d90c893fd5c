"""Layers that read the same values, row by row, in another shape."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netspec.catalog.fields import Counts
from netspec.catalog.layers.axes import fixed, shown
from netspec.catalog.layers.layer import Layer
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.reshape import Reshape as ReshapeOp
from netspec.tensortype import ShapeError, product, show_shape


class Flatten(Layer):
    r"""$y_{(h W + w) C + c} = x_{hwc}$: all fixed axes as one, row by row in the written order.

    Shapes: ``[H, W, C] -> [H * W * C]``; length axes before them stay.

    Example:
        inputs: {image: [8, 8, 3]}
        layers: [flatten, {dense: 10}]
    """

    kind: ClassVar[str] = "flatten"

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        axes = fixed(self.kind, x)
        return x if len(axes) == 1 else g.add(ReshapeOp((x.type.shape[0], product(axes))), x)


class Reshape(Layer):
    """The fixed axes in another shape of as many values, row by row in the written order.

    Shapes: ``[...] -> shape``; length axes before them stay.

    Example:
        inputs: {x: [64]}
        layers: [{reshape: [8, 8, 1]}]
    """

    kind: ClassVar[str] = "reshape"
    shape: Counts = Field(description="The new shape of one sample, without lengths.", json_schema_extra={"main": True})

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        held, wanted = product(fixed(self.kind, x)), product(self.shape)
        if held != wanted:
            raise ShapeError(
                f"`reshape` to {show_shape(self.shape)} needs {wanted} values, got {shown(x)}, which holds {held}"
            )
        return g.add(ReshapeOp((x.type.shape[0], *self.shape)), x)
