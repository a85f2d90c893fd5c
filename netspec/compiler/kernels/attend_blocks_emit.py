"""What the kernels of attention are made of: where a sample's rows lie, copies, products in scratch, live places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llvmlite import ir as llvm

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.attend import BLOCK, Form, Layout
from netspec.compiler.kernels.contract_emit import Columns, function, multiply_add
from netspec.compiler.kernels.ir import F32, I32, I64, LANES, Builder, Value
from netspec.compiler.kernels.lookup_emit import by_vectors, store_vector
from netspec.compiler.kernels.streams import COUNT, Words, units_of
from netspec.compiler.kernels.transpose_emit import transposed_rows


@dataclass(frozen=True)
class Matrix:
    """Rows of float32: the address of the first, and bytes from one to the next."""

    place: Value
    row: Value

    def at(self, b: Builder, row: Value, column: Value | int = 0) -> Value:
        """The address of an element."""
        start = b.add(self.place, b.mul(row, self.row))
        return b.add(start, b.shl(ir.word(column), I64(2)))


class Sample:
    """One sample and head: its matrices in memory and in scratch, and the products of these."""

    def __init__(self, b: Builder, args: Value, thread: Value, form: Form, layout: Layout) -> None:
        self.b, self.form = b, form
        words = Words(b, args)
        self.word = {name: words[i] for i, name in enumerate(layout.names)}
        for region in layout.regions:
            self.word[f"at_{region}"] = b.add(self.word[f"at_{region}"], b.mul(thread, self.word["apart"]))
        self.multiply, self.turn, self.copy, self.put = emit_multiply(b, form), emit_turn(b), emit_copy(b), emit_put(b)
        with b.goto_entry_block():
            self._limits = b.alloca(I64, size=I64(BLOCK))
        self.row: Value = I64(0)
        self.head: Value = I64(0)

    def each(self, part: Value, parts: Value, one: Callable[[], object]) -> None:
        """Run ``one`` for each of the samples and heads that `part` of `parts` owns."""
        b, heads = self.b, self.word["heads"]
        first, stop = units_of(b, b.mul(self.word["rows"], heads), part, parts, I64(1))

        def unit(i: Value, _: list[Value]) -> None:
            self.row = b.udiv(i, heads)
            self.head = b.sub(i, b.mul(self.row, heads))
            one()

        ir.counted(b, first, stop, [], unit, unroll=False)

    def blocks(self, one: Callable[[Value, Value, Value], object], none: Callable[[Value, Value], object]) -> None:
        """For the places of the queries, so many at once: ``one(first, count, bound)``.

        ``bound`` is the number of places of the memory that any of them sees; where it is 0, ``none(first, count)``.
        """
        b, steps = self.b, self.word["steps"]

        def block(first: Value, _: list[Value]) -> None:
            count = ir.minimum(b, b.sub(steps, first), I64(BLOCK))
            bound = self._find_limits(first)
            sees = b.icmp_signed(">", bound, I64(0))
            ir.when(b, sees, lambda: one(first, count, bound))
            ir.when(b, b.not_(sees), lambda: none(first, count))

        ir.counted(b, 0, steps, [], block, BLOCK, unroll=False)

    def _find_limits(self, first: Value) -> Value:
        """How many places of the memory each query of a block sees, 0 behind the last; the largest of them."""
        b, steps, places = self.b, self.word["steps"], self.word["places"]

        def one(i: Value, most: list[Value]) -> list[Value]:
            t = b.add(first, i)
            limit = places
            if self.form.limited:
                last = ir.minimum(b, t, b.sub(steps, I64(1)))
                index = b.add(b.mul(last, self.word["rows"]), self.row)
                seen = ir.load(b, b.add(self.word["seen"], b.shl(index, I64(2))), F32)
                whole = b.fptosi(seen, I64)
                more = b.zext(b.fcmp_ordered("<", b.sitofp(whole, F32), seen), I64)
                limit = ir.minimum(b, limit, b.add(whole, more))
            if self.form.causal:
                limit = ir.minimum(b, limit, b.add(t, I64(1)))
            is_some = b.and_(b.icmp_signed("<", t, steps), b.icmp_signed(">", limit, I64(0)))
            limit = b.select(is_some, limit, I64(0))
            ir.store(b, limit, self._limit_at(i), align=8)
            return [b.select(b.icmp_signed(">", limit, most[0]), limit, most[0])]

        return ir.counted(b, 0, BLOCK, [I64(0)], one, unroll=False)[0]

    def _limit_at(self, i: Value) -> Value:
        return ir.at(self.b, self.b.ptrtoint(self._limits, I64), self.b.shl(i, I64(3)))

    def limit(self, i: Value) -> Value:
        """How many places of the memory query ``i`` of the block sees."""
        return ir.load(self.b, self._limit_at(i), I64, align=8)

    def live(self, i: Value) -> Callable[[Value], Value]:
        """The mask of the live places of query ``i`` among the sixteen from a column on."""
        b, limit = self.b, ir.splat(self.b, self.b.trunc(self.limit(i), I32))
        return lambda column: b.icmp_signed("<", b.add(COUNT, ir.splat(b, b.trunc(column, I32))), limit)

    def memory(self, name: str, width: Value) -> Matrix:
        """The rows of this sample and head of an array, from step to step; ``width`` columns a head."""
        b, row = self.b, self.word[f"{name}_row"]
        begin = b.add(self.word[name], b.mul(self.row, row))
        begin = b.add(begin, b.shl(b.mul(self.head, width), I64(2)))
        return Matrix(begin, b.mul(row, self.word["rows"]))

    def scratch(self, region: str, pitch: str) -> Matrix:
        """A part of the scratch."""
        return Matrix(self.word[region], self.word[pitch])

    def vectors(self, columns: Value) -> Value:
        """How many vectors hold so many columns."""
        return self.b.lshr(self.b.add(columns, I64(LANES - 1)), I64(4))

    def product(
        self, a: Matrix, b: Matrix, c: Matrix, rows: Value, vectors: Value, depth: Value,
        *, turned: bool = False, further: bool = False,
    ) -> None:  # fmt: skip
        """``c = a b``, or with ``a`` transposed; ``further`` adds to what is there. All in scratch."""
        sides = (I64(4), a.row) if turned else (a.row, I64(4))
        words = [a.place, *sides, b.place, b.row, c.place, c.row, rows, vectors, depth, I64(int(further))]
        self.b.call(self.multiply, words)

    def bring(self, source: Matrix, target: Matrix, rows: Value, columns: Value) -> None:
        """Copy rows into scratch, with zeros behind their columns: what stands there is another head's, or nothing."""
        self.b.call(self.copy, [source.place, source.row, target.place, target.row, rows, columns])

    def bring_turned(self, source: Matrix, target: Matrix, rows: Value, columns: Value) -> None:
        """Copy columns into scratch as rows."""
        self.b.call(self.turn, [source.place, source.row, target.place, target.row, rows, columns])

    def bring_block(self, source: Matrix, target: Matrix, first: Value, columns: Value) -> None:
        """Copy the rows of a block into scratch; zeros for a query that sees nothing, of which anything may be told."""
        b = self.b

        def one(i: Value, _: list[Value]) -> None:
            sees = b.icmp_signed(">", self.limit(i), I64(0))
            place = b.select(sees, source.at(b, b.add(first, i)), source.place)
            every = ir.splat(b, sees)

            def vector(column: Value, mask: Value | None) -> None:
                offset = b.shl(column, I64(2))
                kept = every if mask is None else b.and_(every, mask)
                ir.store(b, b.select(kept, ir.load(b, b.add(place, offset)), ir.ZERO), b.add(target.at(b, i), offset))

            by_vectors(b, columns, vector)

        ir.counted(b, 0, BLOCK, [], one, unroll=False)

    def give(self, source: Matrix, target: Matrix, rows: Value, columns: Value) -> None:
        """Copy rows out of scratch, so many columns and no more."""
        self.b.call(self.put, [source.place, source.row, target.place, target.row, rows, columns])

    def clear(self, target: Matrix, rows: Value, first: Value | int, stop: Value) -> None:
        """Zeros in the vectors from ``first`` to ``stop`` of some rows of scratch."""
        b = self.b

        def row(i: Value, _: list[Value]) -> None:
            begin = target.at(b, i)
            ir.counted(
                b, first, stop, [], lambda v, _: ir.store(b, ir.ZERO, b.add(begin, b.shl(v, I64(6)))), unroll=False
            )

        ir.counted(b, 0, rows, [], row, unroll=False)


