"""Pooling: the largest or the mean of what a window meets, and the gradient of its input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Lanes, Op, Sample, UnsupportedError
from netspec.compiler.ops.windows import VECTOR, Share, Window, axes_of, space_steps, taps, untaps
from netspec.tensortype import BATCH, ROWS, Dim, Layout, ShapeError, TensorType, known, laid_out, product

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Argument, Buffer, Lowering
    from netspec.compiler.graph.op import Array, Real
    from netspec.compiler.kernels.windows import Axis, Shares

PoolKind = Literal["max", "average"]


@dataclass(frozen=True)
class Pool(Op):
    """The largest, or the mean, over each window: ``float32[B, *space, C]`` to ``float32[B, *counts, C]``.

    Padding never wins and does not count; the mean of a window in padding alone is zero.
    """

    name: ClassVar[str] = "pool"
    kind: PoolKind
    windows: tuple[Window | Share, ...]
    layouts: tuple[Layout, ...] = ()

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        (x,) = inputs
        counts = [axis.count for axis in axes_of(self.windows, x.shape[1:-1])]
        return laid_out((TensorType(x.dtype, (x.shape[0], *counts, x.channels)),), self.layouts)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        (x,), (ct,) = node.inputs, cotangents
        if ct is None:
            return (None,)
        space = tuple(known(n) for n in x.type.shape[1:-1])
        read = (x, node.value()) if self.kind == "max" else ()
        return (g.add(PoolInput(self.kind, self.windows, space), ct, *read),)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        x = np.asarray(inputs[0], real)
        axes = axes_of(self.windows, x.shape[1:-1])
        if self.kind == "max":
            return (np.maximum.reduce([read for _, read in taps(x, axes, -np.inf)]),)
        total = np.add.reduce([read for _, read in taps(x, axes)])
        return (total / np.maximum(_met(x, axes), 1),)

    def lanes(self, inputs: Sequence[TensorType], results: Sequence[TensorType]) -> Lanes | None:
        return Lanes((True,), always=True, rows=(ROWS,))

    def lower(self, node: Node, lowering: Lowering) -> None:
        x, y = lowering.buffer(node.inputs[0]), lowering.buffer(node.value())
        call_pool(lowering, self.kind, axes_of(self.windows, x.type.shape[1:-1]), {"x": x}, {"y": y}, backward=False)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        kinds: tuple[PoolKind, ...] = ("max", "average")
        for kind in kinds:
            yield _sample(cls(kind, (Window(2, 2), Window(2, 2))), (BATCH, 5, 4, 3))
            yield _sample(cls(kind, (Window(3, 2, 1, 1, 1), Window(3, 1, 2, 2, 1))), (BATCH, 6, 7, 17))
            yield _sample(cls(kind, (Window(3, 2),)), (BATCH, 8, 1))
            yield _sample(cls(kind, (Window(2), Window(1), Window(3, 3))), (BATCH, 3, 2, 7, 2))
            yield _sample(cls(kind, (Window(4), Window(4))), (BATCH, 4, 4, 2))
            yield _sample(cls(kind, (Share(3), Share(2))), (BATCH, 7, 4, 3))
            yield _sample(cls(kind, (Share(5),)), (BATCH, 3, 17))
            yield _sample(cls(kind, (Share(1), Window(2, 2), Share(3))), (BATCH, 4, 5, 3, 1))


@dataclass(frozen=True)
class PoolInput(Op):
    """The cotangent of what was pooled over ``space``, from that of the result and, for the largest, input and result.

    The largest of a window is one element, the first of equals; it receives the whole cotangent.
    """

    name: ClassVar[str] = "pool_input"
    kind: PoolKind
    windows: tuple[Window | Share, ...]
    space: tuple[int, ...]
    layouts: tuple[Layout, ...] = ()

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        ct, *read = inputs
        counts = tuple(axis.count for axis in axes_of(self.windows, self.space))
        if ct.shape[1:-1] != counts or len(read) != (2 if self.kind == "max" else 0):
            raise ShapeError(f"`pool_input` of windows that are laid down {counts} times got {ct}")
        return laid_out((TensorType(ct.dtype, (ct.shape[0], *self.space, ct.channels)),), self.layouts)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        raise UnsupportedError("`pool_input` has no gradient")

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        ct = np.asarray(inputs[0], real)
        axes = axes_of(self.windows, self.space)
        if self.kind == "average":
            ones = np.ones((ct.shape[0], *self.space, ct.shape[-1]), real)
            share = ct / np.maximum(_met(ones, axes), 1)
            return (untaps(((tap, share * met) for tap, met in taps(ones, axes)), axes),)
        x, y = (np.asarray(array, real) for array in inputs[1:])
        waiting = np.ones(ct.shape, bool)
        parts = []
        for tap, read in taps(x, axes, -np.inf):
            wins = waiting & (read == y)
            parts.append((tap, np.where(wins, ct, 0)))
            waiting &= ~wins
        return (untaps(iter(parts), axes),)

    def lanes(self, inputs: Sequence[TensorType], results: Sequence[TensorType]) -> Lanes | None:
        return Lanes((True,) * len(inputs), always=True)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.ops.lanes import in_lanes, out_of_lanes, result_in_lanes

        buffers = [in_lanes(lowering, lowering.buffer(value)) for value in node.inputs]
        target = lowering.buffer(node.value())
        result = result_in_lanes(lowering, target)
        read = dict(zip(("cotangent", "x", "y"), buffers, strict=False))
        axes = axes_of(self.windows, self.space)
        call_pool(lowering, self.kind, axes, read, {"result": result}, backward=True)
        if result is not target:
            out_of_lanes(lowering, result, target)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        yield _sample(cls("average", (Window(2, 2), Window(2, 2)), (5, 4)), (BATCH, 2, 2, 3))
        yield _sample(cls("average", (Window(3, 2, 1, 1, 1),), (6,)), (BATCH, 3, 17))
        yield _sample(cls("average", (Share(3), Share(2)), (7, 4)), (BATCH, 3, 2, 3))
        yield _sample(cls("average", (Share(5),), (3,)), (BATCH, 5, 17))


def call_pool(
    lowering: Lowering,
    kind: PoolKind,
    axes: Sequence[Axis | Shares],
    read: dict[str, Buffer],
    written: dict[str, Buffer],
    *,
    backward: bool,
) -> None:
    """The kernel of a pooling, or of its gradient: ``axes`` say what each window meets along each axis."""
    from netspec.compiler.graph.lowering import Access, Pointer, Split
    from netspec.compiler.kernels.pool import SIDES, pool_kernel, pool_words

    sides = read | written
    (made,) = written.values()
    samples, *_, channels = made.type.shape
    rows = made.type.layout == ROWS
    pixel = known(channels) * 4 if rows else VECTOR
    arguments: dict[str, Argument] = {
        "samples": samples,
        "channels": channels,
        "steps": [step // VECTOR * pixel for step in space_steps([axis.size for axis in axes])],
        "pixels": product(made.type.shape[1:-1]),
        "pixel": pixel if rows else 0,
    }
    for side in SIDES:
        buffer = sides.get(side)
        channel = VECTOR if rows or buffer is None else buffer.panel_stride
        arguments[side] = (Pointer(buffer), buffer.row_stride, channel) if buffer else (0, 0, 0)
    split = Split("pieces" if rows else "rows", samples)
    pack = partial(pool_words, axes=axes)
    kernel = pool_kernel(kind, axes, backward=backward, rows_of=known(channels) if rows else None)
    reads = [Access(buffer, None if rows else split) for buffer in read.values()]
    # Every place of x is read before the gradient of its window is written there, and by nobody else.
    apart = backward and kind == "max" and all(axis.apart and axis.covers for axis in axes)
    over = [(made, read["x"])] if apart else []
    lowering.call(kernel, pack, arguments, reads, [Access(made, split)], over)


def _met(x: Array, axes: Sequence[Axis | Shares]) -> Array:
    """How many positions each window meets."""
    import numpy as np

    met: Array = np.add.reduce([read for _, read in taps(np.ones_like(x), axes)])
    return met


def _sample(op: Op, *shapes: tuple[Dim, ...]) -> Sample:
    return Sample(op, tuple(TensorType("float32", shape) for shape in shapes))
