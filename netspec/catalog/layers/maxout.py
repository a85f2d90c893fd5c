"""Units that are the largest of several weighted sums."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netspec.catalog.fields import Count, Positive
from netspec.catalog.layers.dense import net_input
from netspec.catalog.layers.layer import Layer
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops import Reduce, Reshape


class Maxout(Layer):
    r"""$y_j = \max_p (x W_p + b_p)_j$ over ``pieces`` weighted sums, ``(..., in) -> (..., units)``.

    Weights: ``kernel`` ``[in, pieces * units]``, from glorot_uniform of one piece, and ``bias`` ``[pieces * units]``,
    from zeros; piece p of unit j is column ``p * units + j``, so that the maximum runs over whole vectors of units.

    Reference: Goodfellow et al. 2013, Maxout networks.
    """

    kind: ClassVar[str] = "maxout"
    units: Count = Field(description="Outputs.", json_schema_extra={"main": True})
    pieces: Positive = Field(default=2, description="Weighted sums of which each unit is the largest.")
    bias: bool = Field(default=True, description="Whether learned biases are added.")

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        y = net_input(g, self.kind, x, self.units * self.pieces, fan_out=self.units, bias=self.bias)
        places = y.type.shape[:-1]
        split = g.add(Reshape((*places, self.pieces, self.units)), y)
        return g.add(Reduce("max", (len(places),)), split)
