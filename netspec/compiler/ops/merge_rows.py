"""Sums of what belongs to each row of a table, where its first place in the batch is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.node import Node
from netspec.compiler.graph.op import Op, Sample
from netspec.compiler.ops.places import at_places, grouped, places_shape, samples_of_places, summed
from netspec.tensortype import Dim, TensorType, known

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Lowering
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class MergeRows(Op):
    """``y[p]`` is the sum of ``x`` over all places with the number of ``p``, if ``p`` is the first of them, else 0.

    So ``scatter_add(index, y) = scatter_add(index, x)``, and what is done to each element of ``y`` is done to each
    element of that sum. Numbers ``[R]`` or ``[R, K]`` below ``rows``, and ``x`` and ``outer`` as in `scatter_add`;
    ``y`` is ``[R, C]`` or ``[R, K, C]``.
    """

    name: ClassVar[str] = "merge_rows"
    rows: Dim
    outer: bool = False

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        index, *x = inputs
        return (x[0].with_shape(places_shape(self.name, self.outer, index, x)),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        index, *x = inputs
        values = at_places(self.outer, x, real)
        numbers, firsts = np.unique(index, return_index=True)
        named = numbers >= 0
        merged = np.zeros((index.size, values.shape[-1]), real)
        merged[firsts[named]] = summed(known(self.rows), index, values)[numbers[named]]
        return (merged.reshape(values.shape),)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.graph.lowering import Access, Pointer, Split
        from netspec.compiler.kernels.row_groups import group_words, merge_kernel

        index, *x = node.inputs
        groups, target = grouped(lowering, index, x, self.rows), lowering.buffer(node.value())
        arguments = {**groups.arguments, "places": [(Pointer(target), target.row_stride)]}
        writes = [*groups.writes, Access(target, Split("pieces", self.rows))]
        kernel = merge_kernel(groups.dtype, outer=groups.outer)
        lowering.call(kernel, group_words, arguments, groups.reads, writes)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for outer, types in samples_of_places((1, 16, 33)):
            yield Sample(cls(7, outer), types, integers=7)