def emit_multiply(builder: Builder, form: Form) -> llvm.Function:
    """``multiply(a, a_row, a_col, b, b_row, c, c_row, rows, vectors, depth, further)``: a product of small matrices.

    Rows are computed in whole tiles, so those of ``a`` and ``c`` go on behind the last one; the depth is at least one.
    """
    height, wide = form.height, form.tile.vectors
    tiles = {width: _emit_tile(builder, height, width) for width in sorted({1, wide})}

    def body(
        b: Builder, a: Value, a_row: Value, a_col: Value, right: Value, right_row: Value,
        c: Value, c_row: Value, rows: Value, vectors: Value, depth: Value, further: Value,
    ) -> None:  # fmt: skip
        whole = b.and_(vectors, I64(-wide))

        def bands(first: Value | int, stop: Value, width: int) -> None:
            def band(v: Value, _: list[Value]) -> None:
                offset = b.shl(v, I64(6))

                def tile(i: Value, _: list[Value]) -> None:
                    place = b.add(b.add(c, b.mul(i, c_row)), offset)
                    words = [b.add(a, b.mul(i, a_row)), a_row, a_col, b.add(right, offset), right_row]
                    b.call(tiles[width], [*words, place, c_row, depth, further])

                ir.counted(b, 0, rows, [], tile, height, unroll=False)

            ir.counted(b, first, stop, [], band, width, unroll=False)

        bands(0, whole, wide)
        if wide > 1:
            bands(whole, vectors, 1)

    return function(builder, "multiply", 11, body)


