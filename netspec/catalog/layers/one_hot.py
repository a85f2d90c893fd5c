"""An index as a row of zeros with a one."""

from __future__ import annotations

from typing import ClassVar

from netspec.catalog.layers.axes import shown
from netspec.catalog.layers.layer import Layer
from netspec.catalog.losses.targets import one_hot
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.tensortype import ShapeError


class OneHot(Layer):
    r"""$y_k = [x = k]$: 1 in the place of the index, 0 elsewhere.

    How many places there are is known of the field: its classes, or the rows of its vocabulary. Without data the input
    says it, ``{shape: [T], kind: index, size: 65}``.

    Shapes: ``[] -> [size]``; ``[T] -> [T, size]``; ``[4] -> [4, size]``.

    Example:
        inputs: {x: {shape: [], kind: index, size: 10}}
        layers: [one_hot, {dense: 3}]
    """

    kind: ClassVar[str] = "one_hot"

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        if x.type.dtype == "float32":
            raise ShapeError(f"`one_hot` needs an index, got numbers {shown(x)}", "`category` makes classes of them")
        size = g.size_of(x)
        if size is None:
            raise ShapeError(
                f"`one_hot` needs to know how many values the index {shown(x)} takes",
                "an input says it so: `{shape: [], kind: index, size: 10}`",
            )
        return one_hot(g, x, size)
