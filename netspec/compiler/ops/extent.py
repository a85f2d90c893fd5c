"""A size as a number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.node import Node
from netspec.compiler.graph.op import Op, Sample
from netspec.tensortype import BATCH, Dim, ShapeError, TensorType

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Lowering
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class Extent(Op):
    """The size ``dim`` as float32: what a mean over the batch divides by."""

    name: ClassVar[str] = "extent"
    dim: Dim

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        if inputs:
            raise ShapeError("`extent` takes no input")
        return (TensorType("float32", ()),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        return (np.asarray(self.dim, real),)

    def lower(self, node: Node, lowering: Lowering) -> None:
        lowering.extent(node.value(), self.dim)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        yield Sample(cls(BATCH), ())
        yield Sample(cls(3 * BATCH + 1), ())
        yield Sample(cls(17), ())
