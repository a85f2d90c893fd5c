"""Rows of a table for the numbers of an input: vectors of words."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netspec.catalog.fields import Count
from netspec.catalog.initializers import Uniform
from netspec.catalog.layers.axes import shown
from netspec.catalog.layers.layer import Layer
from netspec.catalog.layers.product import look_up
from netspec.catalog.scope import Incoming, Scope
from netspec.compiler.graph import Value
from netspec.tensortype import ShapeError


class Embedding(Layer):
    r"""$y = E_i$: each number of an input is looked up as a row of the table, its vector.

    Shapes: ``[] -> [size]``; ``[4] -> [4, size]``; ``[T] -> [T, size]``, zeros in padding. It reads an input of whole
    numbers, whose number of values is that of the rows.

    Weights: ``table`` ``[values, size]``, from uniform numbers within 0.05 of 0. Given vectors are
    ``init: {file: vectors.npy}``, and ``freeze: true`` keeps them. ``max_norm`` is of each row.

    A step of training touches only the rows that it read, so it takes no longer with a large vocabulary. With `sgd`
    that is the same step. Other optimizers leave the means that they keep of the other rows as they are, and do not
    move these; ``dense: true`` takes the step for all rows. So do, whatever ``dense`` says: `sgd` with weight decay
    alone, several layers that share the table, a penalty on it, and ``accumulate``.

    Example:
        inputs: {word: {shape: [4], kind: index, size: 1000}}
        layers:
          - embedding: 30
          - flatten
          - dense: 10

    Reference: Bengio et al. 2003, A neural probabilistic language model.
    """

    kind: ClassVar[str] = "embedding"
    size: Count = Field(description="How long vectors are.", json_schema_extra={"main": True})
    dense: bool = Field(default=False, description="Whether a step changes all rows, those too that it did not read.")

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        rows = g.size_of(x)
        if rows is None:
            raise ShapeError(
                f"`embedding` reads an input of whole numbers, got {shown(x)}",
                "give the input a field of `tokens` or a category, or say `kind: index` and its `size`",
            )
        table = g.parameter("table", (rows, self.size), Uniform(), (1, self.size), Incoming((rows, self.size), (1,)))
        return look_up(g, table, x, dense=self.dense)
