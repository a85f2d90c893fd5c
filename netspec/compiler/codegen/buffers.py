"""Where the elements of a tensor lie: strides of rows and panels, padding, and packing from and to NumPy arrays."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec.compiler.graph.lowering import Buffer, Padding, Place
from netspec.tensortype import ITEM_BYTES, Dim, Layout, Size, TensorType, known, product

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

LINE = 64  # bytes of a cache line, and of a vector of 16 float32
SAME_SETS, CROWDED, APART = 16, 64, 4  # lines; planes of fewer pixels than that are small beside the cache
SPARE = 2 * LINE  # a vector that starts at the last element of a buffer reads and writes up to 60 bytes past it


def place_buffer(name: str, type_: TensorType, place: Place, padding: Padding = "vectors") -> Buffer:
    """The memory that a value needs; stored data and constants are never padded."""
    item = ITEM_BYTES[type_.dtype]
    if type_.layout.kind == "panels":
        rows, columns = type_.shape
        width = type_.layout.width
        stride = width * item
        panel = rows * stride
        return Buffer(name, type_, place, rows, stride, panel, panel * -(-known(columns) // width))
    if type_.layout.kind == "lanes":
        samples, *space, channels = type_.shape
        lines = _plane_lines(product(space))
        plane = lines * LINE
        return Buffer(name, type_, place, samples, plane * channels, plane, (samples + 15) * lines * channels * item)
    if type_.layout.kind in ("filters", "turned"):
        groups, panels, depth, taps = filter_panels(type_.layout, tuple(known(n) for n in type_.shape))
        panel = depth * taps * LINE
        return Buffer(name, type_, place, groups * panels, panel, panel, groups * panels * panel)
    if type_.layout.kind == "columns":
        return replace(place_buffer(name, TensorType(type_.dtype, type_.shape[::-1]), place, padding), type=type_)
    rows = type_.shape[0] if type_.rank else 1
    features = product(type_.shape[1:])
    if place not in ("arena", "persistent") or type_.rank < 2:
        padding = "none"
    row = _row_stride(features, item, padding)
    return Buffer(name, type_, place, rows, row, 0, rows * row)


def turned(buffer: Buffer, type_: TensorType) -> Buffer:
    """A matrix in columns as its transpose in rows, or the other way."""
    return replace(buffer, type=type_, whole=buffer.memory)


def filter_panels(layout: Layout, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Of weights laid out as filters: groups, panels of a group, channels that are read in a group, taps."""
    *extents, ins, outs = shape
    written, read = (ins, outs // layout.width) if layout.kind == "turned" else (outs // layout.width, ins)
    return layout.width, -(-written // 16), read, prod(extents)


def _row_stride(features: Dim, item: int, padding: Padding) -> Dim:
    if padding == "none":
        return features * item
    if isinstance(features, Size):  # a vector more than it takes is whole vectors at least
        return features * item + LINE
    lines = -(-features * item // LINE) + (padding == "spill")
    # Rows an even number of lines apart meet in few sets of the first-level cache when a tile walks down a column.
    return (lines + (lines > 1 and lines % 2 == 0)) * LINE


def _plane_lines(pixels: Dim) -> Dim:
    """Lines from one channel to the next, with samples in the lanes.

    Planes of 32 x 32 or 8 x 8 pixels are whole multiples of 4 KB, so that one pixel of all channels would lie in the
    same set of the first-level cache, which keeps 12 of them: convolutions of 16 channels then reach 75 to 82% of the
    limit of multiply-adds, and 4 lines apart 80 to 89%, which differs from process to process.
    """
    crowded = isinstance(pixels, int) and pixels >= CROWDED and pixels % SAME_SETS == 0
    return pixels + APART if crowded else pixels


def pack(buffer: Buffer, memory: Array, array: Array) -> None:
    """Write ``array`` into the bytes of ``buffer``; padding becomes zero, as denormals there would be slow."""
    import numpy as np

    source = np.ascontiguousarray(array, dtype=buffer.type.dtype)
    memory[:] = 0
    for rows, part in _views(buffer, memory, source.shape):
        rows[...] = part(source)


def unpack(buffer: Buffer, memory: Array, shape: tuple[int, ...]) -> Array:
    """The logical array of ``shape`` that ``buffer`` holds, C-contiguous and a copy."""
    import numpy as np

    result = np.empty(shape, dtype=buffer.type.dtype)
    for rows, part in _views(buffer, memory, shape):
        part(result)[...] = rows
    return result


def _views(buffer: Buffer, memory: Array, shape: tuple[int, ...]) -> list[tuple[Array, Any]]:
    """Pairs of a strided view into ``memory`` and the function that takes the same part of a logical array."""
    import numpy as np

    item = ITEM_BYTES[buffer.type.dtype]
    typed = memory.view(buffer.type.dtype)

    def view(offset: int, rows: int, columns: int, stride: int) -> Array:
        return np.lib.stride_tricks.as_strided(typed[offset // item :], (rows, columns), (stride, item))

    rows = shape[0] if shape else 1
    columns = int(np.prod(shape[1:], dtype=np.int64))
    if buffer.type.layout.kind in ("filters", "turned"):
        return _filter_views(buffer.type.layout, typed, shape)
    if buffer.type.layout.kind == "rows":
        return [(view(0, rows, columns, known(buffer.row_stride)), lambda array: array.reshape(rows, columns))]
    if buffer.type.layout.kind == "columns":
        return [(view(0, columns, rows, known(buffer.row_stride)), lambda array: array.T)]
    width, panel = buffer.type.layout.width, rows * known(buffer.row_stride)
    return [
        (
            view(start // width * panel, rows, min(width, columns - start), known(buffer.row_stride)),
            lambda array, start=start: array[:, start : start + width],
        )
        for start in range(0, columns, width)
    ]


def _filter_views(layout: Layout, memory: Array, shape: tuple[int, ...]) -> list[tuple[Array, Any]]:
    """The views of `_views`, ``[depth][tap][lane]``, for weights laid out as filters: one for each panel."""
    groups, panels, depth, taps = filter_panels(layout, shape)
    whole = memory[: groups * panels * depth * taps * 16].reshape(groups, panels, depth, taps, 16)
    *_, ins, outs = shape
    each = outs // groups

    def part(group: int, first: int, array: Array) -> Array:
        own = array.reshape(taps, ins, outs)[:, :, group * each : (group + 1) * each]
        if layout.kind == "turned":
            own = own.transpose(0, 2, 1)
        return own[:, :, first : first + 16].transpose(1, 0, 2)

    width = ins if layout.kind == "turned" else each
    return [
        (whole[group, panel, ..., : min(16, width - 16 * panel)], partial(part, group, 16 * panel))
        for group in range(groups)
        for panel in range(panels)
    ]
