"""Copies of parts of arrays: what slices, concatenations, pads and reshapes that have to move elements are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.parse import parse
from netspec.compiler.formula.render import body
from netspec.compiler.graph.lowering import Access, Argument, Buffer, Clock, Lowering, Pointer, Split
from netspec.compiler.graph.op import UnsupportedError
from netspec.compiler.kernels.kernel import UNIT, Operand, Result
from netspec.compiler.kernels.rows import Sweep, rows_kernel, rows_words
from netspec.tensortype import LANES, Dim, TensorType, known, product

Place: TypeAlias = "tuple[Pointer, Dim, Dim, Dim]"
"""Where a kernel begins, and the strides of rows, middle and panels."""

ITEM = 4  # bytes of a float32
_COPY, _ZERO = parse("x0", ("x0",)), parse("0", ())


@dataclass(frozen=True)
class Stretch:
    """The elements ``start`` to ``stop`` along an axis of a buffer; all of them if no ``stop`` is given."""

    buffer: Buffer
    axis: int = 0
    start: Dim = 0
    stop: Dim | None = None

    @property
    def shape(self) -> tuple[Dim, ...]:
        """Its sizes, axes in the order in which they lie in memory."""
        shape = _in_memory(self.buffer.type)
        if self.stop is None or not shape:
            return shape
        axis = self.place
        return (*shape[:axis], self.stop - self.start, *shape[axis + 1 :])

    @property
    def place(self) -> int:
        """Where the axis stands among those in memory."""
        if self.buffer.type.layout != LANES:
            return self.axis
        return 1 if self.axis == self.buffer.type.rank - 1 else self.axis + 1

    @property
    def first(self) -> Dim:
        """Bytes in front of the stretch."""
        if self.axis == 0:
            return self.start * self.buffer.row_stride
        if self.place == 1 and self.buffer.type.layout == LANES:
            return self.start * self.buffer.panel_stride
        return self.start * product(_in_memory(self.buffer.type)[self.place + 1 :]) * ITEM

    def seen(self, axis: int, turn: Dim = 0) -> tuple[tuple[Dim, Dim, Dim], Place]:
        """Rows, middle and columns when cut before ``axis`` of those in memory, and how to address them.

        In lanes the middle are the channels, which may lie apart; ``turn`` counts places between them and the axis.
        """
        buffer, shape, whole = self.buffer, self.shape, _in_memory(self.buffer.type)
        if buffer.type.layout == LANES:
            inner = product(whole[axis:]) * ITEM
            place = Pointer(buffer, self.first + turn * inner)
            return (shape[0], shape[1], product(shape[axis:])), (place, buffer.row_stride, buffer.panel_stride, 0)
        axis = max(axis, 1)
        extents = (shape[0] if shape else 1, product(shape[1:axis]), product(shape[axis:]))
        return extents, (Pointer(buffer, self.first), buffer.row_stride, product(whole[axis:]) * ITEM, 0)

    def access(self, rows: Dim) -> Access:
        """A thread's own rows, or all where the stretch does not begin at the first one."""
        moved = self.axis == 0 and self.stop is not None
        return Access(self.buffer, None if moved else Split("rows", rows))


def _in_memory(type_: TensorType) -> tuple[Dim, ...]:
    """The sizes of axes in the order in which they lie; in lanes the rows are blocks of 16 samples."""
    if type_.layout != LANES:
        return type_.shape
    samples, *space, channels = type_.shape
    return (samples, channels, *space, UNIT)


def copy(lowering: Lowering, source: Stretch, target: Stretch) -> None:
    """Copy one stretch into another of the same shape."""
    axis = max(source.place if source.stop is not None else 0, target.place if target.stop is not None else 0)
    axis, turns = _turns(target, axis)
    for turn in range(turns):
        extents, place = target.seen(axis, turn)
        _, origin = source.seen(axis, turn)
        _run(lowering, _COPY, extents, [(source, origin)], (target, place))


def fill(lowering: Lowering, target: Stretch) -> None:
    """Write zeros into a stretch."""
    axis, turns = _turns(target, target.place)
    for turn in range(turns):
        extents, place = target.seen(axis, turn)
        _run(lowering, _ZERO, extents, [], (target, place))


def _turns(stretch: Stretch, axis: int) -> tuple[int, int]:
    """The axis to cut before, and how many calls it takes: in lanes one for each place in front of that axis."""
    if stretch.buffer.type.layout != LANES:
        return axis, 1
    axis = max(axis, 2)
    return axis, known(product(stretch.shape[2:axis]))


