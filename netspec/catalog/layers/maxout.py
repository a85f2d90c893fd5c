"""Units that are the largest of several weighted sums."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from netspec.catalog.fields import Count
from netspec.catalog.layers.dense import net_input
from netspec.catalog.layers.layer import Layer
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.slice import Slice


class Maxout(Layer):
    r"""$y_j = \max_p (x W_p + b_p)_j$ over ``pieces`` weighted sums.

    Shapes: ``[in] -> [units]``; ``[T, in] -> [T, units]`` with the same weights at every place of the length axes.

    Weights: ``kernel`` ``[in, pieces * units]``, from glorot_uniform of one piece, and ``bias`` ``[pieces * units]``,
    from zeros; piece p of unit j is column ``p * units + j``.

    Example:
        inputs: {x: [64]}
        layers: [{maxout: {units: 32, pieces: 4}}, {dense: 10}]

    Reference: Goodfellow et al. 2013, Maxout networks.
    """

    kind: ClassVar[str] = "maxout"
    units: Count = Field(description="Outputs.", json_schema_extra={"main": True})
    pieces: Annotated[int, Field(gt=0, le=100)] = Field(
        default=2, description="Weighted sums of which each unit is the largest."
    )
    bias: bool = Field(default=True, description="Whether learned biases are added.")

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        y = net_input(g, self.kind, x, self.units * self.pieces, fan_out=self.units, bias=self.bias)
        # Piece against piece rather than a maximum over an axis of pieces, which lies across the rows of memory: a step
        # of 128 x 784 -> 240 x 5 takes 3.4 ms so, and 4.6 ms with the transposes of the other.
        axis = y.type.rank - 1
        cuts = [(p * self.units, (p + 1) * self.units) for p in range(self.pieces)]
        largest, *others = (g.add(Slice(axis, start, stop), y) for start, stop in cuts)
        for piece in others:
            largest = apply(g, "max(a, b)", a=largest, b=piece)
        g.net = largest
        return largest
