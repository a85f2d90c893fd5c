"""Counting along an axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.op import Op, Sample
from netspec.tensortype import BATCH, Dim, ShapeError, TensorType, known, show_shape

if TYPE_CHECKING:
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class Iota(Op):
    """Each element's index along ``axis``, as a float32."""

    name: ClassVar[str] = "iota"
    shape: tuple[Dim, ...]
    axis: int

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        if inputs or not 0 <= self.axis < len(self.shape):
            raise ShapeError(f"`iota` along axis {self.axis} of {show_shape(self.shape)}")
        return (TensorType("float32", self.shape),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        return (np.indices(tuple(map(known, self.shape)))[self.axis].astype(real),)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for n in (1, 15, 16, 17, 33):
            yield Sample(cls((BATCH, n), 1), ())
        yield Sample(cls((BATCH, 3, 5), 1), ())
        yield Sample(cls((2, BATCH, 3), 1), ())