def relay(lowering: Lowering, source: Buffer, target: Buffer) -> None:
    """Copy all elements in row-major order between buffers of two shapes, by way of one stretch without padding."""
    for buffer in (source, target):
        if buffer.type.layout.kind != "rows":
            raise UnsupportedError(f"a copy of {source.type} as {target.type} reads and writes rows")
    if not source.contiguous:
        flat = target if target.contiguous else lowering.temporary(TensorType("float32", source.type.shape))
        extents, place = Stretch(source).seen(1)
        spread = (Pointer(flat), extents[2] * ITEM, 0, 0)
        _run(lowering, _COPY, extents, [(Stretch(source), place)], (Stretch(flat), spread))
        source = flat
    if source is not target:
        extents, place = Stretch(target).seen(1)
        spread = (Pointer(source), extents[2] * ITEM, 0, 0)
        _run(lowering, _COPY, extents, [(Stretch(source), spread)], (Stretch(target), place))


def steady(lowering: Lowering, buffer: Buffer) -> Buffer:
    """The buffer; a copy of a number that lies elsewhere in each step, for kernels that take an address as it is."""
    if buffer.place != "step":
        return buffer
    made = lowering.temporary(TensorType("float32", buffer.type.shape))
    relay_number(lowering, buffer, made)
    return made


def relay_number(lowering: Lowering, source: Buffer, target: Buffer) -> None:
    """Copy a single number."""
    ends: list[tuple[Stretch, Place]] = [(Stretch(buffer), (Pointer(buffer), 0, 0, 0)) for buffer in (source, target)]
    _run(lowering, _COPY, (1, 1, 1), ends[:1], ends[1])


def relay_swapped(lowering: Lowering, source: Buffer, target: Buffer, shape: tuple[Dim, ...]) -> None:
    """Copy ``shape`` with its first two of three axes swapped; ``source`` has rows along the first."""
    outer, rows, columns = shape
    made = target if target.rows == rows else lowering.temporary(TensorType("float32", (rows, outer, columns)))
    place = (Pointer(made), made.row_stride, columns * ITEM, 0)
    origin = (Pointer(source), columns * ITEM, source.row_stride, 0)
    _run(lowering, _COPY, (rows, outer, columns), [(Stretch(source), origin)], (Stretch(made), place), crossed=True)
    if made is not target:
        relay(lowering, made, target)


def relay_middles(lowering: Lowering, source: Buffer, target: Buffer, shape: tuple[Dim, ...]) -> None:
    """Copy ``shape`` with the middle two of four axes swapped, a call for each element of the second axis."""
    rows, outer, inner, columns = shape
    own = target.rows == rows
    made = target if own else lowering.temporary(TensorType("float32", (rows, inner, outer, columns)))
    for i in range(known(outer)):
        place = (Pointer(made, i * columns * ITEM), made.row_stride, outer * columns * ITEM, 0)
        origin = (Pointer(source, i * inner * columns * ITEM), source.row_stride, columns * ITEM, 0)
        _run(lowering, _COPY, (rows, inner, columns), [(Stretch(source), origin)], (Stretch(made), place))
    if not own:
        relay(lowering, made, target)


def _run(
    lowering: Lowering,
    formula: Formula,
    extents: tuple[Dim, Dim, Dim],
    sources: Sequence[tuple[Stretch, Place]],
    target: tuple[Stretch, Place],
    *,
    crossed: bool = False,
) -> None:
    if 0 in extents:
        return
    strange = [s.buffer.type for s in (*(s for s, _ in sources), target[0]) if s.buffer.type.dtype != "float32"]
    if strange:
        raise UnsupportedError(f"copies are of float32, not of {strange[0]}; cast it before")
    rows, middle, columns = extents
    stepped = target[0].buffer.place == "step"
    operands = tuple(Operand(spread=stepped, stepped=s.buffer.place == "step") for s, _ in sources)
    kernel = rows_kernel(operands, (Sweep(body(formula), (("store", 0),), stepped),), (_result(stepped=stepped),))
    arguments: dict[str, Argument] = {
        "clock": Clock(),
        "rows": rows,
        "columns": columns,
        "operands": [place for _, place in sources],
        "results": [target[1]],
        "middle": middle,
    }
    same = not crossed and len({s.buffer.type.shape[:1] for s in (*(s for s, _ in sources), target[0])}) == 1
    reads = [s.access(rows) if same else Access(s.buffer) for s, _ in sources]
    words = block_words if target[0].buffer.type.layout == LANES else rows_words
    lowering.call(kernel, words, arguments, reads, [target[0].access(rows) if same else Access(target[0].buffer)])


def block_words(rows: int, **arguments: Any) -> Sequence[int]:
    """The words of a row kernel over samples in the lanes: its rows are blocks of 16."""
    return rows_words(rows=-(-rows // UNIT), unit=1, **arguments)


def _result(*, stepped: bool) -> Result:
    return Result("stepped" if stepped else "rows")
