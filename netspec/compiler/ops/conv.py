"""Convolutions over any number of axes, the gradient of their input, and that of their weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.parse import parse
from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Lanes, Op, Sample, UnsupportedError
from netspec.compiler.ops.elementwise import evaluate_formula, infer_formula, real_dtype
from netspec.compiler.ops.transpose import Transpose
from netspec.compiler.ops.windows import Window, axes_of, refuse_too_many, taps, untaps
from netspec.tensortype import BATCH, ROWS, Dim, Layout, ShapeError, TensorType, known, laid_out, product

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Lowering
    from netspec.compiler.graph.op import Array, Real

_PLAIN = parse("acc", ("acc",))


@dataclass(frozen=True)
class Conv(Op):
    """``y[b, p, o] = sum over t, i of x[b, p * stride + t * dilation - before, i] w[t, i, o]``.

    ``x`` is ``float32[B, *space, in]``, ``w`` ``float32[*extents, in / groups, out]``, the result
    ``float32[B, *counts, out]``; what windows meet outside ``x`` is zero. Both kinds of channels are cut into
    ``groups``, each of which reads its own. With ``epilogue``, a formula of that and of further inputs (whole arrays,
    one number a channel, or single numbers), the results are its own.
    """

    name: ClassVar[str] = "conv"
    windows: tuple[Window, ...]
    groups: int = 1
    epilogue: Formula | None = None
    layouts: tuple[Layout, ...] = ()

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        x, w, *extras = inputs
        counts = [axis.count for axis in axes_of(self.windows, x.shape[1:-1])]
        _check_weights(x.channels, w, [window.extent for window in self.windows], self.groups)
        made = TensorType(real_dtype([x, w]), (x.shape[0], *counts, w.channels))
        results = (made,) if self.epilogue is None else infer_formula(self.name, self.epilogue, [made, *extras])
        if results[0].shape != made.shape:
            raise ShapeError(f"the epilogue of `conv` has to keep the shape of {made}, got {results[0]}")
        return laid_out(results, self.layouts)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        if self.epilogue is not None:
            raise UnsupportedError("`conv` with an epilogue has no gradient")
        (x, w), (ct,) = node.inputs, cotangents
        if ct is None:
            return (None, None)
        space = tuple(axis.size for axis in axes_of(self.windows, x.type.shape[1:-1]))
        to_x = g.add(ConvInput(self.windows, space, self.groups), ct, w)
        return to_x, g.add(ConvWeight(self.windows, self.groups), x, ct)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        x, w, *extras = inputs
        axes = axes_of(self.windows, x.shape[1:-1])
        x, w = np.asarray(x, real), np.asarray(w, real)
        made = sum(_grouped(part, w[tap], self.groups) for tap, part in taps(x, axes))
        assert not isinstance(made, int)
        return (made,) if self.epilogue is None else evaluate_formula(self.epilogue, [made, *extras], real)

    def lanes(self, inputs: Sequence[TensorType], results: Sequence[TensorType]) -> Lanes | None:
        return _forms(inputs, results, Layout("filters", self.groups))

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.ops.conv_lowering import lower_conv

        axes = axes_of(self.windows, node.inputs[0].type.shape[1:-1])
        lower_conv(lowering, node, axes, self.groups, self.epilogue or _PLAIN, backward=False)

    def multiply_adds(self, inputs: Sequence[TensorType]) -> Dim:
        x, w, *_ = inputs
        counts = [axis.count for axis in axes_of(self.windows, x.shape[1:-1])]
        return x.shape[0] * product(counts) * product(w.shape)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        same, wide = Window(3, before=1, after=1), Window(3, 2, 2, 1, 0)
        for n in (1, 15, 17):
            yield _sample(cls((Window(1), Window(1))), (BATCH, 3, 4, n), (1, 1, n, 3))
            yield _sample(cls((same, same)), (BATCH, 4, 5, 2), (3, 3, 2, n))
        yield _sample(cls((Window(5), Window(5))), (BATCH, 5, 5, 1), (5, 5, 1, 33))
        yield _sample(cls((wide, same), 2), (BATCH, 9, 4, 4), (3, 3, 2, 6))
        yield _sample(cls((Window(3, 2),)), (BATCH, 12, 3), (3, 3, 5))
        yield _sample(cls((same, Window(2), Window(1, 2))), (BATCH, 3, 4, 5, 2), (3, 2, 1, 2, 3))
        relu = parse("max(acc + b, 0)", ("acc", "b"))
        yield _sample(cls((same, same), epilogue=relu), (BATCH, 4, 5, 2), (3, 3, 2, 7), (7,))
        both = parse("s * acc + a, acc", ("acc", "a", "s"))
        yield _sample(cls((Window(2),), epilogue=both), (BATCH, 6, 2), (2, 2, 3), (BATCH, 5, 3), ())


@dataclass(frozen=True)
class ConvInput(Op):
    """The cotangent of the input of a convolution over ``space``, from that of its output and the weights.

    A transposed convolution is this, with its own weights turned: ``float32[B, *counts, out]`` and
    ``float32[*extents, in / groups, out]`` give ``float32[B, *space, in]``.
    """

    name: ClassVar[str] = "conv_input"
    windows: tuple[Window, ...]
    space: tuple[int, ...]
    groups: int = 1
    epilogue: Formula | None = None
    layouts: tuple[Layout, ...] = ()

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        y, w, *extras = inputs
        counts = tuple(axis.count for axis in axes_of(self.windows, self.space))
        if y.shape[1:-1] != counts or y.channels != w.channels:
            raise ShapeError(f"`conv_input` of windows that are laid down {counts} times got {y} and {w}")
        made = TensorType(real_dtype([y, w]), (y.shape[0], *self.space, w.shape[-2] * self.groups))
        results = (made,) if self.epilogue is None else infer_formula(self.name, self.epilogue, [made, *extras])
        if results[0].shape != made.shape:
            raise ShapeError(f"the epilogue of `conv_input` has to keep the shape of {made}, got {results[0]}")
        return laid_out(results, self.layouts)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        if self.epilogue is not None:
            raise UnsupportedError("`conv_input` with an epilogue has no gradient")
        (y, w), (ct,) = node.inputs, cotangents
        if ct is None:
            return (None, None)
        return g.add(Conv(self.windows, self.groups), ct, w), g.add(ConvWeight(self.windows, self.groups), ct, y)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        y, w, *extras = inputs
        axes = axes_of(self.windows, self.space)
        y, w = np.asarray(y, real), np.asarray(turned(w, self.groups), real)
        made = untaps(((tap, _grouped(y, w[tap], self.groups)) for tap in np.ndindex(*w.shape[:-2])), axes)
        return (made,) if self.epilogue is None else evaluate_formula(self.epilogue, [made, *extras], real)

    def lanes(self, inputs: Sequence[TensorType], results: Sequence[TensorType]) -> Lanes | None:
        return _forms(inputs, results, Layout("turned", self.groups))

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.ops.conv_lowering import lower_conv

        axes = axes_of(self.windows, self.space)
        lower_conv(lowering, node, axes, self.groups, self.epilogue or _PLAIN, backward=True)

    def multiply_adds(self, inputs: Sequence[TensorType]) -> Dim:
        y, w, *_ = inputs
        return product(y.shape[:-1]) * product(w.shape)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        same, wide = Window(3, before=1, after=1), Window(3, 2, 2, 1, 0)
        for n in (1, 15, 17):
            yield _sample(cls((same, same), (4, 5)), (BATCH, 4, 5, n), (3, 3, 2, n))
            yield _sample(cls((Window(1, 2), Window(1, 2)), (5, 4)), (BATCH, 3, 2, 3), (1, 1, n, 3))
        yield _sample(cls((wide, same), (9, 4), 2), (BATCH, 3, 4, 6), (3, 3, 2, 6))
        yield _sample(cls((Window(3, 2),), (12,)), (BATCH, 5, 3), (3, 4, 3))
        masked = parse("acc * m", ("acc", "m"))
        yield _sample(cls((same,), (6,), epilogue=masked), (BATCH, 6, 3), (3, 4, 3), (BATCH, 6, 4))


@dataclass(frozen=True)
class ConvWeight(Op):
    """The cotangent of the weights of a convolution: ``w[t, i, o] = sum over b, p of x[b, p + t, i] y[b, p, o]``.

    ``float32[B, *space, in]`` and ``float32[B, *counts, out]`` give ``float32[*extents, in / groups, out]``. With
    ``epilogue``, a formula of that and of further inputs of its shape or of none, the results are its own.
    """

    name: ClassVar[str] = "conv_weight"
    windows: tuple[Window, ...]
    groups: int = 1
    epilogue: Formula | None = None

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        x, y, *extras = inputs
        counts = tuple(axis.count for axis in axes_of(self.windows, x.shape[1:-1]))
        if y.shape[:-1] != (x.shape[0], *counts):
            raise ShapeError(f"`conv_weight` of windows that are laid down {counts} times got {x} and {y}")
        ins = _share(x.channels, self.groups)
        made = TensorType(real_dtype([x, y]), (*(window.extent for window in self.windows), ins, y.channels))
        return (made,) if self.epilogue is None else infer_formula(self.name, self.epilogue, [made, *extras])

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        if self.epilogue is not None:
            raise UnsupportedError("`conv_weight` with an epilogue has no gradient")
        (x, y), (ct,) = node.inputs, cotangents
        if ct is None:
            return (None, None)
        space = tuple(axis.size for axis in axes_of(self.windows, x.type.shape[1:-1]))
        return g.add(ConvInput(self.windows, space, self.groups), y, ct), g.add(Conv(self.windows, self.groups), x, ct)

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        x, y, *extras = inputs
        axes = axes_of(self.windows, x.shape[1:-1])
        x, y = np.asarray(x, real), np.asarray(y, real)
        made = np.zeros((*(axis.extent for axis in axes), x.shape[-1] // self.groups, y.shape[-1]), real)
        summed = (range(y.ndim - 1),) * 2
        for tap, read in taps(x, axes):
            pairs = zip(np.split(read, self.groups, -1), np.split(y, self.groups, -1), strict=True)
            made[tap] = np.concatenate([np.tensordot(a, b, summed) for a, b in pairs], -1)
        return (made,) if self.epilogue is None else evaluate_formula(self.epilogue, [made, *extras], real)

    def lanes(self, inputs: Sequence[TensorType], results: Sequence[TensorType]) -> Lanes | None:
        return Lanes((True, True, *(False for _ in inputs[2:])), results=False, always=True)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.ops.conv_lowering import lower_conv_weight

        axes = axes_of(self.windows, node.inputs[0].type.shape[1:-1])
        lower_conv_weight(lowering, node, axes, self.groups, self.epilogue or _PLAIN)

    def multiply_adds(self, inputs: Sequence[TensorType]) -> Dim:
        x, y, *_ = inputs
        ins = _share(x.channels, self.groups)
        return product(y.shape) * ins * product(window.extent for window in self.windows)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        same, wide = Window(3, before=1, after=1), Window(3, 2, 2, 1, 0)
        for n in (1, 15, 17):
            yield _sample(cls((same, same)), (BATCH, 4, 5, 2), (BATCH, 4, 5, n))
            yield _sample(cls((Window(1, 2), Window(1, 2))), (BATCH, 5, 4, n), (BATCH, 3, 2, 3))
        yield _sample(cls((wide, same), 2), (BATCH, 9, 4, 4), (BATCH, 3, 4, 6))
        yield _sample(cls((Window(5),)), (BATCH, 12, 1), (BATCH, 8, 3))
        yield _sample(cls((same, same)), (BATCH, 5, 18, 17), (BATCH, 5, 18, 33))
        yield _sample(cls((Window(3), Window(3, before=2))), (BATCH, 9, 6, 72), (BATCH, 7, 6, 16))
        momentum = parse("v = 0.9 * m + acc; p - 0.1 * v, v", ("acc", "p", "m"))
        yield _sample(cls((Window(2),), epilogue=momentum), (BATCH, 6, 3), (BATCH, 5, 18), (2, 3, 18), (2, 3, 18))


def turned(w: Array, groups: int) -> Array:
    """Weights with the two kinds of channels swapped within each group: ``[*extents, out / groups, in]``."""
    import numpy as np

    return np.concatenate([part.swapaxes(-1, -2) for part in np.split(w, groups, -1)], -1)


def turned_value(g: GraphBuilder, w: Value) -> Value:
    """The same in a graph, of one group."""
    rank = w.type.rank
    return g.add(Transpose((*range(rank - 2), rank - 1, rank - 2)), w)


def _grouped(x: Array, w: Array, groups: int) -> Array:
    """``x @ w``, each group of channels for itself."""
    import numpy as np

    pairs = zip(np.split(x, groups, -1), np.split(w, groups, -1), strict=True)
    return np.concatenate([np.matmul(a, b) for a, b in pairs], -1)


def depthwise(w: TensorType, groups: int) -> bool:
    """Whether every channel has a window of its own."""
    return groups > 1 and w.shape[-2] == 1 and w.channels == groups


def _forms(inputs: Sequence[TensorType], results: Sequence[TensorType], filters: Layout) -> Lanes:
    """``filters`` is the layout of the weights for few samples."""
    wanted = (True, False, *(x.shape == results[0].shape for x in inputs[2:]))
    weights = ROWS if depthwise(inputs[1], filters.width) else filters
    return Lanes(wanted, always=True, rows=(ROWS, weights, *(ROWS,) * len(inputs[2:])))


def _share(channels: Dim, groups: int) -> int:
    if not isinstance(channels, int) or channels % groups:
        raise ShapeError(f"{channels} channels do not divide into {groups} groups")
    return channels // groups


def _check_weights(channels: Dim, w: TensorType, extents: Sequence[int], groups: int) -> None:
    for count in (known(channels), known(w.channels)):
        refuse_too_many(count, "channels of a convolution")
    ins, _ = _share(channels, groups), _share(w.channels, groups)
    if w.shape[:-1] != (*extents, ins):
        raise ShapeError(f"`conv` of {channels} channels with windows of {tuple(extents)} got weights {w}")


def _sample(op: Op, *shapes: tuple[Dim, ...]) -> Sample:
    return Sample(op, tuple(TensorType("float32", shape) for shape in shapes))
