"""IDX files, the format of MNIST and its kin: big-endian arrays with a short header, plain or gzipped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pydantic

from netspec.data import fieldtype
from netspec.data.cache import cached_table
from netspec.data.faults import data_error, unreadable
from netspec.data.fieldtype import FieldType
from netspec.data.paths import FilePaths, find_files
from netspec.data.source import Source
from netspec.data.stacking import table_of_fields
from netspec.data.table import Table

if TYPE_CHECKING:
    from netspec.data.table import Array

_DTYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


class Idx(Source):
    """Fields from IDX files, one file a field and split, gzipped or not.

    Bytes in two or three axes beside the samples are images; whole numbers with no axis beside it are a category whose
    classes are named by their number; everything else is numbers.

    Example:
        ``{idx: {fields: {image: {train: train-images.gz, test: t10k-images.gz}, label: {...}}}}``

    Reference:
        LeCun, Cortes, Burges 1998, The MNIST database of handwritten digits, "file formats".
    """

    kind: ClassVar[str] = "idx"
    fields: dict[str, FilePaths] = pydantic.Field(description="For each field a file, or one a split.")

    def describe(self, base: Path) -> None:
        return None

    def open(self, base: Path, *, offline: bool = False) -> Table:
        files = {name: find_files(paths, base) for name, paths in self.fields.items()}
        every = [path for by_split in files.values() for paths in by_split.values() for path in paths]
        return cached_table("idx-" + "-".join(files), every, lambda: read_idx_table(files))


def read_idx_table(files: Mapping[str, Mapping[str, list[Path]]]) -> Table:
    """The table of some fields, each from files by split; splits follow each other as train, validation, test.

    Raises:
        DataError: if a file is damaged or fields do not fit together.
    """
    return table_of_fields(files, read_idx, _typed)


def _typed(name: str, column: Array) -> tuple[Array, FieldType]:
    import numpy as np

    whole = column.dtype.kind in "ui"
    if column.ndim == 1 and whole:
        if column.min() < 0:
            raise data_error("label-out-of-range", f"`{name}` holds {column.min()}: a class is counted from 0")
        label = fieldtype.category(fieldtype.numbered_classes(int(column.max()) + 1))
        return column.astype(label.dtype), label
    if column.dtype == np.uint8 and column.ndim in (3, 4):
        pixels = column.reshape(*column.shape, 1) if column.ndim == 3 else column
        return pixels, fieldtype.image(*pixels.shape[1:])
    numbers = column.reshape(len(column), -1) if column.ndim == 1 else column
    return numbers.astype(np.float32), fieldtype.number(*numbers.shape[1:])


def read_idx(path: Path) -> Array:
    """The array of one IDX file.

    Raises:
        DataError: if it is no IDX file or is cut short.
    """
    import numpy as np

    content = _unpacked(path)
    dtype = _DTYPES.get(content[2]) if len(content) >= 4 and content[:2] == b"\0\0" else None
    if dtype is None:
        raise data_error(
            "wrong-magic",
            f"{path.name} is no IDX file: it begins with {content[:4].hex(' ') or 'nothing'}",
            notes=[str(path)],
        )
    axes = content[3]
    header = 4 + 4 * axes
    shape = tuple(int.from_bytes(content[i : i + 4], "big") for i in range(4, header, 4))
    expected = header + int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize
    if axes == 0 or len(content) != expected:
        message = (
            f"{path.name} holds {len(content)} bytes, and its header announces {expected} for an array {list(shape)}"
        )
        raise data_error("truncated-file", message, notes=[str(path)], helps=["fetch the file again"])
    array: Array = np.frombuffer(content, dtype, offset=header).reshape(shape)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _unpacked(path: Path) -> bytes:
    import zlib

    try:
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return zlib.decompress(content, wbits=31)
    except zlib.error as error:
        raise data_error(
            "truncated-file",
            f"{path.name} cannot be unpacked: {error}",
            notes=[str(path)],
            helps=["fetch the file again"],
        ) from None
