"""IDX files, the format of MNIST and its kin: big-endian arrays with a short header, plain or gzipped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pydantic

from netspec.data import fieldtype
from netspec.data.cache import cached_table
from netspec.data.faults import data_error, unreadable
from netspec.data.fieldtype import FieldType
from netspec.data.magic import HEAD, lies_at, wrong_magic
from netspec.data.paths import FilePaths, find_files
from netspec.data.source import Source
from netspec.data.stacking import table_of_fields
from netspec.data.table import Table

if TYPE_CHECKING:
    from netspec.data.table import Array

_MOST_AXES = 8
_DTYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


class Idx(Source):
    """Fields from IDX files, one file a field and split, gzipped or not.

    Bytes in two or three axes beside the samples are images; whole numbers with no axis beside it are a category whose
    classes are named by their number; everything else is numbers.

    Example:
        data:
          source:
            idx:
              fields:
                image: {train: train-images-idx3-ubyte.gz, test: t10k-images-idx3-ubyte.gz}
                label: {train: train-labels-idx1-ubyte.gz, test: t10k-labels-idx1-ubyte.gz}
        network:
          inputs: {image: [28, 28, 1]}
          layers: [flatten, {dense: 10}]
        loss: {cross_entropy: {target: label}}

    Errors:
        wrong-magic: the file does not begin as an IDX file does; what it begins with is told
        truncated-file: the file is shorter than its header says, or cannot be unpacked: fetch it again
        label-out-of-range: a class is below 0

    Reference:
        LeCun, Cortes, Burges 1998, The MNIST database of handwritten digits, "file formats".
    """

    kind: ClassVar[str] = "idx"
    suffixes: ClassVar[tuple[str, ...]] = (".idx", "-ubyte", "-ubyte.gz")
    fields: dict[str, FilePaths] = pydantic.Field(description="For each field a file, or one a split.")

    @classmethod
    def of_file(cls, path: Path) -> Source:
        return cls(fields={path.name.split("-ubyte")[0].removesuffix(".idx"): str(path)})

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


def _typed(name: str, column: Array, place: Callable[[int], str]) -> tuple[Array, FieldType]:
    import numpy as np

    whole = column.dtype.kind in "ui"
    if column.ndim == 1 and whole:
        if column.min() < 0:
            row = int(np.argmax(column < 0))
            raise data_error("label-out-of-range", f"{place(row)}: the label {column[row]} of `{name}` is below 0")
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
    axes = content[3] if dtype else 0
    if dtype is None or not 0 < axes <= _MOST_AXES:
        raise wrong_magic(path, "IDX file", content[:HEAD])
    header = 4 + 4 * axes
    shape = tuple(int.from_bytes(content[i : i + 4], "big") for i in range(4, header, 4))
    expected = header + int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize
    if len(content) != expected:
        announced = f"announces {expected:,} for an array {list(shape)}" if len(content) >= header else "is not whole"
        message = f"{path.name} holds {len(content):,} bytes, and its header {announced}"
        raise data_error("truncated-file", message, notes=lies_at(path), helps=["fetch the file again"])
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
        words = str(error).rpartition(": ")[2]
        message = f"{path.name} cannot be unpacked: {words}"
        raise data_error("truncated-file", message, notes=lies_at(path), helps=["fetch the file again"]) from None
