"""The code of transpositions: blocks of 16 x 16 in registers, and copies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from llvmlite import ir as llvm

from netspec.compiler.kernels import ir, streams
from netspec.compiler.kernels.ir import I64, LANES
from netspec.compiler.kernels.kernel import UNIT, Operand
from netspec.compiler.kernels.streams import Stream
from netspec.compiler.kernels.transpose import HEADER, SOURCE, TARGET, Axis

Builder: TypeAlias = llvm.IRBuilder
Value: TypeAlias = llvm.Value


def emit_transpose(split: Axis) -> Callable[..., None]:
    """The Python function that Numba compiles to `transpose_kernel`."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        outer, rows, columns, source, target = _arguments(b, args)
        whole = {"rows": (I64(0), rows), "columns": (I64(0), columns), "outer": (I64(0), outer)}
        unit = I64(2 * UNIT if split == "columns" else UNIT)
        whole[split] = streams.units_of(b, whole[split][1], part, parts, unit)

        def one(o: Value, _: list[Value]) -> None:
            def band(row: Value, _: list[Value]) -> None:
                _band(b, source, target, o, row, rows, whole["columns"], columns)

            ir.counted(b, *whole["rows"], [], band, LANES)

        ir.counted(b, *whole["outer"], [], one)

    return ir.kernel_function(body)


def emit_relayout() -> Callable[..., None]:
    """The Python function that Numba compiles to `relayout_kernel`."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        outer, rows, columns, source, target = _arguments(b, args)
        first, stop = streams.units_of(b, rows, part, parts)
        end = b.and_(columns, I64(-LANES))
        mask = streams.lanes_below(b, b.sub(columns, end))

        def one(row: Value, o: Value) -> None:
            places = [side.place(b, row, o) for side in (source, target)]

            def ends(column: Value) -> tuple[Value, Value]:
                read, write = (b.add(p, s.offset(b, column)) for p, s in zip(places, (source, target), strict=True))
                return source.vector(b, read), write

            ir.counted(b, 0, end, [], lambda c, _: ir.store(b, *ends(c)), LANES)
            ir.when(b, b.icmp_signed("<", end, columns), lambda: streams.store_lanes(b, *ends(end), mask))

        ir.counted(b, first, stop, [], lambda r, _: _each(b, outer, lambda o: one(r, o)))

    return ir.kernel_function(body)


def _each(b: Builder, extent: Value, body: Callable[[Value], None]) -> None:
    ir.counted(b, 0, extent, [], lambda i, _: body(i))


def _arguments(b: Builder, args: Value) -> tuple[Value, Value, Value, Stream, Stream]:
    words = streams.Words(b, args)
    outer, rows, columns, *shifts = (words[i] for i in range(HEADER))
    (source,) = words.streams(SOURCE, [Operand()], shifts[0])
    (target,) = words.streams(TARGET, [Operand()], shifts[1])
    return outer, rows, columns, source, target


def _band(
    b: Builder,
    source: Stream,
    target: Stream,
    outer: Value,
    row: Value,
    rows: Value,
    part: tuple[Value, Value],
    columns: Value,
) -> None:
    """Transpose a part of 16 rows of the source, which become one vector of each row of the target."""
    last = b.sub(rows, I64(1))
    # Past the last row the last one is read again: its copies fall into padding.
    places = [source.place(b, ir.minimum(b, b.add(row, I64(i)), last), outer) for i in range(LANES)]
    along = target.offset(b, row)

    def block(column: Value, edge: bool) -> None:
        offset = source.offset(b, column)
        made = transposed(b, [source.vector(b, b.add(place, offset)) for place in places])
        final = b.sub(columns, I64(1))
        for i, value in reversed(list(enumerate(made))):
            # Past the last column there is no row to write: write the last one, which its own values then cover.
            to = b.add(column, I64(i))
            to = ir.minimum(b, to, final) if edge else to
            ir.store(b, value, b.add(target.place(b, to, outer), along))

    first, stop = part
    whole = b.and_(stop, I64(-LANES))
    ir.counted(b, first, whole, [], lambda c, _: block(c, edge=False), LANES)
    ir.when(b, b.icmp_signed("<", whole, stop), lambda: block(whole, edge=True))


def transposed(b: Builder, rows: Sequence[Value]) -> list[Value]:
    """The columns of a block of 16 x 16: swap its off-diagonal halves, then those of its quarters, and so on."""
    rows = list(rows)
    for half in (8, 4, 2, 1):
        low = llvm.Constant(ir.INTS, [LANES + (i ^ half) if i & half else i for i in range(LANES)])
        high = llvm.Constant(ir.INTS, [LANES + i if i & half else i ^ half for i in range(LANES)])
        for i in (i for i in range(LANES) if not i & half):
            rows[i], rows[i + half] = (b.shuffle_vector(rows[i], rows[i + half], order) for order in (low, high))
    return rows


def transposed_rows(b: Builder, rows: Sequence[Value]) -> list[Value]:
    """The columns of the block of 16 x 16 whose rows lie at these places.

    Quarters of rows are put together as they are read, which needs no shuffle: half of those of `transposed` are left.
    """
    columns: list[Value] = []
    for quarter in range(0, LANES, 4):
        parts = [ir.load(b, ir.at(b, row, quarter * 4), QUARTER) for row in rows]
        held = [_joined(b, parts[i::4]) for i in range(4)]
        pairs = [b.shuffle_vector(held[i], held[i + 1], order) for order in (LOW, HIGH) for i in (0, 2)]
        columns += [b.shuffle_vector(*pairs[i : i + 2], order) for i in (0, 2) for order in (LOW_PAIRS, HIGH_PAIRS)]
    return columns


def _joined(b: Builder, parts: Sequence[Value]) -> Value:
    """Four quarters as one vector."""
    halves = [b.shuffle_vector(*parts[i : i + 2], _order(range(8))) for i in (0, 2)]
    return b.shuffle_vector(*halves, _order(range(LANES)))


def _order(lanes: Iterable[int]) -> llvm.Constant:
    order = list(lanes)
    return llvm.Constant(llvm.VectorType(ir.I32, len(order)), order)


QUARTER = llvm.VectorType(ir.F32, 4)
QUARTERS = range(0, LANES, 4)
LOW, HIGH = (_order(q + i for q in QUARTERS for i in (n, LANES + n, n + 1, LANES + n + 1)) for n in (0, 2))
LOW_PAIRS, HIGH_PAIRS = (_order(q + i for q in QUARTERS for i in (n, n + 1, LANES + n, LANES + n + 1)) for n in (0, 2))
