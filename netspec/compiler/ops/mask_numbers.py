"""Whole numbers of a batch, of which some count for nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.node import Node
from netspec.compiler.graph.op import Op, Sample
from netspec.compiler.ops.places import NUMBERS, check_numbers, numbers_of
from netspec.tensortype import BATCH, ShapeError, TensorType, product

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Argument, Lowering
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class MaskNumbers(Op):
    """The numbers of rows whose mask is above 0, else -1, which names no row of any table.

    Whole numbers ``[R]`` or ``[R, K]`` and ``float32[R]`` to ``int32`` of the same shape.
    """

    name: ClassVar[str] = "mask_numbers"

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        index, mask = inputs
        check_numbers(self.name, index)
        if mask.shape != index.shape[:1] or mask.dtype != "float32":
            raise ShapeError(f"`mask_numbers` needs a number for each row of {index}, got {mask}")
        return (TensorType("int32", index.shape),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        index, mask = inputs
        wide = mask.reshape(mask.shape + (1,) * (index.ndim - 1))
        return (np.where(wide > 0, index.astype(np.int32), -1),)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.graph.lowering import Access, Pointer, Split
        from netspec.compiler.kernels.lookup import mask_kernel, mask_words

        index, mask = numbers_of(lowering, node.inputs[0]), lowering.buffer(node.inputs[1])
        target = lowering.buffer(node.value(), "none")
        rows = index.type.shape[0]
        arguments: dict[str, Argument] = {
            "index": Pointer(index),
            "mask": Pointer(mask),
            "target": Pointer(target),
            "rows": rows,
            "each": product(index.type.shape[1:]),
        }
        split = Split("rows", rows)
        reads = [Access(index, split), Access(mask, split)]
        lowering.call(mask_kernel(index.type.dtype), mask_words, arguments, reads, [Access(target, split)])

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for dtype in NUMBERS[:3]:
            yield Sample(cls(), (TensorType(dtype, (BATCH,)), TensorType("float32", (BATCH,))), integers=200)
        yield Sample(cls(), (TensorType("int32", (BATCH, 3)), TensorType("float32", (BATCH,))), integers=200)
