"""NumPy archives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pydantic

from netspec.data import fieldtype
from netspec.data.faults import data_error
from netspec.data.fieldtype import FieldType
from netspec.data.paths import FilePaths, find_files
from netspec.data.source import Source
from netspec.data.stacking import Sheet, stack
from netspec.data.table import Place, Table, make_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netspec.data.table import Array


class Npz(Source):
    """The arrays of ``.npz`` files, a field each, rows first.

    Whole numbers from 0 with no axis beside the rows are a category whose classes are named by their number; bytes
    ``[rows, height, width, channels]`` are images; strings are text; all else is numbers. Several files follow each
    other.
    """

    kind: ClassVar[str] = "npz"
    path: FilePaths = pydantic.Field(
        description="A file, a pattern, a list of them, or `{train: ..., test: ...}`.", json_schema_extra={"main": True}
    )

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
    import zlib

    import numpy as np

    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise data_error(
                    "bad-npz", f"{path.name} is no archive of arrays", helps=["write it with `numpy.savez`"]
                )
            with archive:
                arrays = {name: np.asarray(archive[name]) for name in archive.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise data_error("bad-npz", f"{path.name} cannot be read: {error}", notes=[str(path)]) from None
    for name, array in arrays.items():
        if array.ndim == 0:
            raise data_error(
                "bad-npz", f"the array `{name}` of {path.name} is a single value: the first axis must be the rows"
            )
    if not arrays:
        raise data_error("no-rows", f"{path.name} holds no arrays")
    return arrays


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

    if array.dtype.kind in "US" and array.ndim == 1:
        return np.char.decode(array, "utf-8").astype(object) if array.dtype.kind == "S" else array.astype(
            object
        ), fieldtype.TEXT
    if array.dtype.kind not in "biuf":
        raise data_error(
            "bad-npz", f"the array `{name}` of {origin} holds {array.dtype}, which is neither numbers nor text"
        )
    if array.ndim == 1 and array.dtype.kind in "iu" and len(array) and array.min() >= 0 and array.max() < 1 << 20:
        label = fieldtype.category(fieldtype.numbered_classes(int(array.max()) + 1))
        return array.astype(label.dtype), label
    if array.ndim == 4 and array.dtype == np.uint8:
        return array, fieldtype.image(*array.shape[1:])
    if array.dtype == np.uint8 and array.ndim > 1:
        return array, FieldType("number", array.shape[1:], "uint8")
    # A column alone may hold large numbers that a formula makes small (years, amounts): keep their digits till then.
    return array.astype(np.float64 if array.ndim == 1 else np.float32, copy=False), fieldtype.number(*array.shape[1:])
