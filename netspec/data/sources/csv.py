"""Comma-separated tables with a header."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TextIO

import pydantic

from netspec.data import fieldtype
from netspec.data.faults import data_error, unreadable
from netspec.data.paths import FilePaths, find_files
from netspec.data.source import Source
from netspec.data.table import Place, Table, make_table

if TYPE_CHECKING:
    from netspec.data.table import Array


class Csv(Source):
    """Columns of CSV files: UTF-8, commas, quotes as in spreadsheets, names in the first line.

    A column whose cells are all numbers or empty is a number, any other is text. Several files follow each other and
    need the same columns, in any order.
    """

    kind: ClassVar[str] = "csv"
    scalar_columns: ClassVar[bool] = True
    path: FilePaths = pydantic.Field(
        description="A file, a pattern, a list of them, or `{train: ..., test: ...}`.", json_schema_extra={"main": True}
    )

    def describe(self, base: Path) -> None:
        return None

    def open(self, base: Path, *, offline: bool = False) -> Table:
        by_split = find_files(self.path, base)
        sheets = [(split, read_csv(path)) for split, paths in by_split.items() for path in paths]
        header = sheets[0][1].header
        for _, sheet in sheets[1:]:
            if sorted(sheet.header) != sorted(header):
                odd = sorted(set(header) ^ set(sheet.header))
                message = (
                    f"{sheet.file} and {sheets[0][1].file} differ in their columns: {', '.join(f'`{c}`' for c in odd)}"
                )
                raise data_error("unequal-columns", message)
        cells = {name: [cell for _, sheet in sheets for cell in sheet.column(name)] for name in header}
        splits: dict[str, range] = {}
        places, start = [], 0
        for split, sheet in sheets:
            places.append(sheet.place(start))
            end = start + len(sheet.lines)
            splits[split] = range(splits[split].start if split in splits else start, end)
            start = end
        return table_of_cells(cells, splits=splits, places=tuple(places), origin=sheets[0][1].file)


@dataclass(frozen=True)
class Sheet:
    """One CSV file: cells stripped of blanks around them, and the line that each row ends on."""

    file: str
    header: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    lines: Sequence[int]

    def column(self, name: str) -> list[str]:
        index = self.header.index(name)
        return [row[index].strip() for row in self.rows]

    def place(self, first: int) -> Place:
        import numpy as np

        return Place(self.file, first, np.asarray(self.lines, dtype=np.int64))


def read_csv(path: Path) -> Sheet:
    """The cells of one file.

    Raises:
        DataError: if it is not UTF-8, has no header, names a column twice, or a row has another number of cells.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, rows, lines = _cells(path, file)
    except OSError as error:
        raise unreadable(path, error) from None
    if not rows:
        raise data_error("no-rows", f"{path.name} has no rows below its header")
    return Sheet(path.name, header, rows, lines)


def _cells(path: Path, file: TextIO) -> tuple[tuple[str, ...], list[list[str]], list[int]]:
    """Header, rows, and the line that each row ends on."""
    import csv

    rows: list[list[str]] = []
    lines: list[int] = []
    reader = csv.reader(file, strict=True)
    try:
        header = _header(path, next(reader, []))
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                place = f"{path.name}, line {reader.line_num}"
                message = f"{place}: {len(row)} cells, and the header names {len(header)} columns"
                raise data_error("ragged-row", message, helps=["a cell that holds a comma stands in double quotes"])
            rows.append(row)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise data_error("bad-csv", f"{path.name}, line {reader.line_num}: {error}") from None
    except UnicodeDecodeError as error:
        message = f"{path.name} is not UTF-8: {error.reason} after line {reader.line_num}"
        raise data_error("not-utf8", message, helps=["save the file as UTF-8"]) from None
    return header, rows, lines


def _header(path: Path, cells: Sequence[str]) -> tuple[str, ...]:
    header = tuple(cell.strip() for cell in cells)
    if not header:
        raise data_error("no-rows", f"{path.name} is empty")
    if parse_numbers(header) is not None:
        message = f"{path.name} has no header: its first line holds only numbers"
        raise data_error("no-header", message, helps=["put a line with the names of the columns first"])
    for name in header:
        if not name:
            raise data_error("no-header", f"{path.name}: column {header.index(name) + 1} has no name in the first line")
        if header.count(name) > 1:
            raise data_error("duplicate-column", f"{path.name} has two columns `{name}`")
    return header


def table_of_cells(
    cells: dict[str, list[str]], *, splits: dict[str, range] | None = None, places: tuple[Place, ...], origin: str
) -> Table:
    """A table of text cells: numbers where every cell that is not empty is one, NaN for the empty ones."""
    import numpy as np

    columns: dict[str, Array] = {}
    types = {}
    for name, column in cells.items():
        numbers = parse_numbers(column)
        columns[name] = np.array(column, dtype=object) if numbers is None else np.array(numbers)
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
