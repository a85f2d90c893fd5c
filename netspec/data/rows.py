"""Raw rows for a trained network: read from a file or given in Python, encoded as the training data were."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.data import fieldtype
from netspec.data.cells import table_of_csv
from netspec.data.faults import data_error, shown
from netspec.data.field import Field
from netspec.data.fields.category import class_names, encode_classes
from netspec.data.fields.number import columns_of, refuse_not_finite, refuse_text
from netspec.data.fieldtype import FieldType
from netspec.data.fitting import Fitted
from netspec.data.ragged import Ragged, apart, even_rows
from netspec.data.source import Source
from netspec.data.sources.csv import Csv, form_of_rows
from netspec.data.sources.npy import read_npy
from netspec.data.sources.npz import read_npz, table_of_arrays
from netspec.data.sources.parquet import read_parquet, table_of_sheet
from netspec.data.table import Place, Table, listed
from netspec.data.text.cutting import rows_of_tokens
from netspec.diagnostics import DataError, suggestion
from netspec.tensortype import known, product, show_shape, size

if TYPE_CHECKING:
    from netspec.data.ragged import Column
    from netspec.data.table import Array

FORMATS = (".csv", ".tsv", ".jsonl", ".npz", ".npy", ".parquet")


def read_rows(path: Path, only: str | None = None, source: Source | None = None) -> Table:
    """The raw columns of a file: CSV, JSON lines, a NumPy archive or array, Parquet, or as the source's own are.

    Args:
        path: its suffix says what it is.
        only: the network's input where it has one alone: an array is that input, and so may a line of JSON be.
        source: what the network was trained on: a CSV file is read as its were, with its delimiter and missing cells.

    Raises:
        DataError: if there is no such file or it cannot be read.
    """
    table = _read_table(path, only, source)
    return table if source is None else source.rows_of_table(table)


def _read_table(path: Path, only: str | None, source: Source | None) -> Table:
    if not path.is_file():
        raise data_error("missing-file", f"there is no file `{path}`")
    suffix, place = path.suffix, Place(path.name, 0)
    if suffix == ".npz":
        return table_of_arrays(read_npz(path), places=(place,), origin=path.name)
    if suffix == ".npy":
        return table_of_arrays({only or path.stem: read_npy(path)}, places=(place,), origin=path.name)
    if suffix == ".parquet":
        return table_of_sheet(read_parquet(path))
    if suffix in (".jsonl", ".ndjson"):
        return _read_json_lines(path, only)
    is_text = suffix in (".csv", ".tsv") or (isinstance(source, Csv) and suffix in ("", ".txt", ".dat", ".data"))
    if not is_text:
        written = source.rows_to_predict(path) if source is not None else None
        if written is not None:
            return written
        helps = ["name the file accordingly", *(["a row of JSON is a line: `.jsonl`"] if suffix == ".json" else [])]
        raise data_error("unknown-format", f"{path.name}: rows are read from {', '.join(FORMATS)}", helps=helps)
    form = source if isinstance(source, Csv) else Csv.of_file(path)
    assert isinstance(form, Csv)
    return table_of_csv({"train": [path]}, form_of_rows(path, form))


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
                # The place that Python's own words name would be a second line beside the file's.
                at, words = (
                    (f", column {error.colno}", error.msg) if isinstance(error, ValueError) else ("", str(error))
                )
                message = f"{path.name}, line {number}{at}: {words}"
                raise data_error("bad-json", message, helps=["each line is one JSON object"]) from None
            rows.append({only: row} if only and isinstance(row, list) else row)
            lines.append(number)
    return table_of_rows(rows, Place(path.name, 0, np.asarray(lines, dtype=np.int64)))


def table_of_rows(rows: Sequence[Any], place: Place) -> Table:
    """A table of maps from columns to numbers, strings, lists of words, or nested lists of numbers.

    Raises:
        DataError: if a row is no map, or rows differ in their keys or the shapes of their values.
    """
    if not rows:
        raise data_error("no-rows", f"there are no rows in {place.file}")
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise data_error(
                "bad-json", f"{place.name(number)}: a row is a map from names to values", helps=['as in {"x": [0, 1]}']
            )
        if row.keys() != rows[0].keys():
            odd = ", ".join(f"`{shown(name)}`" for name in sorted(row.keys() ^ rows[0].keys()))
            message = f"{place.name(number)} and the first row differ in {odd}"
            raise data_error("unequal-columns", message, helps=["where there is no value, write `null`"])
    columns, types, ragged = {}, {}, {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        if _are_words(values):
            ragged[name], types[name] = rows_of_tokens(values), FieldType("word", (size("T"),), None)
        else:
            columns[name], types[name] = _column(name, values, place)
    return Table(columns, types, {"train": range(len(rows))}, (place,), "", ragged)


def _are_words(values: Sequence[Any]) -> bool:
    """Whether every value is a list of words."""
    are_lists = all(isinstance(value, list) for value in values)
    return are_lists and any(values) and all(isinstance(word, str) for value in values for word in value)


def _column(name: str, values: Sequence[Any], place: Place) -> tuple[Array, FieldType]:
    import numpy as np

    if any(isinstance(value, str) for value in values) and all(isinstance(value, str | None) for value in values):
        return np.array([value or "" for value in values], dtype=object), fieldtype.TEXT
    first: Array | None = None
    for number, value in enumerate(values):
        try:
            array = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            odd = next((one for one in _leaves(value) if isinstance(one, str | Mapping)), None)
            what = "its lists differ in length" if odd is None else f"`{shown(str(odd))}` is not a number"
            code = "wrong-shape" if odd is None else "text-in-number"
            raise data_error(code, f"{place.name(number)}, column `{name}`: {what}") from None
        first = array if first is None else first
        if array.shape != first.shape:
            shapes = f"shape {show_shape(array.shape)}, and the first row has {show_shape(first.shape)}"
            message = f"{place.name(number)}, column `{name}`: {shapes}"
            raise data_error("wrong-shape", message)
    column = np.asarray(values, dtype=np.float64)
    return column, fieldtype.number(*column.shape[1:])


def _leaves(value: Any) -> Iterator[Any]:
    """What stands in nested lists."""
    if not isinstance(value, list | tuple):
        yield value
        return
    for one in value:
        yield from _leaves(one)


def encode_rows(table: Table, fields: Mapping[str, Field], fitted: Fitted, names: Collection[str]) -> dict[str, Array]:
    """The columns of `encoded_rows` as arrays, by the keys under which graphs read fields, as `Dataset.arrays`."""
    dense, ragged = apart(encoded_rows(table, fields, fitted, names))
    return dense | {key: array for name, column in ragged.items() for key, array in column.arrays(name).items()}


def encoded_rows(
    table: Table, fields: Mapping[str, Field], fitted: Fitted, names: Collection[str]
) -> dict[str, Column]:
    """Raw columns as the fields that a network reads.

    A field that is made of columns is made of them again where they are all there, with what training had fitted.
    Otherwise its own values are taken: a column of its name, ``FIELD.0``, ``FIELD.1``, ..., or, for an only input, all
    columns in their order. Text for a field of tokens stands in its column, or in one of the field's name.

    Args:
        table: the raw columns, from `read_rows` or `table_of_rows`.
        fields: those of the spec's ``data``, as `DataSection.linked_fields` gives them.
        fitted: what training fitted.
        names: the fields.

    Raises:
        DataError: if a column is missing or a value does not fit.
    """
    encoded: dict[str, Column] = {}
    for name in names:
        learnt = fitted.fields[name].learnt
        field = fields.get(name)
        is_text = field is not None and not field.streams
        given = _with_text(table, name, learnt.columns) if is_text else table
        if not is_text:
            _refuse_words(table, (name, *learnt.columns), learnt.type)
        lacking = [] if field is None else [c for c in _made_of(given, learnt.columns) if c not in given.types]
        if field is not None and learnt.columns and not lacking:
            encoded[name] = field.column(given, learnt)
        else:
            encoded[name] = _own_values(table, name, learnt.type, lacking, only=len(names) == 1)
    return encoded


def words_of_rows(table: Table, fields: Mapping[str, Field], fitted: Fitted, names: Collection[str]) -> dict[str, Any]:
    """The words of each row, of the first input that is made of words; of none an empty map.

    The arguments are those of `encode_rows`.
    """
    for name in names:
        field, learnt = fields.get(name), fitted.fields[name].learnt
        if field is not None and not field.streams:
            given = _with_text(table, name, learnt.columns)
            is_there = all(column in given.types for column in learnt.columns)
            if is_there and (found := field.words(given, learnt)) is not None:
                return {name: found}
    return {}


def _refuse_words(table: Table, columns: Sequence[str], wanted: FieldType) -> None:
    """Raise if one of the columns holds lists of words, of which no such field is made."""
    for column in columns:
        if column in table.ragged and table.types[column].is_raw:
            word = shown(table.ragged[column].names[0])
            message = f"{table.place(0, column)}, column `{column}`: `{word}` is not a number"
            raise data_error("text-in-number", message, notes=[f"the network reads {wanted}"])


def _with_text(table: Table, name: str, columns: Sequence[str]) -> Table:
    """The table with the text of a field under the name of the column that it is made of, if it is given by its own."""
    if len(columns) != 1 or columns[0] in table.types or name not in table.types or not table.types[name].is_raw:
        return table
    own = columns[0]
    types = {**table.types, own: table.types[name]}
    if name in table.ragged:
        return replace(table, types=types, ragged={**table.ragged, own: table.ragged[name]})
    return replace(table, types=types, columns={**table.columns, own: table.columns[name]})


def _made_of(table: Table, parts: Sequence[str]) -> list[str]:
    """The columns that a field's columns and formulas stand on, each once."""
    found: dict[str, None] = {}
    for part in parts:
        try:
            found |= dict.fromkeys(columns_of(part, table.columns))
        except DataError:  # no formula: a name that is no word
            found[part] = None
    return list(found)