def _emit_tile(builder: Builder, rows: int, vectors: int) -> llvm.Function:
    """``tile(a, a_row, a_col, b, b_row, c, c_row, depth, further)``: one ascending chain for each element."""

    def body(
        b: Builder, a: Value, a_row: Value, a_col: Value, right: Value, right_row: Value,
        c: Value, c_row: Value, depth: Value, further: Value,
    ) -> None:  # fmt: skip
        lines = [b.add(c, ir.product(b, c_row, i)) for i in range(rows)]
        places = [b.add(line, I64(j * ir.BYTES)) for line in lines for j in range(vectors)]
        start = ir.branch(
            b,
            b.icmp_signed("!=", further, I64(0)),
            lambda: [ir.load(b, place) for place in places],
            lambda: [ir.ZERO] * len(places),
        )
        step = multiply_add(b, rows, vectors, a, a_row, Columns(I64(ir.BYTES), I64(2 * ir.BYTES)))

        def once(values: list[Value]) -> list[Value]:
            a_at, b_at, *sums = values
            return [b.add(a_at, a_col), b.add(b_at, right_row), *step(b, a_at, b_at, sums)]

        _, _, *sums = ir.repeated(b, depth, [I64(0), right, *start], once)
        for value, place in zip(sums, places, strict=True):
            ir.store(b, value, place)

    return function(builder, f"tile_{rows}x{vectors}", 9, body)


def emit_turn(builder: Builder) -> llvm.Function:
    """``turn(source, source_row, target, target_row, rows, columns)``: columns become rows, in blocks of 16 x 16."""

    def body(
        b: Builder, source: Value, source_row: Value, target: Value, target_row: Value, rows: Value, columns: Value
    ) -> None:
        last = b.sub(rows, I64(1))

        def band(row: Value, _: list[Value]) -> None:
            # Behind the last row it is read again: places that are not live are told by their numbers.
            nearest = [ir.minimum(b, b.add(row, I64(i)), last) for i in range(LANES)]
            begins = [b.add(source, b.mul(near, source_row)) for near in nearest]

            def block(column: Value, _: list[Value]) -> None:
                made = transposed_rows(b, [b.add(begin, b.shl(column, I64(2))) for begin in begins])
                for i, value in enumerate(made):
                    line = b.add(target, b.mul(b.add(column, I64(i)), target_row))
                    ir.store(b, value, b.add(line, b.shl(row, I64(2))))

            ir.counted(b, 0, columns, [], block, LANES, unroll=False)

        ir.counted(b, 0, rows, [], band, LANES, unroll=False)

    return function(builder, "turn", 6, body)


def emit_copy(builder: Builder) -> llvm.Function:
    """``copy(source, source_row, target, target_row, rows, columns)``, with zeros up to whole vectors."""

    def body(
        b: Builder, source: Value, source_row: Value, target: Value, target_row: Value, rows: Value, columns: Value
    ) -> None:
        def row(i: Value, _: list[Value]) -> None:
            begin, line = b.add(source, b.mul(i, source_row)), b.add(target, b.mul(i, target_row))

            def vector(column: Value, mask: Value | None) -> None:
                offset = b.shl(column, I64(2))
                value = ir.load(b, b.add(begin, offset))
                ir.store(b, value if mask is None else b.select(mask, value, ir.ZERO), b.add(line, offset))

            by_vectors(b, columns, vector)

        ir.counted(b, 0, rows, [], row, unroll=False)

    return function(builder, "copy", 6, body)


def emit_put(builder: Builder) -> llvm.Function:
    """``put(source, source_row, target, target_row, rows, columns)``: what stands behind is another head's."""

    def body(
        b: Builder, source: Value, source_row: Value, target: Value, target_row: Value, rows: Value, columns: Value
    ) -> None:
        def row(i: Value, _: list[Value]) -> None:
            begin, line = b.add(source, b.mul(i, source_row)), b.add(target, b.mul(i, target_row))

            def vector(column: Value, mask: Value | None) -> None:
                offset = b.shl(column, I64(2))
                store_vector(b, ir.load(b, b.add(begin, offset)), b.add(line, offset), mask)

            by_vectors(b, columns, vector)

        ir.counted(b, 0, rows, [], row, unroll=False)

    return function(builder, "put", 6, body)
