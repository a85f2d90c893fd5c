"""Raw rows for a trained network: read from a file or given in Python, encoded as the training data were."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.data import fieldtype
from netspec.data.faults import data_error
from netspec.data.field import Field
from netspec.data.fields.category import class_names, encode_classes
from netspec.data.fields.number import refuse_not_finite, refuse_text
from netspec.data.fieldtype import FieldType
from netspec.data.fitting import Fitted
from netspec.data.source import Source
from netspec.data.sources.csv import Csv, read_csv, read_rows_as, table_of_cells
from netspec.data.sources.npz import read_npz, table_of_arrays
from netspec.data.table import Place, Table, readable_beyond
from netspec.tensortype import known, product, show_shape

if TYPE_CHECKING:
    from netspec.data.table import Array

FORMATS = (".csv", ".jsonl", ".npz")


def read_rows(path: Path, only: str | None = None, source: Source | None = None) -> Table:
    """The raw columns of a CSV file, a NumPy archive, or JSON lines.

    Args:
        path: its suffix says what it is.
        only: the network's input where it has one alone: a line of JSON may then be its bare list.
        source: what the network was trained on: a CSV file is read as its were, with its delimiter and missing cells.

    Raises:
        DataError: if there is no such file or it cannot be read.
    """
    if not path.is_file():
        raise data_error("missing-file", f"there is no file `{path}`")
    if path.suffix == ".csv":
        sheet = read_rows_as(path, source) if isinstance(source, Csv) else read_csv(path)
        return table_of_cells(sheet.columns, places=(Place(sheet.file, 0, sheet.lines),), origin=path.name)
    if path.suffix == ".npz":
        return table_of_arrays(read_npz(path), places=(Place(path.name, 0),), origin=path.name)
    if path.suffix in (".jsonl", ".ndjson"):
        return _read_json_lines(path, only)
    raise data_error(
        "unknown-format", f"{path.name}: rows are read from {', '.join(FORMATS)}", helps=["name the file accordingly"]
    )


def _read_json_lines(path: Path, only: str | None) -> Table:
    import json

    import numpy as np

    rows, lines = [], []
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise data_error("not-utf8", f"{path.name} is not UTF-8: {error.reason}") from None
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except (json.JSONDecodeError, RecursionError) as error:
                raise data_error(
                    "bad-json", f"{path.name}, line {number}: {error}", helps=["each line is one JSON object"]
                ) from None
            rows.append({only: row} if only and isinstance(row, list) else row)
            lines.append(number)
    return table_of_rows(rows, Place(path.name, 0, np.asarray(lines, dtype=np.int64)))


def table_of_rows(rows: Sequence[Any], place: Place) -> Table:
    """A table of maps from columns to numbers, strings, or nested lists of numbers.

    Raises:
        DataError: if a row is no map, or rows differ in their keys or the shapes of their values.
    """
    if not rows:
        raise data_error("no-rows", f"{place.file} has no rows")
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise data_error(
                "bad-json", f"{place.name(number)}: a row is a map from names to values", helps=['as in {"x": [0, 1]}']
            )
        if row.keys() != rows[0].keys():
            odd = ", ".join(f"`{name}`" for name in sorted(row.keys() ^ rows[0].keys()))
            raise data_error("unequal-columns", f"{place.name(number)} and the first row differ in {odd}")
    columns, types = {}, {}
    for name in rows[0]:
        columns[name], types[name] = _column(name, [row[name] for row in rows], place)
    return Table(columns, types, {"train": range(len(rows))}, (place,), "")


def _column(name: str, values: Sequence[Any], place: Place) -> tuple[Array, FieldType]:
    import numpy as np

    if any(isinstance(value, str) for value in values) and all(isinstance(value, str | None) for value in values):
        return np.array([value or "" for value in values], dtype=object), fieldtype.TEXT
    first: Array | None = None
    for number, value in enumerate(values):
        try:
            array = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            place_name = f"{place.name(number)}, `{name}`"
            message = f"{place_name}: neither a number, nor lists of numbers of one length, nor all strings"
            raise data_error("text-in-number", message) from None
        first = array if first is None else first
        if array.shape != first.shape:
            shapes = f"shape {show_shape(array.shape)}, and the first row has {show_shape(first.shape)}"
            message = f"{place.name(number)}, `{name}`: {shapes}"
            raise data_error("wrong-shape", message)
    column = np.asarray(values, dtype=np.float64)
    return column, fieldtype.number(*column.shape[1:])


def encode_rows(table: Table, fields: Mapping[str, Field], fitted: Fitted, names: Collection[str]) -> dict[str, Array]:
    """Raw columns as the arrays that the network's inputs read.

    A field that is made of columns is made of them again where they are all there, with what training had fitted.
    Otherwise its own values are taken: a column of its name, ``FIELD.0``, ``FIELD.1``, ..., or, for an only input, all
    columns in their order.

    Args:
        table: the raw columns, from `read_rows` or `table_of_rows`.
        fields: the spec's ``data.fields``.
        fitted: what training fitted.
        names: the inputs.

    Raises:
        DataError: if a column is missing or a value does not fit.
    """
    encoded = {}
    for name in names:
        learnt = fitted.fields[name].learnt
        field = fields.get(name)
        if field is not None and learnt.columns and _has_columns(field, table, learnt.columns):
            encoded[name] = field.make(table, learnt)
        else:
            encoded[name] = _own_values(table, name, learnt.type, only=len(names) == 1)
    return {name: readable_beyond(column) for name, column in encoded.items()}


def _has_columns(field: Field, table: Table, columns: Sequence[str]) -> bool:
    try:
        read = set(field.reads(table.types)) | {c for c in columns if c.isidentifier()}
    except ValueError:
        return False
    return read <= table.columns.keys()


def _own_values(table: Table, name: str, wanted: FieldType, *, only: bool) -> Array:
    import numpy as np

    shape = tuple(known(n) for n in wanted.shape or ())
    columns = _own_columns(table, name, known(product(shape)), only)
    if wanted.kind == "category":
        return encode_classes(class_names(table, columns[0]), wanted, table, columns[0])
    for column in columns:
        refuse_text(table, column)
        refuse_not_finite(table, column)
    if (
        columns == [name]
        and table.columns[name].shape[1:] != shape
        and not (shape == (1,) and table.columns[name].ndim == 1)
    ):
        given = show_shape(table.columns[name].shape[1:])
        raise data_error(
            "wrong-shape",
            f"{table.place(0)}: `{name}` has the shape {given}, and the network reads {show_shape(shape)}",
        )
    values = table.columns[name] if columns == [name] else np.stack([table.columns[c] for c in columns], axis=1)
    values = values.reshape(table.rows, *shape)
    return (
        _as_bytes(table, name, values, wanted) if wanted.dtype == "uint8" else values.astype(wanted.dtype, copy=False)
    )


def _own_columns(table: Table, name: str, count: int, only: bool) -> list[str]:
    """The columns that hold the values of a field itself."""
    numbered = [f"{name}.{i}" for i in range(count)]
    if name in table.columns:
        return [name]
    if all(column in table.columns for column in numbered):
        return numbered
    if only and len(table.columns) == count and all(column.ndim == 1 for column in table.columns.values()):
        return list(table.columns)
    there = ", ".join(f"`{column}`" for column in list(table.columns)[:12])
    origin = table.places[0].file if table.places else "the rows"
    helps = [
        f"give a column `{name}`"
        if count == 1
        else f"give columns `{name}.0` to `{name}.{count - 1}`, or rows of JSON with a list `{name}`"
    ]
    raise data_error(
        "unknown-column", f"{origin} has no values for the input `{name}`", notes=[f"it has {there}"], helps=helps
    )


def _as_bytes(table: Table, name: str, values: Array, wanted: FieldType) -> Array:
    import numpy as np

    top = wanted.top if wanted.kind == "image" else 255
    outside = ~((values >= 0) & (values <= top) & (values == np.floor(values))).reshape(len(values), -1).all(axis=1)
    if outside.any():
        place = table.place(int(np.argmax(outside)))
        raise data_error(
            "pixel-out-of-range", f"{place}: `{name}` holds whole numbers from 0 to {top}, as its training data did"
        )
    return values.astype(np.uint8)