def _own_values(table: Table, name: str, wanted: FieldType, lacking: Sequence[str], *, only: bool) -> Column:
    """The values of a field as they are; ``lacking`` are the columns without which it could not be made."""
    import numpy as np

    if name in table.ragged and table.types[name] == wanted:
        return table.ragged[name]
    if wanted.lengths:
        return _own_steps(table, name, wanted, lacking)
    shape = tuple(known(n) for n in wanted.shape or ())
    columns = _own_columns(table, name, known(product(shape)), lacking, only)
    if wanted.kind == "category":
        return encode_classes(class_names(table, columns[0]), wanted, table, columns[0])
    for column in columns:
        refuse_text(table, column)
        refuse_not_finite(table, column, helps=["fill the cell"])
    if (
        columns == [name]
        and table.columns[name].shape[1:] != shape
        and not (shape == (1,) and table.columns[name].ndim == 1)
    ):
        whole = table.columns[name].shape
        message = f"`{name}` has the shape {show_shape(whole[1:])}, and the network reads {show_shape(shape)}"
        helps = ["the first axis of an array counts the rows: one row alone is `array[None]`"] if whole == shape else []
        raise data_error("wrong-shape", f"{table.place(0)}: {message}", helps=helps)
    values = table.columns[name] if columns == [name] else np.stack([table.columns[c] for c in columns], axis=1)
    values = values.reshape(table.rows, *shape)
    return (
        _as_bytes(table, name, values, wanted) if wanted.dtype == "uint8" else values.astype(wanted.dtype, copy=False)
    )


