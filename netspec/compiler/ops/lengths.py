"""How long the rows of a batch are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.node import Node
from netspec.compiler.graph.op import Op, Sample
from netspec.tensortype import BATCH, ShapeError, TensorType, size

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Argument, Lowering
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class Lengths(Op):
    """``lengths[index]`` as float32: ``int32[N]`` and the index of the batch, or numbers of rows ``int32[R]``."""

    name: ClassVar[str] = "lengths"

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        lengths, index = inputs
        if lengths.dtype != "int32" or lengths.rank != 1 or index.rank != 1 or index.dtype not in ("int64", "int32"):
            raise ShapeError(f"`lengths` needs int32[N] and an index, got {lengths} and {index}")
        return (TensorType("float32", index.shape),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        lengths, index = inputs
        return (lengths[index].astype(real),)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.graph.lowering import Access, Clock, Pointer, Split
        from netspec.compiler.kernels.steps import lengths_kernel, lengths_words

        lengths, index = (lowering.buffer(value) for value in node.inputs)
        target = lowering.buffer(node.value(), "none")
        rows = index.type.shape[0]
        arguments: dict[str, Argument] = {
            "lengths": Pointer(lengths),
            "index": Pointer(index),
            "clock": Clock(),
            "target": Pointer(target),
            "rows": rows,
        }
        kernel = lengths_kernel(batch=index.type.dtype == "int64")
        split = Split("rows", rows)
        lowering.call(kernel, lengths_words, arguments, [Access(lengths), Access(index)], [Access(target, split)])

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        lengths = TensorType("int32", (size("N"),))
        yield Sample(cls(), (lengths, TensorType("int64", (BATCH,))), integers=5)
        yield Sample(cls(), (lengths, TensorType("int32", (33,))), integers=5)
