"""Convolutions by windows of 3 x 3 with 16 of 36 multiplications, and the weights that they read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.parse import parse
from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Lanes, Op, Sample, UnsupportedError
from netspec.compiler.kernels.kernel import UNIT
from netspec.compiler.kernels.winograd import PRODUCTS
from netspec.compiler.ops.elementwise import evaluate_formula, infer_formula, real_dtype
from netspec.tensortype import BATCH, ROWS, Dim, Layout, ShapeError, TensorType, known, laid_out

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Lowering
    from netspec.compiler.graph.op import Array, Real

_PLAIN = parse("acc", ("acc",))


@dataclass(frozen=True)
class FilterTransform(Op):
    """``G g G'`` for each pair of channels: what minimal filtering multiplies instead of 3 x 3 weights.

    ``float32[3, 3, in, out]`` to ``float32[out / 16, 16, in, 16]``, in panels of 16 output channels, zero behind the
    last one. ``turned``: for the gradient of the input, windows upside down and the two kinds of channels swapped.
    """

    name: ClassVar[str] = "filter_transform"
    turned: bool = False

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        (w,) = inputs
        if w.rank != 4 or w.shape[:2] != (3, 3):
            raise ShapeError(f"`filter_transform` takes windows of 3 x 3, got {w}")
        ins, outs = (known(n) for n in (reversed(w.shape[2:]) if self.turned else w.shape[2:]))
        return (TensorType(w.dtype, (-(-outs // UNIT), PRODUCTS, ins, UNIT)),)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        raise UnsupportedError("`filter_transform` is made by a pass and has no gradient")

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        w = np.asarray(inputs[0], real)
        if self.turned:
            w = w[::-1, ::-1].swapaxes(2, 3)
        half = real(0.5)

        def filtered(g: Array) -> Array:
            ends, middle = (g[0] + g[2]) * half, g[1] * half
            return np.stack([g[0], ends + middle, ends - middle, g[2]])

        u = filtered(filtered(w).swapaxes(0, 1)).swapaxes(0, 1)
        ins, outs = w.shape[2:]
        padded = np.zeros((PRODUCTS, ins, -(-outs // UNIT) * UNIT), real)
        padded[..., :outs] = u.reshape(PRODUCTS, ins, outs)
        return (np.ascontiguousarray(padded.reshape(PRODUCTS, ins, -1, UNIT).transpose(2, 0, 1, 3)),)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.ops.conv_winograd import lower_filter_transform

        lower_filter_transform(lowering, node, turned=self.turned)

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for turned in (False, True):
            for ins, outs in ((1, 1), (3, 17), (17, 32)):
                yield Sample(cls(turned), (TensorType("float32", (3, 3, ins, outs)),))


@dataclass(frozen=True)
class ConvMinimal(Op):
    """``y[b, p, o] = sum over t, i of x[b, p + t - before, i] w[t, i, o]`` for ``w`` of 3 x 3, by minimal filtering.

    ``float32[B, h, w, in]`` and the transformed weights ``float32[out / 16, 16, in, 16]`` give
    ``float32[B, *space, outs]``. With ``epilogue``, a formula of that and of further inputs (whole arrays, one number a
    channel, or single numbers), the results are its own.

    Reference: Winograd 1980, Arithmetic complexity of computations; Lavin & Gray 2016, Fast algorithms for
    convolutional neural networks.
    """

    name: ClassVar[str] = "conv_minimal"
    before: tuple[int, int]
    space: tuple[int, int]
    outs: int
    epilogue: Formula | None = None
    layouts: tuple[Layout, ...] = ()

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        x, u, *extras = inputs
        if x.rank != 4 or u.shape != (-(-self.outs // UNIT), PRODUCTS, x.channels, UNIT):
            raise ShapeError(f"`conv_minimal` to {self.outs} channels got {x} and {u}")
        made = TensorType(real_dtype([x, u]), (x.shape[0], *self.space, self.outs))
        results = (made,) if self.epilogue is None else infer_formula(self.name, self.epilogue, [made, *extras])
        if results[0].shape != made.shape:
            raise ShapeError(f"the epilogue of `conv_minimal` has to keep the shape of {made}, got {results[0]}")
        return laid_out(results, self.layouts)

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        raise UnsupportedError("`conv_minimal` is made by a pass and has no gradient")

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        x, u, *extras = inputs
        x, u = np.asarray(x, real), np.asarray(u, real)
        down, across = (-(-n // 2) for n in self.space)
        padded = np.zeros((x.shape[0], 2 * down + 2, 2 * across + 2, x.shape[-1]), real)
        rows, columns = (
            slice(b, min(b + n, p)) for b, n, p in zip(self.before, x.shape[1:3], padded.shape[1:3], strict=True)
        )
        padded[:, rows, columns] = x[:, : rows.stop - rows.start, : columns.stop - columns.start]
        tiles = np.lib.stride_tricks.sliding_window_view(padded, (4, 4), (1, 2))[:, ::2, ::2]
        spread = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], real)
        gather = np.array([[1, 1, 1, 0], [0, 1, -1, -1]], real)
        v = spread @ tiles @ spread.T
        factors = u.transpose(1, 2, 0, 3).reshape(4, 4, x.shape[-1], -1)[..., : self.outs]
        y = gather @ np.einsum("bhwiyx,yxio->bhwoyx", v, factors) @ gather.T
        whole = y.transpose(0, 1, 4, 2, 5, 3).reshape(x.shape[0], 2 * down, 2 * across, self.outs)
        made = np.ascontiguousarray(whole[:, : self.space[0], : self.space[1]])
        return (made,) if self.epilogue is None else evaluate_formula(self.epilogue, [made, *extras], real)

    def lanes(self, inputs: Sequence[TensorType], results: Sequence[TensorType]) -> Lanes | None:
        wanted = (True, False, *(x.shape == results[0].shape for x in inputs[2:]))
        return Lanes(wanted, always=True, rows=(ROWS,) * len(inputs))

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.ops.conv_winograd import lower_winograd

        lower_winograd(lowering, node, self.before, self.epilogue or _PLAIN)

    def multiply_adds(self, inputs: Sequence[TensorType]) -> Dim:
        """Those of the direct method."""
        x, _, *_ = inputs
        return x.shape[0] * self.space[0] * self.space[1] * 9 * x.channels * self.outs

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        def sample(op: ConvMinimal, read: tuple[int, int], ins: int, *extras: tuple[Dim, ...]) -> Sample:
            panels = -(-op.outs // UNIT)
            shapes: list[tuple[Dim, ...]] = [(BATCH, *read, ins), (panels, PRODUCTS, ins, UNIT), *extras]
            return Sample(op, tuple(TensorType("float32", shape) for shape in shapes))

        yield sample(cls((1, 1), (4, 9), 33), (4, 9), 3)
        yield sample(cls((0, 0), (1, 6), 16), (3, 8), 24)
        yield sample(cls((2, 2), (3, 11), 1), (1, 9), 17)
        yield sample(cls((2, 1), (6, 5), 24), (4, 5), 33)
        mixed = parse("max(acc * s + b, 0) + a, acc", ("acc", "a", "b", "s"))
        yield sample(cls((1, 1), (7, 2), 31, mixed), (7, 2), 40, (BATCH, 7, 2, 31), (31,), ())
