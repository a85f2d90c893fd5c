"""Parquet files, read by pyarrow."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pydantic

from netspec.data import fieldtype
from netspec.data.faults import data_error, environment_fault, unreadable
from netspec.data.paths import FilePaths, find_files
from netspec.data.source import Source
from netspec.data.stacking import Sheet, stack
from netspec.data.table import Table, make_table

if TYPE_CHECKING:
    from netspec.data.table import Array


class Parquet(Source):
    """Columns of Parquet files, each with one value a row; needs pyarrow (``pip install 'netspec[data]'``).

    Whole numbers, floats, decimals and booleans are numbers; strings and categories are text; dates and times are text
    of ISO 8601, which the field `date` reads. A null is a missing value. Several files follow each other.
    """

    kind: ClassVar[str] = "parquet"
    scalar_columns: ClassVar[bool] = True
    path: FilePaths = pydantic.Field(
        description="A file, a pattern, a list of them, or `{train: ..., test: ...}`.", json_schema_extra={"main": True}
    )

    def describe(self, base: Path) -> None:
        return None

    def open(self, base: Path, *, offline: bool = False) -> Table:
        whole = stack(find_files(self.path, base), read_parquet)
        types = {
            name: fieldtype.TEXT if column.dtype == object else fieldtype.number()
            for name, column in whole.columns.items()
        }
        return make_table(whole.columns, types, splits=whole.splits, places=whole.places, origin=whole.origin)


def read_parquet(path: Path) -> Sheet:
    """The columns of one file.

    Raises:
        EnvironmentFault: if pyarrow is not installed.
        DataError: if it is no Parquet file, is damaged, has no rows, or a column with several values a row.
    """
    if find_spec("pyarrow") is None:
        helps = ["pip install 'netspec[data]'", "or write the table as CSV"]
        message = "Parquet files are read by pyarrow, which is not installed"
        raise environment_fault("missing-package", message, helps=helps)
    try:
        with path.open("rb") as file:
            begin = file.read(4)
    except OSError as error:
        raise unreadable(path, error) from None
    if begin != b"PAR1":
        shown = begin.hex(" ") or "nothing"
        raise data_error("wrong-magic", f"{path.name} is no Parquet file: it begins with {shown}", notes=[str(path)])
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    try:
        table = parquet.read_table(path)
    except (OSError, arrow.ArrowException) as error:
        words = str(error).splitlines()[0]
        message = f"{path.name} cannot be read: {words}"
        raise data_error("truncated-file", message, notes=[str(path)], helps=["write the file again"]) from None
    if not table.num_rows:
        raise data_error("no-rows", f"{path.name} has no rows")
    names = table.column_names
    for name in names:
        if names.count(name) > 1:
            raise data_error("duplicate-column", f"{path.name} has two columns `{name}`")
    return Sheet(path.name, {name: _column(path, name, table.column(name), arrow) for name in names})


def _column(path: Path, name: str, column: Any, arrow: Any) -> Array:
    """Numbers as float64 with NaN for nulls; text as str objects, empty for nulls."""
    import numpy as np

    kind = arrow.types
    type_ = column.type
    if kind.is_dictionary(type_):
        column = column.cast(type_.value_type)
        type_ = column.type
    if kind.is_integer(type_) or kind.is_floating(type_) or kind.is_boolean(type_) or kind.is_decimal(type_):
        numbers = [np.nan if value is None else float(value) for value in column.to_pylist()]
        return np.array(numbers, dtype=np.float64)
    if kind.is_string(type_) or kind.is_large_string(type_):
        return np.array([value or "" for value in column.to_pylist()], dtype=object)
    if kind.is_date(type_) or kind.is_timestamp(type_):
        seconds = column if kind.is_date(type_) else column.cast(arrow.timestamp("us", type_.tz), safe=False)
        texts = ["" if value is None else value.isoformat() for value in seconds.to_pylist()]
        return np.array(texts, dtype=object)
    message = f"the column `{name}` of {path.name} holds {type_}, which is neither numbers, text nor dates"
    raise data_error("wrong-kind", message, helps=["arrays are read from npy and npz files"])
