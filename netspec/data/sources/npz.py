"""NumPy archives."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

import pydantic

from netspec.data import fieldtype
from netspec.data.faults import data_error, shown, unreadable
from netspec.data.fieldtype import FieldType
from netspec.data.magic import HEAD, lies_at, wrong_magic
from netspec.data.paths import FilePaths, find_files
from netspec.data.source import Source
from netspec.data.stacking import Sheet, stack
from netspec.data.table import Place, Table, make_table
from netspec.diagnostics import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from netspec.data.table import Array


class Npz(Source):
    """The arrays of ``.npz`` files, a field each, rows first.

    Whole numbers from 0 with no axis beside the rows are a category whose classes are named by their number; bytes
    ``[rows, height, width, channels]`` are images; strings are text; all else is numbers. Several files follow each
    other.

    Example:
        data: {source: {npz: {path: {train: train.npz, test: test.npz}}}}
        network:
          inputs: {x: [13]}
          layers: [{dense: 1}]
        loss: {mse: {target: y}}

    Errors:
        wrong-magic: the file is no archive of arrays
        truncated-file: the file is cut short or damaged: write it again
        bad-npz: the archive holds Python objects, which are never unpickled, single values, or arrays that are neither
            numbers nor text
        not-utf8: an array holds bytes that are no text
        unequal-rows: two arrays of a file differ in their number of rows
        no-rows: the archive holds no arrays
    """

    kind: ClassVar[str] = "npz"
    suffixes: ClassVar[tuple[str, ...]] = (".npz",)
    path: FilePaths = pydantic.Field(
        description="A file, a pattern, a list of them, or `{train: ..., test: ...}`.", json_schema_extra={"main": True}
    )

    @classmethod
    def of_file(cls, path: Path) -> Source:
        return cls(path=str(path))

    def describe(self, base: Path) -> None:
        return None

    def open(self, base: Path, *, offline: bool = False) -> Table:
        whole = stack(find_files(self.path, base), _sheet)
        return table_of_arrays(whole.columns, splits=whole.splits, places=whole.places, origin=whole.origin)


def _sheet(path: Path) -> Sheet:
    arrays = read_npz(path)
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"`{name}` has {rows}" for name, rows in lengths.items())
        raise data_error("unequal-rows", f"the arrays of {path.name} differ in their number of rows: {listed}")
    return Sheet(path.name, arrays)


def read_npz(path: Path) -> dict[str, Array]:
    """The arrays of one archive; nothing is unpickled.

    Raises:
        DataError: if it is no archive, is empty, or holds Python objects or single values.
    """
    import zipfile

    arrays = {}
    try:
        with path.open("rb") as file:
            begin = file.read(HEAD)
            if begin[:2] != b"PK":
                raise wrong_magic(path, "NumPy archive", begin, ["write it with `numpy.savez`"])
            with _damage_told(path, path.name), zipfile.ZipFile(file) as archive:
                for entry in archive.infolist():
                    name = entry.filename.removesuffix(".npy")
                    if name == entry.filename:
                        message = f"{path.name} holds `{name}`, which is no array"
                        raise data_error("bad-npz", message, helps=["leave it out"])
                    what = f"the array `{name}` of {path.name}"
                    with _damage_told(path, what), archive.open(entry) as inner:
                        arrays[name] = read_array(inner, entry.file_size, what, path)
    except OSError as error:
        raise unreadable(path, error) from None
    if not arrays:
        raise data_error("no-rows", f"{path.name} holds no arrays")
    return arrays


@dataclass(frozen=True)
class Header:
    """What an array in NumPy's own format says of itself, and where its numbers begin."""

    shape: tuple[int, ...]
    is_column_major: bool
    dtype: Any
    offset: int


def read_array(file: IO[bytes], size: int, what: str, path: Path) -> Array:
    """An array in NumPy's own format, rows first; nothing is unpickled.

    Args:
        file: where it begins.
        size: how many bytes there are.
        what: what to call it in a message.
        path: the file that it lies in.

    Raises:
        DataError: if it is damaged, or holds Python objects or a single value.
    """
    import warnings

    import numpy as np

    read_header(file, size, what, path)
    with _damage_told(path, what), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of headers as Python 2 wrote them
        file.seek(0)
        array: Array = np.lib.format.read_array(file, allow_pickle=False)
    return array


