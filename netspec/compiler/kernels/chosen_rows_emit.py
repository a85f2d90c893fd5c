"""The code of products with chosen rows of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.chosen_rows import WORDS
from netspec.compiler.kernels.ir import F32, I64, LANES, Builder, Value
from netspec.compiler.kernels.lookup_emit import by_vectors, number_at, store_vector
from netspec.compiler.kernels.streams import Words, across, lanes_below, store_first, units_of
from netspec.tensortype import DType

TOGETHER = 4
"""Vectors of a sum that are made at once, so that a number and its factor are read once for all of them."""

AHEAD = 4
"""Numbers between the row that is read and the one that memory is asked for."""


def emit_chosen_rows(kind: str, dtype: DType) -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        words = Words(b, args)
        word = {name: words[i] for i, name in enumerate(WORDS)}
        first, stop = units_of(b, word["rows"], part, parts)
        code = _Chosen(b, word, dtype)

        def one_row(row: Value, _: list[Value]) -> None:
            if kind == "contract":
                code.contract(row)
            elif kind == "mix":
                code.mix(row)
            else:
                code.sum(row, limited=kind == "sum_limited")

        ir.counted(b, first, stop, [], one_row, unroll=False)

    return ir.kernel_function(body)


class _Chosen:
    """The code of one row."""

    def __init__(self, b: Builder, word: Mapping[str, Value], dtype: DType) -> None:
        self.b, self.word, self.dtype = b, word, dtype
        self.last = b.sub(b.mul(word["rows"], word["each"]), I64(1))
        left = b.and_(word["columns"], I64(LANES - 1))
        self.whole, self.rest = b.sub(word["columns"], left), b.icmp_signed(">", left, I64(0))
        self.mask = lanes_below(b, left)

    def contract(self, row: Value) -> None:
        """The product of a row with each of its rows of the table."""
        b = self.b
        x, target = (b.add(self.word[name], b.mul(row, self.word[f"{name}_row"])) for name in ("x", "target"))

        def one(k: Value, _: list[Value]) -> None:
            place = b.add(b.mul(row, self.word["each"]), k)
            number, source, later = self._chosen(place, b.add(place, I64(AHEAD)))

            def add(column: Value, total: list[Value]) -> list[Value]:
                offset = b.shl(column, I64(2))
                ir.prefetch(b, b.add(later, offset))
                return [ir.fma(b, ir.load(b, b.add(x, offset)), ir.load(b, b.add(source, offset)), total[0])]

            (total,) = ir.counted(b, 0, self.whole, [ir.ZERO], add, LANES, unroll=False)
            (total,) = ir.branch(b, self.rest, lambda: [self._last_added(x, source, total)], lambda: [total])
            named = ir.splat(b, b.icmp_signed(">=", number, I64(0)))
            store_first(b, b.select(named, across(b, total), ir.ZERO), b.add(target, b.shl(k, I64(2))))

        ir.counted(b, 0, self.word["each"], [], one, unroll=False)

    def _last_added(self, x: Value, source: Value, total: Value) -> Value:
        """``total`` and the products of the last, partial vector; what lies behind the row does not count."""
        b, offset = self.b, self.b.shl(self.whole, I64(2))
        one, other = (b.select(self.mask, ir.load(b, b.add(place, offset)), ir.ZERO) for place in (x, source))
        return ir.fma(b, one, other, total)

    def mix(self, row: Value) -> None:
        """The sum of the rows of the table, each times its factor."""
        b = self.b
        factors = b.add(self.word["x"], b.mul(row, self.word["x_row"]))
        first = b.mul(row, self.word["each"])

        def added(k: Value, total: Value, value: Value) -> Value:
            return ir.fma(b, ir.splat(b, ir.load(b, b.add(factors, b.shl(k, I64(2))), F32)), value, total)

        self._sums(row, self.word["each"], lambda k: b.add(first, k), added)

    def sum(self, row: Value, *, limited: bool) -> None:
        """The sum of the rows of the table that the steps of a sequence name, up to its limit."""
        b, count = self.b, self.word["each"]
        if limited:
            limit = ir.load(b, b.add(self.word["x"], b.mul(row, self.word["x_row"])), F32)
            count = ir.minimum(b, b.fptosi(ir.intrinsic_call(b, "ceil", limit), I64), count)
        rows = self.word["rows"]
        self._sums(row, count, lambda k: b.add(b.mul(k, rows), row), lambda k, total, value: b.fadd(total, value))

    def _sums(
        self,
        row: Value,
        count: Value,
        place_of: Callable[[Value], Value],
        added: Callable[[Value, Value, Value], Value],
    ) -> None:
        """Write the chain over k of ``added(k, total, value)``, of the rows that numbers name."""
        b, target = self.b, self.b.add(self.word["target"], self.b.mul(row, self.word["target_row"]))

        def sums(column: Value, several: int) -> list[Value]:
            offsets = [b.shl(b.add(column, I64(LANES * i)), I64(2)) for i in range(several)]

            def add(k: Value, totals: list[Value]) -> list[Value]:
                number, source, later = self._chosen(place_of(k), place_of(b.add(k, I64(AHEAD))))
                for offset in offsets:
                    ir.prefetch(b, b.add(later, offset))
                named = ir.splat(b, b.icmp_signed(">=", number, I64(0)))
                more = [
                    added(k, total, ir.load(b, b.add(source, offset)))
                    for total, offset in zip(totals, offsets, strict=True)
                ]
                return [b.select(named, *pair) for pair in zip(more, totals, strict=True)]

            return ir.counted(b, 0, count, [ir.ZERO] * several, add, unroll=False)

        def together(column: Value, _: list[Value]) -> None:
            for i, total in enumerate(sums(column, TOGETHER)):
                ir.store(b, total, b.add(target, b.shl(b.add(column, I64(LANES * i)), I64(2))))

        def single(column: Value, mask: Value | None) -> None:
            place = b.add(target, b.shl(b.add(begin, column), I64(2)))
            store_vector(b, sums(b.add(begin, column), 1)[0], place, mask)

        begin = b.and_(self.word["columns"], I64(-LANES * TOGETHER))
        ir.counted(b, 0, begin, [], together, LANES * TOGETHER, unroll=False)
        by_vectors(b, b.sub(self.word["columns"], begin), single)

    def _chosen(self, place: Value, later: Value) -> tuple[Value, Value, Value]:
        """A number and the row that it names, some row if it names none; the row of a later number, to be asked for."""
        b = self.b
        number, ahead = (
            number_at(b, self.dtype, self.word["index"], at) for at in (place, ir.minimum(b, later, self.last))
        )
        return number, self._row(number), self._row(ahead)

    def _row(self, number: Value) -> Value:
        b = self.b
        safe = b.select(b.icmp_signed(">=", number, I64(0)), number, I64(0))
        return b.add(self.word["table"], b.mul(safe, self.word["table_row"]))