def _own_steps(table: Table, name: str, wanted: FieldType, lacking: Sequence[str]) -> Ragged:
    """The values of a field of numbers with a length of its own, of rows that here are equally long."""
    _own_columns(table, name, 1, lacking, only=True)
    shape = tuple(wanted.shape or ())
    if name not in table.columns or table.types[name].kind != "number" or wanted.kind != "number":
        message = f"{table.place(0)}: the input `{name}` is {wanted}, and these are no such values"
        raise data_error("wrong-kind", message)
    refuse_not_finite(table, name)
    column = table.columns[name]
    if column.ndim == 2 and shape[1:] == (1,):
        column = column[..., None]
    if column.ndim != 1 + len(shape) or column.shape[2:] != shape[1:]:
        given = show_shape(table.columns[name].shape[1:])
        message = f"{table.place(0)}: `{name}` has the shape {given}, and the network reads {show_shape(shape)}"
        raise data_error("wrong-shape", message)
    return even_rows(column.astype(wanted.dtype))


def _own_columns(table: Table, name: str, count: int, lacking: Sequence[str], only: bool) -> list[str]:
    """The columns that hold the values of a field itself."""
    numbered = [f"{name}.{i}" for i in range(count)]
    if name in table.columns:
        return [name]
    if all(column in table.columns for column in numbered):
        return numbered
    if only and len(table.columns) == count and all(column.ndim == 1 for column in table.columns.values()):
        return list(table.columns)
    there = ", ".join(f"`{shown(column)}`" for column in list(table.columns)[:12])
    notes = [f"it has {there}"] if there else []
    own = f"a column `{name}`" if count == 1 else f"columns `{name}.0` to `{name}.{count - 1}`"
    if count > 1 and name not in lacking:  # there the name is that of a raw column
        own += f", or lists `{name}` in JSON"
    if not lacking:
        message = f"there are no values for the field `{name}` in {table.origin}"
        raise data_error("unknown-column", message, notes=notes, helps=[f"give {own}"])
    missing = listed(f"`{shown(column)}`" for column in lacking)
    message = f"there is no column {missing} in {table.origin}, of which the field `{name}` is made"
    near = suggestion(lacking[0], table.columns)
    helps = [f"did you mean `{near}`?"] if near else [f"give {'it' if len(lacking) == 1 else 'them'}, or {own}"]
    raise data_error("unknown-column", message, notes=notes, helps=helps)


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
