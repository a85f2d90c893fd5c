"""Parquet files, read by pyarrow."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import pydantic

from netspec.data import fieldtype
from netspec.data.faults import data_error, environment_fault, shown, unreadable
from netspec.data.fieldtype import FieldType
from netspec.data.magic import HEAD, lies_at, wrong_magic
from netspec.data.paths import FilePaths, find_files
from netspec.data.source import Source
from netspec.data.stacking import Sheet, stack
from netspec.data.table import Place, Table, make_table

if TYPE_CHECKING:
    from netspec.data.streaming.streamed import Streamed, Wanted
    from netspec.data.table import Array

_BUFFER: Final = 1 << 18


class Parquet(Source):
    """Columns of Parquet files, each with one value a row; needs pyarrow (``pip install 'netspec[data]'``).

    Whole numbers, floats, decimals and booleans are numbers; strings and categories are text; dates and times are text
    of ISO 8601, which the field `date` reads. A null is a missing value. Several files follow each other.

    Example:
        data:
          source: {parquet: sales/*.parquet}
          fields:
            x: {number: {of: [price, "log(stock + 1)"], missing: mean}}
            sold: {number: {of: sold, standardize: true}}
          split: {test: 0.2}
        network:
          inputs: {x: [2]}
          layers: [{dense: 1}]
        loss: mse

    Errors:
        missing-package: pyarrow is not installed
        wrong-magic: the file does not begin as a Parquet file does
        truncated-file: the file is damaged: write it again
        wrong-kind: a column holds lists or maps
        duplicate-column: two columns have one name
        no-rows: a file has no rows
    """

    kind: ClassVar[str] = "parquet"
    suffixes: ClassVar[tuple[str, ...]] = (".parquet",)
    scalar_columns: ClassVar[bool] = True
    streams: ClassVar[bool] = True
    path: FilePaths = pydantic.Field(
        description="A file, a pattern, a list of them, or `{train: ..., test: ...}`.", json_schema_extra={"main": True}
    )

    @classmethod
    def of_file(cls, path: Path) -> Source:
        return cls(path=str(path))

    def describe(self, base: Path) -> None:
        return None

    def open(self, base: Path, *, offline: bool = False) -> Table:
        whole = stack(find_files(self.path, base), read_parquet)
        return make_table(
            whole.columns, _types(whole.columns), splits=whole.splits, places=whole.places, origin=whole.origin
        )

    def files(self, base: Path) -> tuple[Path, ...]:
        return tuple(path for paths in find_files(self.path, base).values() for path in paths)

    def stream(self, base: Path, folder: Path, wanted: Wanted) -> Streamed:
        from netspec.data.streaming.rowgroups import decode_parquet

        return decode_parquet(find_files(self.path, base), folder, wanted)


def table_of_sheet(sheet: Sheet) -> Table:
    """The table of one file."""
    return make_table(sheet.columns, _types(sheet.columns), places=(Place(sheet.file, 0),), origin=sheet.file)


def _types(columns: Mapping[str, Array]) -> dict[str, FieldType]:
    return {name: fieldtype.TEXT if column.dtype == object else fieldtype.number() for name, column in columns.items()}


def read_parquet(path: Path) -> Sheet:
    """The columns of one file.

    Raises:
        EnvironmentFault: if pyarrow is not installed.
        DataError: if it is no Parquet file, is damaged, has no rows, or a column with several values a row.
    """
    with reading_parquet(path) as file:
        table = file.read()
    return Sheet(path.name, {name: column_of(path, name, table.column(name)) for name in table.column_names})


@contextmanager
def reading_parquet(path: Path) -> Iterator[Any]:
    """A file, open, as pyarrow gives it; what goes wrong while it is read is told of the data.

    Raises:
        EnvironmentFault: if pyarrow is not installed.
        DataError: if it is no Parquet file, is damaged, has no rows, or two columns of one name.
    """
    if find_spec("pyarrow") is None:
        helps = ["pip install 'netspec[data]'", "or write the table as CSV"]
        message = "Parquet files are read by pyarrow, which is not installed"
        raise environment_fault("missing-package", message, helps=helps)
    try:
        with path.open("rb") as begun:
            begin = begun.read(HEAD)
    except OSError as error:
        raise unreadable(path, error) from None
    if not begin.startswith(b"PAR1"):
        raise wrong_magic(path, "Parquet file", begin)
    # pyarrow's own allocator begins with a reserve of 1 GiB, which `ulimit -d` and `-v` count; a stream takes 0.3.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    try:
        # With a buffer it is read as rows are asked for; without one, each column as far as a row group goes.
        with parquet.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False) as file:
            _check(path, file)
            yield file
    except arrow.ArrowMemoryError:
        raise
    except (OSError, arrow.ArrowException) as error:
        notes = [f"pyarrow says: {shown(str(error), 200)}", *lies_at(path)]
        message = f"{path.name} is cut short or damaged"
        raise data_error("truncated-file", message, notes=notes, helps=["write the file again"]) from None


def _check(path: Path, file: Any) -> None:
    if not file.metadata.num_rows:
        raise data_error("no-rows", f"{path.name} has no rows")
    names = file.schema_arrow.names
    for name in names:
        if names.count(name) > 1:
            raise data_error("duplicate-column", f"{path.name} has two columns `{name}`")


def column_of(path: Path, name: str, column: Any) -> Array:
    """Numbers as float64 with NaN for nulls; text as str objects, empty for nulls.

    Raises:
        DataError: if it holds neither numbers, text nor dates.
    """
    import numpy as np

    arrow = import_module("pyarrow")
    kind = arrow.types
    type_ = column.type
    if kind.is_dictionary(type_):
        column = column.cast(type_.value_type)
        type_ = column.type
    if kind.is_null(type_):
        return np.full(len(column), "", dtype=object)
    if kind.is_integer(type_) or kind.is_floating(type_) or kind.is_boolean(type_):
        return np.asarray(column.cast(arrow.float64(), safe=False), dtype=np.float64)
    if kind.is_decimal(type_):
        numbers = [np.nan if value is None else float(value) for value in column.to_pylist()]
        return np.array(numbers, dtype=np.float64)
    if kind.is_string(type_) or kind.is_large_string(type_):
        return np.array([value or "" for value in column.to_pylist()], dtype=object)
    if kind.is_date(type_) or kind.is_timestamp(type_):
        seconds = column if kind.is_date(type_) else column.cast(arrow.timestamp("us", type_.tz), safe=False)
        texts = ["" if value is None else value.isoformat() for value in seconds.to_pylist()]
        return np.array(texts, dtype=object)
    message = f"the column `{name}` of {path.name} holds {type_}, which is neither numbers, text nor dates"
    helps = ["write the table without it", "arrays are read from npy and npz files"]
    raise data_error("wrong-kind", message, helps=helps)
