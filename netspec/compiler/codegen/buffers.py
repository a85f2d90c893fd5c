"""Where the elements of a tensor lie: strides of rows and panels, padding, and packing from and to NumPy arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from netspec.compiler.graph.lowering import Buffer, Padding, Place
from netspec.tensortype import ITEM_BYTES, Dim, Size, TensorType, known, product

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

LINE = 64  # bytes of a cache line, and of a vector of 16 float32
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
    rows = type_.shape[0] if type_.rank else 1
    features = product(type_.shape[1:])
    if place not in ("arena", "persistent") or type_.rank < 2:
        padding = "none"
    row = _row_stride(features, item, padding)
    return Buffer(name, type_, place, rows, row, 0, rows * row)


def _row_stride(features: Dim, item: int, padding: Padding) -> Dim:
    if padding == "none":
        return features * item
    if isinstance(features, Size):  # a vector more than it takes is whole vectors at least
        return features * item + LINE
    lines = -(-features * item // LINE) + (padding == "spill")
    # Rows an even number of lines apart meet in few sets of the first-level cache when a tile walks down a column.
    return (lines + (lines > 1 and lines % 2 == 0)) * LINE


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
    if buffer.type.layout.kind == "rows":
        return [(view(0, rows, columns, known(buffer.row_stride)), lambda array: array.reshape(rows, columns))]
    width, panel = buffer.type.layout.width, rows * known(buffer.row_stride)
    return [
        (
            view(start // width * panel, rows, min(width, columns - start), known(buffer.row_stride)),
            lambda array, start=start: array[:, start : start + width],
        )
        for start in range(0, columns, width)
    ]
