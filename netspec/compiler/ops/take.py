"""Elements along the last axis in another order, or zeros."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Op, Sample
from netspec.tensortype import BATCH, ShapeError, TensorType, known, product

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Argument, Lowering
    from netspec.compiler.graph.op import Array, Real

NONE = -1
"""The place of a zero."""


@dataclass(frozen=True)
class Take(Op):
    """``y[..., j] = x[..., places[j]]``, zero where the place is `NONE`; no place is taken twice."""

    name: ClassVar[str] = "take"
    places: tuple[int, ...]

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        (x,) = inputs
        taken = [place for place in self.places if place != NONE]
        if len(set(taken)) != len(taken) or any(not 0 <= place < known(x.channels) for place in taken):
            raise ShapeError(f"`take` takes each of {x.channels} elements once at most, got places {self.places}")
        return (x.with_shape((*x.shape[:-1], len(self.places))),)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        (x,), (ct,) = node.inputs, cotangents
        places = inverse_places(self.places, known(x.type.channels))
        return (None if ct is None else g.add(Take(places), ct),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        places = np.array(self.places, np.int64)
        return (np.where(places == NONE, 0, np.asarray(inputs[0], real)[..., places]).astype(real),)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.graph.lowering import Access, Pointer, Split
        from netspec.compiler.kernels.take import take_kernel, take_words
        from netspec.compiler.ops.stretch import relay

        source, wanted = lowering.buffer(node.inputs[0]), lowering.buffer(node.value(), "none")
        if not source.contiguous and source.type.rank != 2:
            flat = lowering.temporary(source.type)
            relay(lowering, source, flat)
            source = flat
        target = wanted if wanted.contiguous or wanted.type.rank == 2 else lowering.temporary(wanted.type)
        rows = product(source.type.shape[:-1])
        two = source.type.rank == 2
        arguments: dict[str, Argument] = {
            "source": Pointer(source),
            "source_row": source.row_stride if two else known(source.type.channels) * 4,
            "target": Pointer(target),
            "target_row": target.row_stride if two else len(self.places) * 4,
            "rows": rows,
            "places": self.places,
        }
        split = Split("rows", rows)
        lowering.call(take_kernel(), take_words, arguments, [Access(source, split)], [Access(target, split)])
        if target is not wanted:
            relay(lowering, target, wanted)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for n in (1, 17):
            yield Sample(cls((NONE, *range(n - 1, -1, -1), NONE)), (TensorType("float32", (BATCH, n)),))
        yield Sample(cls((2, NONE, 0)), (TensorType("float32", (5, 3, 4)),))


def inverse_places(places: Sequence[int], count: int) -> tuple[int, ...]:
    """Where each of ``count`` elements went, or `NONE`: the places that take them back."""
    back = {place: j for j, place in enumerate(places) if place != NONE}
    return tuple(back.get(i, NONE) for i in range(count))
