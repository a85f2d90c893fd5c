"""Layers that make one value of several: sums, products, concatenation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from netspec.catalog.layers.axes import shown
from netspec.catalog.layers.layer import Layer
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops import Concat as ConcatOp
from netspec.compiler.ops import apply
from netspec.tensortype import Dim, ShapeError, broadcast


class Add(Layer):
    """The sum of all inputs, in order; an axis of size 1 is spread over that of the others."""

    kind: ClassVar[str] = "add"
    many: ClassVar[bool] = True

    def build(self, g: Scope, *inputs: Value) -> Value:
        return _combine(g, self.kind, " + ", inputs)


class Multiply(Layer):
    """The product of all inputs, elementwise, in order; an axis of size 1 is spread over that of the others."""

    kind: ClassVar[str] = "multiply"
    many: ClassVar[bool] = True

    def build(self, g: Scope, *inputs: Value) -> Value:
        return _combine(g, self.kind, " * ", inputs)


class Concat(Layer):
    """All inputs side by side along one axis, in order; the others must agree."""

    kind: ClassVar[str] = "concat"
    many: ClassVar[bool] = True
    axis: int = Field(default=-1, description="The axis of one sample, from 0; -1 is the last, the channels.")

    def build(self, g: Scope, *inputs: Value) -> Value:
        rank = inputs[0].type.rank - 1
        axis = self.axis + rank if self.axis < 0 else self.axis
        if not 0 <= axis < rank:
            raise ShapeError(f"`concat` has no axis {self.axis} in {shown(inputs[0])}")
        if len({_without(x.type.shape, axis + 1) for x in inputs}) > 1:
            raise ShapeError(f"`concat` along axis {self.axis} needs all other axes equal, got {_listed(inputs)}")
        return inputs[0] if len(inputs) == 1 else g.add(ConcatOp(axis + 1), *inputs)


def _combine(g: Scope, kind: str, operator: str, inputs: Sequence[Value]) -> Value:
    refused = ShapeError(f"`{kind}` needs inputs of one shape, got {_listed(inputs)}")
    if len({x.type.rank for x in inputs}) > 1:
        raise refused
    try:
        broadcast(*(x.type.shape for x in inputs))
    except ShapeError:
        raise refused from None
    names = [f"x{i}" for i in range(len(inputs))]
    return apply(g, operator.join(names), **dict(zip(names, inputs, strict=True)))


def _without(shape: tuple[Dim, ...], axis: int) -> tuple[Dim, ...]:
    return shape[:axis] + shape[axis + 1 :]


def _listed(inputs: Sequence[Value]) -> str:
    return " and ".join(shown(x) for x in inputs)
