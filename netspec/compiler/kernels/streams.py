"""How emitted code finds and reads the operands of row and fold kernels, and writes their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from llvmlite import ir as llvm

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.ir import F32, I32, I64, LANES, VEC
from netspec.compiler.kernels.kernel import UNIT, WORDS_PER_OPERAND, Operand

Builder: TypeAlias = llvm.IRBuilder
Value: TypeAlias = llvm.Value
ELEMENTS = {"float32": F32, "uint8": ir.I8, "uint16": ir.I16, "int32": I32, "int64": I64}
BYTES = {"float32": 4, "uint8": 1, "uint16": 2, "int32": 4, "int64": 8}
MASK = llvm.VectorType(ir.I1, LANES)
COUNT = llvm.Constant(ir.INTS, list(range(LANES)))
IDENTITY = {"sum": ir.ZERO, "max": ir.real(float("-inf")), "min": ir.real(float("inf"))}


class Words:
    """The argument words of a kernel, loaded where they are asked for."""

    def __init__(self, builder: Builder, args: Value) -> None:
        self.b, self.args = builder, args

    def __getitem__(self, i: int) -> Value:
        return ir.load(self.b, ir.at(self.b, self.args, 8 * i), I64, align=8)

    def streams(self, first: int, operands: Sequence[Operand], shift: Value) -> list[Stream]:
        """The streams whose words begin at word `first`."""
        made = []
        for i, operand in enumerate(operands):
            pointer, row, middle, panel = (self[first + WORDS_PER_OPERAND * i + k] for k in range(WORDS_PER_OPERAND))
            whole = self.b.shl(I64(BYTES[operand.dtype]), shift)  # rows in one piece: the next panel follows at once
            panel = self.b.select(self.b.icmp_signed("==", panel, I64(0)), whole, panel)
            made.append(Stream(operand, pointer, row, middle, panel, shift))
        return made


@dataclass(frozen=True)
class Stream:
    """One operand or result: where it begins and its strides in bytes."""

    operand: Operand
    pointer: Value
    row: Value
    middle: Value
    panel: Value
    shift: Value

    @property
    def item(self) -> int:
        """Bytes of an element."""
        return BYTES[self.operand.dtype]

    def place(self, b: Builder, row: Value, middle: Value) -> Value:
        """The address, a word, of the first column of a row."""
        return b.add(self.pointer, b.add(b.mul(row, self.row), b.mul(middle, self.middle)))

    def offset(self, b: Builder, column: Value) -> Value:
        """Bytes from the first column to the vector at `column`."""
        panels = b.mul(b.lshr(column, self.shift), self.panel)
        within = b.and_(column, b.sub(b.shl(I64(1), self.shift), I64(1)))
        return b.add(panels, b.mul(within, I64(self.item)))

    def vector(self, b: Builder, place: Value) -> Value:
        """16 columns from `place` on, as float32."""
        kind = ELEMENTS[self.operand.dtype]
        return self._real(b, ir.load(b, place, ir.vector_of(kind), align=self.item), VEC)

    def spread(self, b: Builder, place: Value) -> Value:
        """The element at `place` in all lanes, as float32."""
        return ir.splat(b, self._real(b, ir.load(b, place, ELEMENTS[self.operand.dtype], align=self.item), F32))

    def _real(self, b: Builder, value: Value, kind: llvm.Type) -> Value:
        if self.operand.dtype == "float32":
            return value
        return (b.uitofp if self.operand.dtype.startswith("u") else b.sitofp)(value, kind)


def units_of(b: Builder, extent: Value, part: Value, parts: Value, unit: Value | None = None) -> tuple[Value, Value]:
    """First and end of the rows, or columns, that `part` of `parts` owns, in whole units."""
    unit = I64(UNIT) if unit is None else unit
    units = b.udiv(b.add(extent, b.sub(unit, I64(1))), unit)
    bounds = [b.mul(b.sdiv(b.mul(p, units), parts), unit) for p in (part, b.add(part, I64(1)))]
    return bounds[0], ir.minimum(b, bounds[1], extent)


def step_of(b: Builder, clock: Value, thread: Value) -> Value:
    """The current step of this run, from this thread's clock."""
    return ir.load(b, ir.at(b, clock, b.mul(thread, I64(64))), I64, align=8)


def lanes_below(b: Builder, count: Value) -> Value:
    """The mask of the first `count` lanes."""
    return b.icmp_signed("<", COUNT, ir.splat(b, b.trunc(count, I32)))


def store_lanes(b: Builder, value: Value, place: Value, mask: Value) -> None:
    """Write only the lanes of `mask`: what lies beyond may be another row's, or another thread's."""
    pointer = b.bitcast(ir.at(b, place), VEC.as_pointer())
    ir.call(b, "llvm.masked.store.v16f32.p0", ir.VOID, value, pointer, I32(4), mask)


def store_first(b: Builder, value: Value, place: Value) -> None:
    """Write the first lane only."""
    ir.store(b, b.extract_element(value, I32(0)), place)


def combine(b: Builder, kind: str, x: Value, y: Value) -> Value:
    """One step of a reduction; NaN in either gives NaN."""
    if kind == "sum":
        return b.fadd(x, y)
    larger = b.select(b.fcmp_ordered(">" if kind == "max" else "<", x, y), x, y)
    return b.select(b.fcmp_unordered("uno", x, x), x, larger)


def across_rows(b: Builder, kind: str, rows: Sequence[Value]) -> Value:
    """The reductions of 16 vectors over their lanes, lane i that of vector i, by a fixed tree: lanes 8, 4, 2, 1 apart.

    Each step halves two vectors and packs what is left into one: 15 reductions for all, not 4 for each.
    """
    for half in (8, 4, 2, 1):
        low = [(lane & ~half) + (LANES if lane & half else 0) for lane in range(LANES)]
        high = [lane + half for lane in low]
        orders = [llvm.Constant(ir.INTS, order) for order in (low, high)]
        pairs = list(zip(rows[:half], rows[half:], strict=True))
        rows = [combine(b, kind, *(b.shuffle_vector(*pair, order) for order in orders)) for pair in pairs]
    return rows[0]


def across(b: Builder, value: Value, kind: str = "sum") -> Value:
    """The reduction over the lanes, in all of them, by a fixed tree: lanes 8, 4, 2, 1 apart."""
    for half in (8, 4, 2, 1):
        order = llvm.Constant(ir.INTS, [lane ^ half for lane in range(LANES)])
        value = combine(b, kind, value, b.shuffle_vector(value, llvm.Constant(VEC, llvm.Undefined), order))
    return value
