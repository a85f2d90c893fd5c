"""The code of fold kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from llvmlite import ir as llvm

from netspec.compiler.kernels import ir, streams
from netspec.compiler.kernels.fold import HEADER, Fold
from netspec.compiler.kernels.ir import I64, LANES
from netspec.compiler.kernels.kernel import WORDS_PER_OPERAND, Operand, Place
from netspec.compiler.kernels.streams import IDENTITY, Stream

Builder: TypeAlias = llvm.IRBuilder
Value: TypeAlias = llvm.Value
TOGETHER = 4  # vectors of columns whose chains run side by side: a chain alone waits for each addition


def emit_fold(fold: Fold) -> Callable[..., None]:
    """The Python function that Numba compiles to the kernel."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        Folding(b, fold, args, thread).run(part, parts)

    return ir.kernel_function(body)


class Folding:
    """The kernel while it is being written."""

    def __init__(self, b: Builder, fold: Fold, args: Value, thread: Value) -> None:
        self.b, self.fold = b, fold
        words = streams.Words(b, args)
        clock, self.rows, self.middle, self.columns, shift = (words[i] for i in range(HEADER))
        self.step = streams.step_of(b, clock, thread)
        extras = HEADER + WORDS_PER_OPERAND * len(fold.operands)
        results = extras + WORDS_PER_OPERAND * len(fold.extras)
        self.operands = words.streams(HEADER, fold.operands, shift)
        self.extras = words.streams(extras, fold.extras, shift)
        self.results = words.streams(results, [Operand()] * len(fold.results), shift)

    def run(self, part: Value, parts: Value) -> None:
        """The vectors of columns of a part: four at once while there are as many, then one at a time."""
        b = self.b
        first, stop = streams.units_of(b, self.columns, part, parts)
        vectors = b.lshr(b.add(b.sub(stop, first), I64(LANES - 1)), I64(4))
        vectors = b.select(b.icmp_signed("<", vectors, I64(0)), I64(0), vectors)
        groups = b.add(first, b.mul(b.sdiv(vectors, I64(TOGETHER)), I64(TOGETHER * LANES)))
        ir.counted(b, first, groups, [], lambda c, _: self._columns(c, TOGETHER), TOGETHER * LANES)
        ir.counted(b, groups, stop, [], lambda c, _: self._columns(c, 1), LANES)

    def _columns(self, column: Value, count: int) -> None:
        """Fold and finish `count` vectors of columns from `column` on."""
        b = self.b
        columns = [b.add(column, I64(LANES * j)) for j in range(count)]
        offsets = [[stream.offset(b, c) for stream in self.operands] for c in columns]
        start = [IDENTITY[kind] for _ in columns for kind in self.fold.kinds]
        fixed = self._scalars(self.operands)

        def pair(row: Value, middle: Value, chains: Sequence[Value]) -> list[Value]:
            places = [stream.place(b, row, middle) for stream in self.operands]
            logical = b.add(b.mul(row, self.middle), middle)
            folded: list[Value] = []
            for j, c in enumerate(columns):
                vectors = [
                    fixed.get(i) or self._read(stream, places[i], offsets[j][i])
                    for i, stream in enumerate(self.operands)
                ]
                made = self.fold.prologue.emit(b, vectors, Place(logical, c, self.columns))
                for kind, value in zip(self.fold.kinds, made, strict=True):
                    folded.append(streams.combine(b, kind, chains[len(folded)], value))
            return folded

        def one_row(row: Value, chains: Sequence[Value]) -> list[Value]:
            return ir.counted(b, 0, self.middle, chains, lambda m, inner: pair(row, m, inner))

        chains = ir.counted(b, 0, self.rows, start, one_row)
        width = len(self.fold.kinds)
        for j, c in enumerate(columns):
            self._finish(c, chains[j * width : (j + 1) * width])

    def _finish(self, column: Value, folded: Sequence[Value]) -> None:
        """The epilogue of one vector of columns."""
        b = self.b
        fixed = self._scalars(self.extras)
        vectors = [
            fixed.get(i) or self._read(stream, stream.pointer, stream.offset(b, column))
            for i, stream in enumerate(self.extras)
        ]
        made = self.fold.epilogue.emit(b, [*folded, *vectors], Place(I64(0), column, self.columns))
        whole = b.icmp_signed("<=", b.add(column, I64(LANES)), self.columns)
        places = [b.add(stream.pointer, stream.offset(b, column)) for stream in self.results]
        wide = [(v, p) for v, p, r in zip(made, places, self.fold.results, strict=True) if r.kind == "rows"]
        mask = streams.lanes_below(b, b.sub(self.columns, column))

        def store_all() -> list[Value]:
            for value, place in wide:
                ir.store(b, value, place)
            return []

        def store_some() -> list[Value]:
            for value, place in wide:
                streams.store_lanes(b, value, place, mask)
            return []

        ir.branch(b, whole, store_all, store_some)
        stepped = [
            (value, b.add(stream.pointer, b.mul(self.step, I64(4))))
            for value, stream, result in zip(made, self.results, self.fold.results, strict=True)
            if result.kind == "stepped"
        ]

        def store_scalars() -> None:
            for value, place in stepped:
                streams.store_first(b, value, place)

        if stepped:
            ir.when(b, b.icmp_signed("==", column, I64(0)), store_scalars)

    def _scalars(self, operands: Sequence[Stream]) -> dict[int, Value]:
        return {
            i: stream.spread(self.b, self.b.add(stream.pointer, self.b.mul(self.step, I64(stream.item))))
            for i, stream in enumerate(operands)
            if stream.operand.stepped
        }

    def _read(self, stream: Stream, place: Value, offset: Value) -> Value:
        if stream.operand.spread:
            return stream.spread(self.b, place)
        return stream.vector(self.b, self.b.add(place, offset))
