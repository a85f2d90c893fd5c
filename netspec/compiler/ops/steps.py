"""Rows of differing length side by side: the steps of a batch, time by time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.graph.node import Node
from netspec.compiler.graph.op import Op, Sample
from netspec.tensortype import BATCH, Dim, DType, ShapeError, TensorType, known, product, size

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Argument, Lowering
    from netspec.compiler.graph.op import Array, Real


@dataclass(frozen=True)
class Steps(Op):
    """``y[t*R + r] = values[starts[i] + t]`` with ``i = index[r]`` where ``t < lengths[i]``, else 0.

    Inputs: ``values[M, ...]``, ``starts int64[N]``, ``lengths int32[N]``, maybe ``gaps int32[N]``, ``index[R]``; result
    ``[steps*R, ...]``, whole numbers as int32. With gaps, row i leaves out the value ``starts[i] + gaps[i]``. The
    ``index`` is that of the batch (int64), or numbers of rows (int32).
    """

    name: ClassVar[str] = "steps"
    steps: Dim

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        values, *stretches, index = inputs
        fits = len(stretches) in (2, 3) and all(part.rank == 1 for part in (*stretches, index))
        if not fits or not values.rank or index.dtype not in ("int64", "int32"):
            raise ShapeError(f"`steps` needs values, starts, lengths and an index, got {', '.join(map(str, inputs))}")
        dtype: DType = values.dtype if values.dtype in ("float32", "float64") else "int32"
        return (TensorType(dtype, (self.steps * index.shape[0], *values.shape[1:])),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        values, starts, lengths, *gaps, index = inputs
        t = np.arange(known(self.steps))[:, None]
        places = starts[index] + t
        if gaps:
            places = places + (t >= gaps[0][index])
        inside = t < lengths[index]
        taken = values[np.where(inside, places, 0).reshape(-1)]
        kept = np.where(inside.reshape(-1, *(1,) * (values.ndim - 1)), taken, 0)
        return (kept.astype(real if values.dtype.kind == "f" else np.int32),)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.graph.lowering import Access, Clock, Pointer, Split
        from netspec.compiler.kernels.steps import steps_kernel, steps_words

        values, starts, lengths, *gaps, index = (lowering.buffer(value) for value in node.inputs)
        target = lowering.buffer(node.value())
        batch = index.type.dtype == "int64"
        rows = node.types[0].shape[0]
        arguments: dict[str, Argument] = {
            "values": Pointer(values),
            "value_row": values.row_stride,
            "starts": Pointer(starts),
            "lengths": Pointer(lengths),
            "gaps": Pointer(gaps[0]) if gaps else 0,
            "index": Pointer(index),
            "clock": Clock(),
            "target": Pointer(target),
            "target_row": target.row_stride,
            "rows": rows,
            "step_rows": index.type.shape[0],
            "features": product(values.type.shape[1:]),
        }
        reads = [Access(buffer) for buffer in (values, starts, lengths, *gaps, index)]
        kernel = steps_kernel(values.type.dtype, gaps=bool(gaps), batch=batch)
        lowering.call(kernel, steps_words, arguments, reads, [Access(target, Split("rows", rows))])

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        starts, lengths, index = (TensorType("int64", (size("N"),)), TensorType("int32", (size("N"),)), _INDEX)
        tokens, numbers = TensorType("uint16", (40,)), TensorType("float32", (40, 3))
        for steps in (1, 4, 7):
            yield Sample(cls(steps), (tokens, starts, lengths, index), integers=5)
            yield Sample(cls(steps), (tokens, starts, lengths, lengths, index), integers=5)
        yield Sample(cls(3), (numbers, starts, lengths, index), integers=5)
        yield Sample(cls(3), (TensorType("uint8", (40, 2, 2)), starts, lengths, TensorType("int32", (17,))), integers=5)


_INDEX = TensorType("int64", (BATCH,))
