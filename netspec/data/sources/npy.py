"""NumPy arrays, a file a field."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, ClassVar

import pydantic

from netspec.data.faults import unreadable
from netspec.data.magic import HEAD, wrong_magic
from netspec.data.paths import FilePaths, find_files
from netspec.data.source import Source
from netspec.data.sources.npz import Header, read_array, read_header, typed_array
from netspec.data.stacking import table_of_fields
from netspec.data.table import Table

if TYPE_CHECKING:
    from netspec.data.streaming.streamed import Streamed, Wanted
    from netspec.data.table import Array


class Npy(Source):
    """Fields from ``.npy`` files, one file a field and split, rows first.

    Whole numbers from 0 with no axis beside the rows are a category whose classes are named by their number; bytes
    ``[rows, height, width, channels]`` are images; strings are text; all else is numbers.

    Example:
        data:
          source:
            npy:
              fields:
                x: {train: x_train.npy, test: x_test.npy}
                y: {train: y_train.npy, test: y_test.npy}
        network:
          inputs: {x: [13]}
          layers: [{dense: 1}]
        loss: {mse: {target: y}}

    Errors:
        wrong-magic: the file was not written by `numpy.save`; what it begins with is told
        truncated-file: the file is shorter than its header says
        bad-npz: the file holds Python objects, which are never unpickled, or a single value
    """

    kind: ClassVar[str] = "npy"
    suffixes: ClassVar[tuple[str, ...]] = (".npy",)
    streams: ClassVar[bool] = True
    fields: Annotated[dict[str, FilePaths], pydantic.Field(min_length=1)] = pydantic.Field(
        description="For each field a file, or one a split."
    )

    @classmethod
    def of_file(cls, path: Path) -> Source:
        return cls(fields={path.stem: str(path)})

    def describe(self, base: Path) -> None:
        return None

    def open(self, base: Path, *, offline: bool = False) -> Table:
        files = {name: find_files(paths, base) for name, paths in self.fields.items()}
        first = {name: next(iter(by_split.values()))[0].name for name, by_split in files.items()}
        return table_of_fields(files, read_npy, lambda name, array, _: typed_array(name, array, first[name]))

    def files(self, base: Path) -> tuple[Path, ...]:
        found = (find_files(paths, base) for paths in self.fields.values())
        return tuple(path for by_split in found for paths in by_split.values() for path in paths)

    def stream(self, base: Path, folder: Path, wanted: Wanted) -> Streamed:
        from netspec.data.streaming.arrays import streamed_arrays

        return streamed_arrays({name: find_files(paths, base) for name, paths in self.fields.items()})


def read_npy(path: Path) -> Array:
    """The array of one file; nothing is unpickled.

    Raises:
        DataError: if it is no array file, is cut short, or holds Python objects or a single value.
    """
    with opened_npy(path) as file:
        return read_array(file, path.stat().st_size, path.name, path)


def read_npy_header(path: Path) -> Header:
    """The header of one file; as `read_npy`."""
    with opened_npy(path) as file:
        return read_header(file, path.stat().st_size, path.name, path)


@contextmanager
def opened_npy(path: Path) -> Iterator[BinaryIO]:
    """A file that begins as an array does, at its first byte."""
    try:
        with path.open("rb") as file:
            begin = file.read(HEAD)
            if not begin.startswith(b"\x93NUMPY"):
                raise wrong_magic(path, "NumPy array", begin, ["write it with `numpy.save`"])
            file.seek(0)
            yield file
    except OSError as error:
        raise unreadable(path, error) from None
