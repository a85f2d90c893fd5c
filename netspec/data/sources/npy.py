"""NumPy arrays, a file a field."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import pydantic

from netspec.data.faults import data_error, unreadable
from netspec.data.paths import FilePaths, find_files
from netspec.data.source import Source
from netspec.data.sources.npz import typed_array
from netspec.data.stacking import table_of_fields
from netspec.data.table import Table

if TYPE_CHECKING:
    from netspec.data.table import Array


class Npy(Source):
    """Fields from ``.npy`` files, one file a field and split, rows first.

    Whole numbers from 0 with no axis beside the rows are a category whose classes are named by their number; bytes
    ``[rows, height, width, channels]`` are images; strings are text; all else is numbers.

    Example:
        ``{npy: {fields: {x: {train: x_train.npy, test: x_test.npy}, y: {train: y_train.npy, test: y_test.npy}}}}``
    """

    kind: ClassVar[str] = "npy"
    fields: Annotated[dict[str, FilePaths], pydantic.Field(min_length=1)] = pydantic.Field(
        description="For each field a file, or one a split."
    )

    def describe(self, base: Path) -> None:
        return None

    def open(self, base: Path, *, offline: bool = False) -> Table:
        files = {name: find_files(paths, base) for name, paths in self.fields.items()}
        first = {name: next(iter(by_split.values()))[0].name for name, by_split in files.items()}
        return table_of_fields(files, read_npy, lambda name, array: typed_array(name, array, first[name]))


def read_npy(path: Path) -> Array:
    """The array of one file; nothing is unpickled.

    Raises:
        DataError: if it is no array file, is cut short, or holds Python objects or a single value.
    """
    import numpy as np

    try:
        with path.open("rb") as file:
            begin = file.read(6)
            if begin != b"\x93NUMPY":
                shown = begin[:4].hex(" ") or "nothing"
                helps = ["write it with `numpy.save`"]
                if begin[:2] == b"PK":
                    helps = ["an archive of arrays is the source `npz`"]
                raise data_error("wrong-magic", f"{path.name} is no NumPy array: it begins with {shown}", helps=helps)
            file.seek(0)
            array: Array = np.load(file, allow_pickle=False)
    except OSError as error:
        raise unreadable(path, error) from None
    except (ValueError, EOFError) as error:
        if "pickle" in str(error) or "Object arrays" in str(error):
            message = f"{path.name} holds Python objects, which are never unpickled"
            raise data_error("bad-npz", message, helps=["save numbers or strings of one length"]) from None
        message = f"{path.name} cannot be read: {error}"
        raise data_error("truncated-file", message, notes=[str(path)], helps=["write the file again"]) from None
    if array.ndim == 0:
        raise data_error("bad-npz", f"{path.name} is a single value: the first axis must be the rows")
    return array