def read_header(file: IO[bytes], size: int, what: str, path: Path) -> Header:
    """The header of an array, which has as many bytes as it says; as `read_array`."""
    import warnings

    import numpy as np

    with _damage_told(path, what), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        version = np.lib.format.read_magic(file)
        two = np.lib.format.read_array_header_2_0
        shape, is_column_major, dtype = np.lib.format.read_array_header_1_0(file) if version == (1, 0) else two(file)
        header = Header(shape, is_column_major, dtype, file.tell())
        expected = header.offset + math.prod(shape) * dtype.itemsize
    if dtype.hasobject:
        message = f"{what} holds Python objects, which are never unpickled"
        raise data_error("bad-npz", message, helps=["save numbers or strings of one length"])
    if not shape:
        raise data_error("bad-npz", f"{what} is a single value: the first axis must be the rows")
    if size < expected:  # before memory is asked for it
        announced = f"and its header announces {expected:,} for {dtype}{list(shape)}"
        raise _damaged(path, f"{what} holds {size:,} bytes, {announced}")
    return header


@contextmanager
def _damage_told(path: Path, what: str) -> Iterator[None]:
    """Turn all that Python and NumPy raise over bytes that make no sense into one fault."""
    try:
        yield
    except (DataError, OSError, MemoryError):
        raise
    except Exception as error:  # of a tokenizer, a zip file, a codec
        raise _damaged(
            path, f"{what} is cut short or damaged", notes=[f"NumPy says: {shown(str(error), 200)}"]
        ) from None


def _damaged(path: Path, message: str, *, notes: Iterable[str] = ()) -> Exception:
    helps = ["write the file again"]
    return data_error("truncated-file", message, notes=[*notes, *lies_at(path)], helps=helps)


def table_of_arrays(
    arrays: Mapping[str, Array], *, splits: Mapping[str, range] | None = None, places: tuple[Place, ...], origin: str
) -> Table:
    """A table of arrays, each typed by what it holds."""
    columns, types = {}, {}
    for name, array in arrays.items():
        columns[name], types[name] = typed_array(name, array, origin)
    return make_table(columns, types, splits=splits, places=places, origin=origin)


def typed_array(name: str, array: Array, origin: str) -> tuple[Array, FieldType]:
    """The column and type that an array is.

    Raises:
        DataError: if it holds neither numbers nor text.
    """
    import numpy as np

    type_, held = array_type(name, array.dtype, array.shape, lambda: (int(array.min()), int(array.max())), origin)
    if type_.kind == "text":
        return text_of(name, array, origin), type_
    with np.errstate(over="ignore"):
        narrow = array.astype(held, copy=False)
    # What float32 cannot hold is told with its own digits when a field is made of it.
    overflows = array.dtype.itemsize > narrow.dtype.itemsize and not np.isfinite(narrow.sum(dtype=np.float64))
    return array if overflows else narrow, type_


def array_type(
    name: str, dtype: Any, shape: tuple[int, ...], ends: Callable[[], tuple[int, int]], origin: str
) -> tuple[FieldType, Any]:
    """The type of a column that is an array, and what it is held as in memory.

    Args:
        name: what it is called.
        dtype: the array's.
        shape: the array's, rows first.
        ends: the least and the largest of its values; asked for where they decide.
        origin: where it stands, for messages.

    Raises:
        DataError: if it holds neither numbers nor text.
    """
    import numpy as np

    rows, *sample = shape
    if dtype.kind in "USM" and not sample:
        return fieldtype.TEXT, np.dtype(object)
    if dtype.kind not in "biuf":
        message = f"the array `{name}` of {origin} holds {dtype}, which is neither numbers nor text"
        raise data_error("bad-npz", message, helps=["leave it out"])
    if not sample and dtype.kind in "iu" and rows:
        low, high = ends()
        if low >= 0 and high < 1 << 20:
            label = fieldtype.category(fieldtype.numbered_classes(high + 1))
            return label, np.dtype(label.dtype)
    if dtype == np.uint8 and len(sample) == 3:
        return fieldtype.image(*sample), dtype
    if dtype == np.uint8 and sample:
        return FieldType("number", tuple(sample), "uint8"), dtype
    # A column alone may hold large numbers that a formula makes small (years, amounts): keep their digits till then.
    return fieldtype.number(*sample), np.dtype(np.float32 if sample else np.float64)


def text_of(name: str, array: Array, origin: str) -> Array:
    """Strings as str objects, dates as text of ISO 8601; empty where there is no date."""
    import numpy as np

    if array.dtype.kind == "M":
        texts: Array = np.datetime_as_string(array).astype(object)
        texts[np.isnat(array)] = ""
        return texts
    try:
        if array.dtype.kind == "U":
            return array.astype(object)
        return np.char.decode(array, "utf-8").astype(object)
    except (UnicodeDecodeError, SystemError):  # the latter of characters that there are not
        message = f"the array `{name}` of {origin} holds bytes that are no text"
        raise data_error("not-utf8", message, helps=["save it as str"]) from None
