"""Another order of axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.lowering import Access, Argument, Lowering, Pointer, Split
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Op, Sample, UnsupportedError
from netspec.compiler.kernels.transpose import transpose_kernel, transpose_words
from netspec.tensortype import BATCH, Layout, ShapeError, TensorType, laid_out

if TYPE_CHECKING:
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class Transpose(Op):
    """Permute axes, ``perm`` as in NumPy."""

    name: ClassVar[str] = "transpose"
    perm: tuple[int, ...]
    layouts: tuple[Layout, ...] = ()

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        (x,) = inputs
        if sorted(self.perm) != list(range(x.rank)):
            raise ShapeError(f"`transpose` needs a permutation of {x.rank} axes, got {self.perm}")
        return laid_out((x.with_shape(x.shape[axis] for axis in self.perm),), self.layouts)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        (ct,) = cotangents
        return (None if ct is None else g.add(Transpose(inverse(self.perm)), ct),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        return (inputs[0].transpose(self.perm),)

    def lower(self, node: Node, lowering: Lowering) -> None:
        if self.perm != (1, 0):
            raise UnsupportedError(f"`transpose` has a kernel for matrices, not for the permutation {self.perm}")
        source, target = lowering.buffer(node.inputs[0]), lowering.buffer(node.value())
        rows, columns = node.inputs[0].type.shape
        arguments: dict[str, Argument] = {
            "rows": rows,
            "columns": columns,
            "source": (Pointer(source), source.row_stride, 0, source.panel_stride),
            "target": (Pointer(target), target.row_stride, 0, target.panel_stride),
            "source_width": source.type.layout.width,
            "target_width": target.type.layout.width,
        }
        reads, writes = [Access(source, Split("rows", rows))], [Access(target, Split("columns", rows))]
        lowering.call(transpose_kernel(), transpose_words, arguments, reads, writes)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for n in (1, 15, 16, 17, 33):
            yield Sample(cls((1, 0)), (TensorType("float32", (BATCH, n)),))
        yield Sample(cls((2, 0, 1)), (TensorType("float32", (2, 3, 17)),))
        yield Sample(cls(()), (TensorType("float32", ()),))


def inverse(perm: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes ``perm``."""
    return tuple(sorted(range(len(perm)), key=perm.__getitem__))
