"""Tables of text: comma-separated values and their kin."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, Self, TypeAlias

import pydantic

from netspec.data import fieldtype
from netspec.data.faults import data_error, unreadable
from netspec.data.paths import FilePaths, find_files
from netspec.data.source import Source
from netspec.data.stacking import Sheet, stack
from netspec.data.table import Place, Table, make_table
from netspec.declared import Items

if TYPE_CHECKING:
    from netspec.data.table import Array

_MOST_COLUMNS: Final = 10_000


def _one_character(text: str) -> str:
    if len(text) != 1:
        raise ValueError(f"it is one character, got {len(text)}")
    return text


Character: TypeAlias = Annotated[str, pydantic.AfterValidator(_one_character)]


class Csv(Source):
    """Columns of CSV files: by default UTF-8, commas, quotes as in spreadsheets, names in the first line.

    A column whose cells are all numbers or empty is a number, any other is text. Several files follow each other and
    need the same columns, in any order.

    Example:
        ``{csv: {path: wine.csv, delimiter: ";", header: false, columns: [kind, alcohol, ash], missing: ["?", NA]}}``
    """

    kind: ClassVar[str] = "csv"
    scalar_columns: ClassVar[bool] = True
    path: FilePaths = pydantic.Field(
        description="A file, a pattern, a list of them, or `{train: ..., test: ...}`.", json_schema_extra={"main": True}
    )
    delimiter: Character = pydantic.Field(default=",", description='What stands between cells; a tab is `"\\t"`.')
    quote: Literal["none"] | Character = pydantic.Field(
        default='"', description="What encloses a cell that holds delimiters or line breaks; or `none`."
    )
    header: bool = pydantic.Field(default=True, description="Whether the first line names the columns.")
    columns: Annotated[Items[str], pydantic.Field(min_length=1)] | None = pydantic.Field(
        default=None, description="The names of all columns, where `header` is false; by default `c1`, `c2`, ..."
    )
    encoding: str = pydantic.Field(default="utf-8", description="How text is encoded, by Python's name for it.")
    missing: str | Items[str] = pydantic.Field(
        default=(), description='How a missing cell is written, beside the empty one: `"?"`, or a list of such.'
    )

    @pydantic.field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str) -> str:
        try:
            codecs.lookup(encoding)
        except LookupError:
            raise ValueError(f"there is no encoding `{encoding}`") from None
        return encoding

    @pydantic.model_validator(mode="after")
    def _has_one_name_each(self) -> Self:
        if self.columns is not None and self.header:
            raise ValueError("`columns` names the columns of a file without a header: add `header: false`")
        if self.columns is not None and len(set(self.columns)) != len(self.columns):
            raise ValueError("`columns` names one column twice")
        if self.delimiter == self.quote:
            raise ValueError("`delimiter` and `quote` cannot be the same")
        return self

    def describe(self, base: Path) -> None:
        return None

    def open(self, base: Path, *, offline: bool = False) -> Table:
        whole = stack(find_files(self.path, base), lambda path: read_csv(path, self))
        return table_of_cells(whole.columns, splits=whole.splits, places=whole.places, origin=whole.origin)


def read_csv(path: Path, form: Csv | None = None) -> Sheet:
    """The cells of one file, stripped of blanks around them, empty where a value is missing.

    Args:
        path: the file.
        form: how it is written; by default as `Csv` has it.

    Raises:
        DataError: if it is in another encoding, has no header, names a column twice, or a row has another number of
            cells.
    """
    import numpy as np

    form = form or Csv(path=str(path))
    header, rows, lines = _Reading(path, form).cells()
    if not rows:
        raise data_error("no-rows", f"{path.name} has no rows" + (" below its header" if form.header else ""))
    missing = {form.missing} if isinstance(form.missing, str) else set(form.missing)
    columns = {}
    for name, column in zip(header, zip(*rows, strict=True), strict=True):
        stripped = [cell.strip() for cell in column]
        columns[name] = np.array(["" if cell in missing else cell for cell in stripped], dtype=object)
    return Sheet(path.name, columns, np.asarray(lines, dtype=np.int64))


def read_rows_as(path: Path, form: Csv) -> Sheet:
    """As `read_csv`, of rows to predict: where training data have no header, these may have one all the same."""
    if not form.header:
        begin = _Reading(path, form).first()
        known = form.columns or tuple(f"c{i + 1}" for i in range(_MOST_COLUMNS))
        if begin and set(begin) <= set(known):
            form = form.model_copy(update={"header": True, "columns": None})
    return read_csv(path, form)


class _Reading:
    """One file while it is read."""

    def __init__(self, path: Path, form: Csv) -> None:
        self.path, self.form = path, form
        self.encoding = "utf-8-sig" if codecs.lookup(form.encoding).name == "utf-8" else form.encoding

    def cells(self) -> tuple[tuple[str, ...], list[list[str]], list[int]]:
        """The columns' names, the rows, and the line that each row ends on."""
        rows: list[list[str]] = []
        lines: list[int] = []
        header: tuple[str, ...] | None = None
        for row, line in self._records():
            if header is None:
                header = self._header(row) if self.form.header else self._names(len(row))
                if self.form.header:
                    continue
            if len(row) != len(header):
                raise self._ragged(row, line, len(header))
            rows.append(row)
            lines.append(line)
        if header is None:
            raise data_error("no-rows", f"{self.path.name} is empty")
        return header, rows, lines

    def first(self) -> list[str]:
        """The cells of the first line."""
        return [cell.strip() for cell in next(self._records(), ([], 0))[0]]

    def _records(self) -> Iterator[tuple[list[str], int]]:
        import csv

        form, reader = self.form, None
        try:
            with self.path.open(encoding=self.encoding, newline="") as file:
                if form.quote == "none":
                    reader = csv.reader(file, strict=True, delimiter=form.delimiter, quoting=csv.QUOTE_NONE)
                else:
                    reader = csv.reader(file, strict=True, delimiter=form.delimiter, quotechar=form.quote)
                yield from ((row, reader.line_num) for row in reader if row)
        except OSError as error:
            raise unreadable(self.path, error) from None
        except csv.Error as error:
            line = reader.line_num if reader else 1
            raise data_error("bad-csv", f"{self.path.name}, line {line}: {error}") from None
        except UnicodeError:
            raise self._wrong_encoding() from None

    def _header(self, cells: Sequence[str]) -> tuple[str, ...]:
        header, name = tuple(cell.strip() for cell in cells), self.path.name
        if parse_numbers(header) is not None:
            message = f"{name} has no header: its first line holds only numbers"
            helps = ["put a line with the names of the columns first", "or say so: `csv: {header: false, ...}`"]
            raise data_error("no-header", message, helps=helps)
        for column in header:
            if not column:
                place = header.index(column) + 1
                raise data_error("no-header", f"{name}: column {place} has no name in the first line")
            if header.count(column) > 1:
                raise data_error("duplicate-column", f"{name} has two columns `{column}`")
        return header

    def _names(self, count: int) -> tuple[str, ...]:
        return self.form.columns or tuple(f"c{i + 1}" for i in range(count))

    def _ragged(self, row: Sequence[str], line: int, count: int) -> Exception:
        import json

        form = self.form
        what = "the header names" if form.header else "`columns` names" if form.columns else "the first row has"
        message = f"{self.path.name}, line {line}: {len(row)} cells, and {what} {count} columns"
        found = next((c for c in ";\t|," if c != form.delimiter and any(c in cell for cell in row)), None)
        helps = ["a cell that holds a delimiter stands in quotes"]
        if found:
            helps.append(f"if cells are separated by {found!r}, say so: `csv: {{delimiter: {json.dumps(found)}}}`")
        return data_error("ragged-row", message, helps=helps)

    def _wrong_encoding(self) -> Exception:
        """What cannot be decoded, with its line: a second reading, as the first one is ahead of the lines it gives."""
        content = self.path.read_bytes()
        line = ""
        try:
            content.decode(self.encoding)
        except UnicodeDecodeError as error:
            line = f" in line {content[: error.start].count(10) + 1}: {error.reason}"
        except UnicodeError as error:
            line = f": {error}"
        code, name = ("not-utf8", "UTF-8") if self.encoding == "utf-8-sig" else ("wrong-encoding", self.form.encoding)
        helps = ["save the file as UTF-8", "or name its encoding, as in `csv: {encoding: latin-1}`"]
        return data_error(code, f"{self.path.name} is not {name}{line}", helps=helps)


def table_of_cells(
    cells: Mapping[str, Array], *, splits: Mapping[str, range] | None = None, places: tuple[Place, ...], origin: str
) -> Table:
    """A table of text cells: numbers where every cell that is not empty is one, NaN for the empty ones."""
    import numpy as np

    columns: dict[str, Array] = {}
    types = {}
    for name, column in cells.items():
        numbers = parse_numbers(column.tolist())
        columns[name] = column if numbers is None else np.array(numbers)
        types[name] = fieldtype.TEXT if numbers is None else fieldtype.number()
    return make_table(columns, types, splits=splits, places=places, origin=origin)


def parse_number(cell: str) -> float | None:
    """The number that a cell is, if it is one; what Python allows beyond spreadsheets (``1_000``) is none."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def parse_numbers(cells: Sequence[str]) -> list[float] | None:
    """The cells as numbers, empty ones as NaN; None if one is something else or all are empty."""
    try:
        numbers = [float(cell) if cell else float("nan") for cell in cells]
    except ValueError:
        return None
    return None if any("_" in cell for cell in cells) or not any(cells) else numbers
