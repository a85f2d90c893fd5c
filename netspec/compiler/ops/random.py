"""Random arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Op, Sample
from netspec.tensortype import BATCH, Dim, ShapeError, TensorType, known

if TYPE_CHECKING:
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class Random(Op):
    """Draws, uniform on [0, 1) or standard normal, from a key of two numbers and the step.

    Inputs ``hi``, ``lo`` and ``step`` are whole numbers below 2**24, held in float32. A draw is a function of these and
    of its element's index alone: the order of evaluation, threads and layouts change nothing.
    """

    name: ClassVar[str] = "random"
    kind: Literal["uniform", "normal"]
    shape: tuple[Dim, ...]

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        if len(inputs) != 3 or any(x.shape != () for x in inputs):
            raise ShapeError(f"`random` needs three numbers (hi, lo, step), got {', '.join(map(str, inputs))}")
        return (TensorType("float32", self.shape),)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        return (None, None, None)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        from netspec.compiler.kernels import random_numbers

        draw = random_numbers.uniform_reference if self.kind == "uniform" else random_numbers.normal_reference
        hi, lo, step = map(float, inputs)
        shape = tuple(map(known, self.shape))
        return (np.asarray(draw(hi, lo, step, shape), real),)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        number = TensorType("int64", ())
        for n in (1, 15, 16, 17, 33):
            yield Sample(cls("uniform", (BATCH, n)), (number, number, number), integers=1000)
            yield Sample(cls("normal", (BATCH, n)), (number, number, number), integers=1000)
