"""Matrix products."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.parse import parse
from netspec.compiler.graph.builder import GraphBuilder
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import Op, Sample, UnsupportedError
from netspec.compiler.ops.elementwise import evaluate_formula, infer_formula, real_dtype
from netspec.tensortype import BATCH, Dim, Layout, ShapeError, TensorType, laid_out

if TYPE_CHECKING:
    from netspec.compiler.graph.lowering import Argument, Buffer, Lowering, Pointer
    from netspec.compiler.graph.op import Array, Real

ITEM = 4  # bytes of a float32
COSTLY = 12
"""Cycles a vector from which an epilogue runs between the multiply-adds of the next tile: with a root or a division."""

_PLAIN = parse("acc", ("acc",))


@dataclass(frozen=True)
class Contract(Op):
    """``A @ B`` of two matrices, each read transposed where its flag says so.

    With ``epilogue``, a formula of that and of further inputs that broadcast to its shape, the results are its own.
    """

    name: ClassVar[str] = "contract"
    transpose_a: bool = False
    transpose_b: bool = False
    epilogue: Formula | None = None
    layouts: tuple[Layout, ...] = ()

    def infer(self, inputs: Sequence[TensorType]) -> tuple[TensorType, ...]:
        a, b, *extras = inputs
        if a.rank != 2 or b.rank != 2:
            raise ShapeError(f"`contract` needs two matrices, got {a} and {b}")
        rows, inner, other, columns = self.sides(a, b)
        if inner != other:
            raise ShapeError(f"`contract` of [{rows}, {inner}] with [{other}, {columns}]: the inner sizes differ")
        product = TensorType(real_dtype([a, b]), (rows, columns))
        if self.epilogue is None:
            if extras:
                raise ShapeError(f"`contract` without an epilogue takes two inputs, got {len(inputs)}")
            return laid_out((product,), self.layouts)
        results = infer_formula(self.name, self.epilogue, [product, *extras])
        if results[0].shape != product.shape:
            raise ShapeError(f"the epilogue of `contract` has to keep the shape of {product}, got {results[0]}")
        return laid_out(results, self.layouts)

    def sides(self, a: TensorType, b: TensorType) -> tuple[Dim, Dim, Dim, Dim]:
        """Rows of A, its inner size, the inner size of B, its columns."""
        rows, inner = reversed(a.shape) if self.transpose_a else a.shape
        other, columns = reversed(b.shape) if self.transpose_b else b.shape
        return rows, inner, other, columns

    def vjp(self, g: GraphBuilder, node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
        if self.epilogue is not None:
            raise UnsupportedError("`contract` with an epilogue has no gradient")
        (a, b), (ct,) = node.inputs, cotangents
        if ct is None:
            return (None, None)
        ta, tb = self.transpose_a, self.transpose_b
        to_a = g.add(Contract(tb, True), b, ct) if ta else g.add(Contract(False, not tb), ct, b)
        to_b = g.add(Contract(True, ta), ct, a) if tb else g.add(Contract(not ta, False), a, ct)
        return to_a, to_b

    def reference(self, inputs: Sequence[Array], real: Real) -> tuple[Array, ...]:
        import numpy as np

        a, b, *extras = inputs
        left = np.asarray(a, real).T if self.transpose_a else np.asarray(a, real)
        right = np.asarray(b, real).T if self.transpose_b else np.asarray(b, real)
        product = np.ascontiguousarray(left @ right)
        return (product,) if self.epilogue is None else evaluate_formula(self.epilogue, [product, *extras], real)

    def lower(self, node: Node, lowering: Lowering) -> None:
        from netspec.compiler.formula.render import body
        from netspec.compiler.graph.lowering import Access, Clock, Pointer, Scratch, Split
        from netspec.compiler.kernels.contract import SCRATCH_BYTES, contract_kernel, contract_words
        from netspec.compiler.kernels.kernel import Operand, Result
        from netspec.compiler.ops.stretch import relay_number, steady

        if self.transpose_b:
            raise UnsupportedError("`contract` streams its right side as it lies; `stream-sides` has to go before")
        a, b = (steady(lowering, lowering.buffer(value)) for value in node.inputs[:2])
        if (a.type.dtype, b.type.dtype) != ("float32", "float32"):
            raise UnsupportedError(f"`contract` multiplies float32, not {a.type} and {b.type}; cast them before")
        if a.type.layout.kind != "rows":
            raise UnsupportedError(f"`contract` reads its left side along rows, got {a.type}")
        rows, inner, _, columns = self.sides(node.inputs[0].type, node.inputs[1].type)
        extras = [lowering.buffer(value) for value in node.inputs[2:]]
        views = [_view(value.type.shape, (rows, columns)) for value in node.inputs[2:]]
        wanted = [lowering.buffer(value) for value in node.values]
        results = [lowering.temporary(x.type, "vectors") if x.place == "step" else x for x in wanted]
        widths = {x.type.layout.width for x in (b, *extras, *results) if x.type.layout.kind == "panels"}
        width = max(widths, default=16 if isinstance(columns, int) and columns <= 16 else 16 * lowering.tile.vectors)
        epilogue = body(self.epilogue) if self.epilogue else body(_PLAIN)
        deferred = self.transpose_a and lowering.tile.overlaps and epilogue.cost >= COSTLY and _is_short(inner)
        # A thread reads its share of one side and all of the other: the longer one is shared.
        across = self.transpose_a and shares_columns(rows, columns)
        kernel = contract_kernel(
            lowering.tile,
            tuple(Operand(spread="C" not in v, stepped=x.place == "step") for v, x in zip(views, extras, strict=True)),
            (Result(),) * len(results),
            epilogue,
            deferred,
        )
        strides = (ITEM, a.row_stride) if self.transpose_a else (a.row_stride, ITEM)
        arguments: dict[str, Argument] = {
            "a": Pointer(a),
            "a_row": strides[0],
            "a_col": strides[1],
            "b": Pointer(b),
            "b_panel": b.panel_stride or width * ITEM,
            "b_row": b.row_stride,
            "m": rows,
            "n": columns,
            "k": inner,
            "panel_width": width,
            "clock": Clock(),
            "scratch": Scratch(SCRATCH_BYTES),
            "deferred": deferred,
            "across": across,
            "extras": [_address(v, x, width) for v, x in zip(views, extras, strict=True)],
            "results": [_address("RC", x, width) for x in results],
        }
        split = Split("pairs", columns) if across else Split("rows", rows)
        reads = [Access(a, None if self.transpose_a else split), Access(b)]
        reads += [
            Access(x, split if "R" in v and not (across and v != "RC") else None)
            for v, x in zip(views, extras, strict=True)
        ]
        over = [(x, y) for x in results for v, y in zip(views, extras, strict=True) if v == "RC" and x.type == y.type]
        lowering.call(kernel, contract_words, arguments, reads, [Access(x, split) for x in results], over)
        for made, target in zip(results, wanted, strict=True):
            if made is not target:
                relay_number(lowering, made, target)

    def multiply_adds(self, inputs: Sequence[TensorType]) -> Dim:
        rows, inner, _, columns = self.sides(inputs[0], inputs[1])
        return rows * inner * columns

    @classmethod
    def samples(cls) -> Iterator[Sample]:
        for n in (1, 15, 16, 17, 33):
            yield _sample(cls(), (BATCH, n), (n, 5))
            yield _sample(cls(transpose_a=True), (BATCH, n), (BATCH, 3))
            yield _sample(cls(transpose_b=True), (7, 2), (n, 2))
        yield _sample(cls(transpose_a=True, transpose_b=True), (4, 3), (5, 4))
        yield _sample(cls(transpose_b=True), (BATCH, 3), (BATCH, 3))
        yield _sample(cls(transpose_a=True), (BATCH, 1), (BATCH, 1))
        relu = parse("max(acc + b, 0)", ("acc", "b"))
        yield _sample(cls(epilogue=relu), (BATCH, 3), (3, 17), (17,))
        momentum = parse("v = 0.9 * m + acc; p - 0.1 * v, v", ("acc", "p", "m"))
        yield _sample(cls(transpose_a=True, epilogue=momentum), (BATCH, 3), (BATCH, 5), (3, 5), (3, 5))


def shares_columns(rows: Dim, columns: Dim) -> bool:
    """Whether threads own columns of a weight, by pairs of vectors, and not rows."""
    return isinstance(rows, int) and isinstance(columns, int) and columns > max(rows, 63)


def _is_short(inner: Dim) -> bool:
    """Whether a sum is over samples at most: one over all their steps is long, and cut to what the cache holds.

    Of 3,200 steps of samples the gradient of a recurrent kernel takes 15 ms with the epilogue between the
    multiply-adds, which has no room for blocks, and 6 in blocks.
    """
    return inner == BATCH or isinstance(inner, int)


def _view(shape: tuple[Dim, ...], whole: tuple[Dim, Dim]) -> str:
    """Which of rows and columns an extra has."""
    wide = (1,) * (2 - len(shape)) + shape
    return "".join(
        axis for axis, n, full in zip("RC", wide, whole, strict=True) if n == full and (n != 1 or axis == "C")
    )


def _address(view: str, buffer: Buffer, width: int) -> tuple[Pointer, Dim, int, Dim]:
    from netspec.compiler.graph.lowering import Pointer

    panel = (buffer.panel_stride or width * ITEM) if "C" in view else 0
    return Pointer(buffer), buffer.row_stride if "R" in view else 0, 0, panel


def _sample(op: Contract, *shapes: tuple[Dim, ...]) -> Sample:
    return Sample(op, tuple(TensorType("float32", shape) for shape in shapes))
