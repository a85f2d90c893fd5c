"""The code that transforms pixels for minimal filtering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.contract_emit import argument, function
from netspec.compiler.kernels.ir import I64, Builder, Value

SIDE = 4  # pixels of a tile, and its products, along each axis
AHEAD = 4  # tiles whose 16 places are asked for before they are written


def spread(b: Builder, d: Sequence[Value]) -> list[Value]:
    """``B' d``: four pixels as four factors."""
    return [b.fsub(d[0], d[2]), b.fadd(d[1], d[2]), b.fsub(d[2], d[1]), b.fsub(d[1], d[3])]


@dataclass(frozen=True)
class _Row:
    """Where one of the four rows of a row of tiles begins, and bytes from a column to the next: none outside."""

    start: Value
    step: Value


class Pixels:
    """``pixels(args, x, v, zeros, top, rows, left, columns, product)``: ``B' d B`` of one channel of a strip.

    What lies outside is read from ``zeros``. The two columns that neighbouring tiles share stay in registers. The 16
    numbers of a tile go to ``v``, ``product`` bytes apart. ``names`` are those of the words at ``args``.
    """

    def __init__(self, builder: Builder, names: Sequence[str]) -> None:
        self.names = names
        self.function = function(builder, "pixels", 9, self._body)

    def _body(
        self, b: Builder, args: Value, x: Value, v: Value, zeros: Value, top: Value, rows: Value, left: Value,
        columns: Value, product: Value,
    ) -> None:  # fmt: skip
        self.b, self.zeros, self.product = b, zeros, product
        word = {name: argument(b, args, i) for i, name in enumerate(self.names)}
        line = ir.product(b, word["read_columns"], ir.BYTES)
        first = b.sub(b.shl(left, I64(1)), word["before_columns"])

        def one_row(row: Value, _: list[Value]) -> None:
            above = b.sub(b.shl(b.add(top, row), I64(1)), word["before_rows"])
            read = [self._row(x, b.add(above, I64(n)), line, word["read_rows"]) for n in range(SIDE)]
            to = b.add(v, ir.product(b, b.mul(row, columns), ir.BYTES))

            def column(n: int, tile: Value) -> list[Value]:
                place = b.add(first, b.add(b.shl(tile, I64(1)), I64(n)))
                return self._column(read, place, word["read_columns"])

            def one_tile(tile: Value, shared: list[Value]) -> list[Value]:
                two, three = column(2, tile), column(3, tile)
                self._factors([shared[:SIDE], shared[SIDE:], two, three], b.add(to, ir.product(b, tile, ir.BYTES)))
                return [*two, *three]

            ir.counted(b, 0, columns, [*column(0, I64(0)), *column(1, I64(0))], one_tile, unroll=False)

        ir.counted(b, 0, rows, [], one_row, unroll=False)

    def _row(self, x: Value, y: Value, line: Value, rows: Value) -> _Row:
        b = self.b
        inside = b.icmp_unsigned("<", y, rows)
        start = b.select(inside, b.add(x, b.mul(y, line)), self.zeros)
        return _Row(start, b.select(inside, I64(ir.BYTES), I64(0)))

    def _column(self, rows: Sequence[_Row], place: Value, count: Value) -> list[Value]:
        """``B' d`` of one column."""
        b = self.b
        inside = b.icmp_unsigned("<", place, count)
        places = [b.select(inside, b.add(row.start, b.mul(place, row.step)), self.zeros) for row in rows]
        return spread(b, [ir.load(b, at) for at in places])

    def _factors(self, columns: Sequence[Sequence[Value]], to: Value) -> None:
        """``B' d B`` of a tile, from its columns."""
        b = self.b
        for n in range(SIDE * SIDE):
            ir.prefetch(b, b.add(b.add(to, I64(AHEAD * ir.BYTES)), ir.product(b, self.product, n)), write=True)
        for n in range(SIDE):
            for m, value in enumerate(spread(b, [column[n] for column in columns])):
                ir.store(b, value, b.add(to, ir.product(b, self.product, SIDE * n + m)))
