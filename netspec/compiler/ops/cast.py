"""Another dtype."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Op, Sample
from netspec.tensortype import BATCH, DType, TensorType

if TYPE_CHECKING:
    from netspec.compiler.graph.op import Array, Real

_REAL = ("float32", "float64")


@dataclass(frozen=True)
class Cast(Op):
    """The same numbers as ``dtype``; towards zero where that is an integer."""

    name: ClassVar[str] = "cast"
    dtype: DType

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        (x,) = inputs
        return (TensorType(self.dtype, x.shape),)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        (x,), (ct,) = node.inputs, cotangents
        if ct is None or x.type.dtype not in _REAL or self.dtype not in _REAL:
            return (None,)
        return (g.add(Cast(x.type.dtype), ct),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        return (inputs[0].astype(real if self.dtype in _REAL else self.dtype),)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for n in (1, 15, 16, 17, 33):
            yield Sample(cls("float32"), (TensorType("uint8", (BATCH, n)),), integers=256)
        yield Sample(cls("float64"), (TensorType("float32", (BATCH, 3)),))
        yield Sample(cls("int64"), (TensorType("float32", (5,)),))
