"""The code of kernels that add up what belongs to the same row of a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.ir import F32, I64, VEC, Builder, Value
from netspec.compiler.kernels.kernel import Body, Place
from netspec.compiler.kernels.lookup_emit import by_vectors, number_at, store_vector
from netspec.compiler.kernels.row_groups import WORDS
from netspec.compiler.kernels.streams import Words, step_of
from netspec.tensortype import DType

GOLDEN = 2654435769
"""2**32 by the golden ratio: numbers times this, modulo 2**32, lie evenly, those that follow one another too."""

NONE = -1
"""The link behind the last place."""


def emit_merge(dtype: DType, *, outer: bool) -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        groups = _Groups(b, args, dtype, outer, part, parts)
        target, target_row = (groups.words[len(WORDS) + i] for i in range(2))

        def one(spot: _Spot, is_first: Value) -> None:
            begin = b.add(b.add(target, b.mul(spot.row, target_row)), b.mul(spot.k, b.shl(groups.columns, I64(2))))

            def first(column: Value, mask: Value | None) -> None:
                store_vector(b, groups.sum(spot, column), b.add(begin, b.shl(column, I64(2))), mask)

            def other(column: Value, mask: Value | None) -> None:
                store_vector(b, ir.ZERO, b.add(begin, b.shl(column, I64(2))), mask)

            ir.when(b, is_first, lambda: by_vectors(b, groups.columns, first))
            ir.when(b, b.not_(is_first), lambda: by_vectors(b, groups.columns, other))

        groups.link(lambda number: None)
        groups.visit(one)

    return ir.kernel_function(body)


def emit_update(
    dtype: DType, formula: Body, tables: int, stepped: Sequence[bool], results: int, *, outer: bool
) -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        groups = _Groups(b, args, dtype, outer, part, parts)
        words, start = groups.words, len(WORDS)
        places = [(words[start + 2 * i], words[start + 2 * i + 1]) for i in range(tables + results)]
        step = b.shl(step_of(b, groups.word["clock"], thread), I64(2))
        first_scalar = start + 2 * len(places)
        scalars = [
            ir.splat(b, ir.load(b, b.add(words[first_scalar + i], step) if moves else words[first_scalar + i], F32))
            for i, moves in enumerate(stepped)
        ]

        def begin(number: Value) -> list[Value]:
            return [b.add(pointer, b.mul(number, stride)) for pointer, stride in places]

        def one(spot: _Spot, is_first: Value) -> None:
            def update() -> None:
                rows = begin(spot.number)

                def vector(column: Value, mask: Value | None) -> None:
                    at = [b.add(row, b.shl(column, I64(2))) for row in rows]
                    read = [ir.load(b, place) for place in at[:tables]]
                    given = [*read[:1], groups.sum(spot, column), *read[1:], *scalars]
                    made = formula.emit(b, given, Place(spot.number, column, groups.columns))
                    for value, place in zip(made, at[tables:], strict=True):
                        store_vector(b, value, place, mask)

                by_vectors(b, groups.columns, vector)

            ir.when(b, is_first, update)

        size = b.shl(groups.columns, I64(2))

        def ask_for(number: Value) -> None:
            for row in begin(number)[tables:]:
                # To the second level: a batch may name more rows than the first one holds.
                ir.counted(
                    b, row, b.add(row, size), [], lambda line, _: ir.prefetch(b, line, write=True, locality=2), 64
                )

        groups.link(ask_for)
        groups.visit(one)

    return ir.kernel_function(body)


class _Spot:
    """A place of the batch: number ``k`` of a row, the row of the table that it names, its place among all."""

    def __init__(self, row: Value, k: Value, place: Value, number: Value) -> None:
        self.row, self.k, self.place, self.number = row, k, place, number


class _Groups:
    """The places of each row that a thread owns, in lists: a head or link holds a place and the row it stands in."""

    def __init__(self, b: Builder, args: Value, dtype: DType, outer: bool, part: Value, parts: Value) -> None:
        self.b, self.dtype, self.outer, self.part, self.parts = b, dtype, outer, part, parts
        self.words = Words(b, args)
        self.word = {name: self.words[i] for i, name in enumerate(WORDS)}
        self.columns = self.word["columns"]
        self.width = self.word["width"]
        self.count = b.mul(self.word["rows"], self.word["each"])
        with b.goto_entry_block():
            self._total, self._link = b.alloca(VEC), b.alloca(I64)
        self._total.align = ir.BYTES

    def link(self, seen: Callable[[Value], object]) -> None:
        """Link all own places, backwards; ``seen`` is told each number."""
        b = self.b

        def one(spot: _Spot) -> None:
            head = ir.load(b, self._head(spot.number), I64, align=8)
            after = b.lshr(head, I64(32))
            # What a head holds may be of another step: then its place is not one behind this that names the same row.
            near = b.and_(b.icmp_signed(">", after, spot.place), b.icmp_signed("<", after, self.count))
            same = b.icmp_signed("==", self._number(b.select(near, after, I64(0))), spot.number)
            following = b.select(b.and_(near, same), head, I64(NONE))
            ir.store(b, following, self._link_of(spot.place), align=8)
            ir.store(b, b.or_(b.shl(spot.place, I64(32)), spot.row), self._head(spot.number), align=8)
            seen(spot.number)

        def if_any(spot: _Spot) -> None:
            ir.when(b, b.icmp_signed(">=", spot.number, I64(0)), lambda: one(spot))

        self._own_places(if_any, backwards=True)

    def visit(self, one: Callable[[_Spot, Value], object]) -> None:
        """Run ``one(spot, is_first)`` at all own places, in the order of the batch."""

        def at(spot: _Spot) -> None:
            b = self.b
            is_any = b.icmp_signed(">=", spot.number, I64(0))
            head = ir.load(b, self._head(b.select(is_any, spot.number, I64(0))), I64, align=8)
            one(spot, b.and_(is_any, b.icmp_signed("==", b.lshr(head, I64(32)), spot.place)))

        self._own_places(at, backwards=False)

    def sum(self, spot: _Spot, column: Value) -> Value:
        """The sum of the vectors at ``column`` over the places linked from a first one, in their order."""
        b = self.b
        ir.store(b, self._plus(None, spot.place, spot.row, column), self._total, align=64)
        ir.store(b, ir.load(b, self._link_of(spot.place), I64, align=8), self._link, align=8)

        def add() -> None:
            link = ir.load(b, self._link, I64, align=8)
            place, row = b.lshr(link, I64(32)), b.and_(link, I64(0xFFFFFFFF))
            total = self._plus(ir.load(b, self._total, align=64), place, row, column)
            ir.store(b, total, self._total, align=64)
            ir.store(b, ir.load(b, self._link_of(place), I64, align=8), self._link, align=8)

        ir.loop_while(b, lambda: b.icmp_signed(">=", ir.load(b, self._link, I64, align=8), I64(0)), add, unroll=False)
        return ir.load(b, self._total, align=64)

    def _own_places(self, one: Callable[[_Spot], object], *, backwards: bool) -> None:
        b, rows, each = self.b, self.word["rows"], self.word["each"]

        def turned(i: Value, count: Value) -> Value:
            return b.sub(b.sub(count, I64(1)), i) if backwards else i

        def one_row(i: Value, _: list[Value]) -> None:
            row = turned(i, rows)

            def each_number(j: Value, _: list[Value]) -> None:
                k = turned(j, each)
                place = b.add(b.mul(row, each), k)
                spot = _Spot(row, k, place, self._number(place))
                ir.when(b, self._is_own(spot.number), lambda: one(spot))

            ir.counted(b, 0, each, [], each_number, unroll=False)

        ir.counted(b, 0, rows, [], one_row, unroll=False)

    def _is_own(self, number: Value) -> Value:
        b = self.b
        spread = b.and_(b.mul(number, I64(GOLDEN)), I64(0xFFFFFFFF))
        return b.icmp_signed("==", b.lshr(b.mul(spread, self.parts), I64(32)), self.part)

    def _number(self, place: Value) -> Value:
        return number_at(self.b, self.dtype, self.word["index"], place)

    def _plus(self, total: Value | None, place: Value, row: Value, column: Value) -> Value:
        """The vector at ``column`` of what stands at a place, added to ``total``."""
        b, k = self.b, self.b.sub(place, self.b.mul(row, self.word["each"]))
        begin = b.add(b.add(self.word["source"], b.mul(row, self.word["source_row"])), b.shl(column, I64(2)))
        if not self.outer:
            values = ir.load(b, b.add(begin, b.mul(k, self.width)))
            return values if total is None else b.fadd(total, values)
        factors = b.add(self.word["factors"], b.mul(row, self.word["factors_row"]))
        factor, values = ir.splat(b, ir.load(b, b.add(factors, b.shl(k, I64(2))), F32)), ir.load(b, begin)
        return b.fmul(factor, values) if total is None else ir.fma(b, factor, values, total)

    def _head(self, number: Value) -> Value:
        return self.b.add(self.word["heads"], self.b.shl(number, I64(3)))

    def _link_of(self, place: Value) -> Value:
        return self.b.add(self.word["links"], self.b.shl(place, I64(3)))
