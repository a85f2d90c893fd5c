"""Layers that make one value of several: sums, products, concatenation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from netspec.catalog.layers.axes import shown
from netspec.catalog.layers.layer import Layer
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.concat import Concat as ConcatOp
from netspec.compiler.ops.expressions import apply
from netspec.tensortype import Dim, ShapeError, broadcast, lengths


class Add(Layer):
    r"""$y = x_1 + x_2 + \ldots$, in order; an axis of size 1 is spread over that of the others.

    Shapes: inputs of one shape, or with axes of size 1; the result has the larger of each.

    Example:
        inputs: {x: [8]}
        layers:
          - dense: {units: 8, activation: relu, name: branch}
          - add: [branch, input]
    """

    kind: ClassVar[str] = "add"
    many: ClassVar[bool] = True

    def build(self, g: Scope, *inputs: Value) -> Value:
        return _combine(g, self.kind, " + ", inputs)


class Multiply(Layer):
    r"""$y = x_1 x_2 \cdots$ elementwise, in order; an axis of size 1 is spread over that of the others.

    Shapes: inputs of one shape, or with axes of size 1; the result has the larger of each.

    Example:
        inputs: {x: [8]}
        layers:
          - dense: {units: 8, activation: sigmoid, name: gate}
          - multiply: [gate, input]
    """

    kind: ClassVar[str] = "multiply"
    many: ClassVar[bool] = True

    def build(self, g: Scope, *inputs: Value) -> Value:
        return _combine(g, self.kind, " * ", inputs)


class Concat(Layer):
    r"""$y = [x_1, x_2, \ldots]$: all inputs side by side along one axis, in order.

    Shapes: ``[..., a], [..., b] -> [..., a + b]``; all axes but the one must agree.

    Example:
        inputs: {left: [4], right: [6]}
        layers:
          - dense: {units: 8, from: left, name: l}
          - concat: [l, right]
    """

    kind: ClassVar[str] = "concat"
    many: ClassVar[bool] = True
    axis: int = Field(default=-1, description="The axis of one sample, from 0; -1 is the last, the channels.")

    def build(self, g: Scope, *inputs: Value) -> Value:
        rank, before = inputs[0].type.rank - 1, len(lengths(inputs[0].type.shape[0]))
        axis = self.axis + rank if self.axis < 0 else self.axis - before
        if not 0 <= axis < rank:
            fixed = f"axes are {before} to {before + rank - 1}; -1 is the last" if rank else None
            raise ShapeError(f"`concat` has no axis {self.axis} in {shown(inputs[0])} that is fixed", fixed)
        if len({_without(x.type.shape, axis + 1) for x in inputs}) > 1:
            raise ShapeError(
                f"`concat` along axis {self.axis} needs all other axes equal, got {_listed(inputs)}",
                _same_places(inputs) if axis == rank - 1 else None,
            )
        return inputs[0] if len(inputs) == 1 else g.add(ConcatOp(axis + 1), *inputs)


def _combine(g: Scope, kind: str, operator: str, inputs: Sequence[Value]) -> Value:
    refused = ShapeError(f"`{kind}` needs inputs of one shape, got {_listed(inputs)}", _way_out(inputs))
    if len({x.type.rank for x in inputs}) > 1:
        raise refused
    try:
        broadcast(*(x.type.shape for x in inputs))
    except ShapeError:
        raise refused from None
    names = [f"x{i}" for i in range(len(inputs))]
    return apply(g, operator.join(names), **dict(zip(names, inputs, strict=True)))


def _way_out(inputs: Sequence[Value]) -> str | None:
    """What makes branches of maps fit one another: there is a way for the channels, and one for the places."""
    if inputs[0].type.rank >= 3 and len({x.type.shape[:-1] for x in inputs}) == 1:
        return "`zero_pad: {channels: [before, after]}`, or a convolution of kernel 1, gives a branch more channels"
    return _same_places(inputs)


def _same_places(inputs: Sequence[Value]) -> str | None:
    """What makes maps of several sizes one size, and maps and vectors alike."""
    ranks = {x.type.rank for x in inputs}
    if len(ranks) > 1:
        return (
            "`- flatten` makes one axis of all; `global_avg_pool2d` and the like keep the channels"
            if 2 in ranks
            else None
        )
    if ranks.pop() < 3:
        return None
    return "`padding: same` keeps the size of a map; a stride has to stand in every branch, or `crop` cuts the larger"


def _without(shape: tuple[Dim, ...], axis: int) -> tuple[Dim, ...]:
    return shape[:axis] + shape[axis + 1 :]


def _listed(inputs: Sequence[Value]) -> str:
    return " and ".join(shown(x) for x in inputs)
