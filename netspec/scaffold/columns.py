"""What the columns of a CSV file look like, and so what a network could make of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final, Literal, TypeAlias

from netspec.data.sources.csv import Csv, Part, Reading, numbers_or_missing
from netspec.diagnostics import DataError

_DELIMITERS: Final = (",", ";", "\t", "|")
_MISSING: Final = frozenset(["?", "NA", "N/A", "n/a", "na", "NaN", "nan", "null", "NULL", "None", "-", "."])
_LOOKED_AT: Final = 50_000
"""Rows by which columns are judged; a longer file is read so far."""
_MOST_CLASSES: Final = 20
"""Texts that are categories; more are names, or text to be read."""
_MOST_COUNTED: Final = 10
"""Whole numbers that may be classes."""

Role: TypeAlias = Literal["number", "category", "text", "constant", "counter", "empty"]


@dataclass(frozen=True)
class Column:
    """One column; ``values`` are how often each stands, missing ones apart."""

    name: str
    values: Mapping[str, int]
    missing: int
    numbers: bool
    rows: int

    @property
    def is_whole(self) -> bool:
        """Whether it holds whole numbers alone."""
        return self.numbers and all(float(value).is_integer() for value in self.values)

    @property
    def role(self) -> Role:
        """What it is as an input."""
        if not self.values:
            return "empty"
        if len(self.values) == 1:
            return "constant"
        if self.numbers:
            return "counter" if self._counts else "number"
        return "category" if len(self.values) <= min(_MOST_CLASSES, max(2, self.rows // 4)) else "text"

    @property
    def is_classes(self) -> bool:
        """Whether it is to be told by classes where it is the target: few texts, or few whole numbers."""
        if not self.numbers:
            return len(self.values) <= max(_MOST_CLASSES, self.rows // 50)
        return self.is_whole and len(self.values) <= _MOST_COUNTED and self.rows >= 5 * len(self.values)

    @property
    def classes(self) -> list[str | int]:
        """Its values, sorted as the field `category` does."""
        return sorted(int(float(value)) for value in self.values) if self.numbers else sorted(self.values)

    @property
    def _counts(self) -> bool:
        """Whether it only numbers the rows."""
        if len(self.values) < self.rows or not self.is_whole:
            return False
        found = [float(value) for value in self.values]
        return found == [found[0] + i for i in range(len(found))]


@dataclass(frozen=True)
class Sheet:
    """A CSV file: how it is written, and its columns."""

    path: Path
    form: Csv
    columns: tuple[Column, ...]
    rows: int
    is_whole: bool = True
    options: Mapping[str, object] = field(default_factory=dict)
    """What a spec has to say of its form."""

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)


def read_sheet(path: Path) -> Sheet:
    """Look at a CSV file.

    Raises:
        DataError: if it is no table of text; as training would tell it.
    """
    options: dict[str, object] = {}
    if (delimiter := _delimiter(path)) != ",":
        options["delimiter"] = delimiter
    form = Csv(path=str(path), delimiter=delimiter)
    first = [cell for cell in Reading(path, form).first() if cell]
    if first and numbers_or_missing(first) is not None:
        options["header"] = False
        form = form.model_copy(update={"header": False})
    part, is_whole = _head(path, form)
    if delimiter == ";" and _has_decimal_commas(part):
        options["decimal"] = ","
        form = form.model_copy(update={"decimal": ","})
    marks = sorted(set().union(*(_marks(part.cells(name)) for name in _part_of(part, form).names)))
    if marks:
        options["missing"] = marks
        form = form.model_copy(update={"missing": tuple(marks)})
    part = _part_of(part, form)
    columns = tuple(_column(name, part.cells(name)) for name in part.names)
    return Sheet(path, form, columns, len(part.rows), is_whole, options)


def _delimiter(path: Path) -> str:
    """What cuts the first line into most cells; quotes are at fault where another one cuts."""

    def cells(delimiter: str) -> int:
        try:
            return len(Reading(path, Csv(path=str(path), delimiter=delimiter)).first())
        except DataError:
            return 0

    return max(_DELIMITERS, key=cells)


def _head(path: Path, form: Csv) -> tuple[Part, bool]:
    """The rows that are looked at, and whether these are all."""
    rows: list[Sequence[str]] = []
    lines: list[int] = []
    names: tuple[str, ...] = ()
    for part in Reading(path, form).parts(cells=1 << 18):
        names = part.names
        room = _LOOKED_AT - len(rows)
        rows += islice(part.rows, room)
        lines += islice(part.lines, room)
        if room < len(part.rows):
            return Part(names, rows, lines, form), False
    return Part(names, rows, lines, form), True


def _part_of(part: Part, form: Csv) -> Part:
    return Part(part.names, part.rows, part.lines, form)


def _has_decimal_commas(part: Part) -> bool:
    """Whether more columns are numbers if commas stand before decimals."""
    other = _part_of(part, part.form.model_copy(update={"decimal": ","}))
    return _numeric(other) > _numeric(part)


def _numeric(part: Part) -> int:
    return sum(numbers_or_missing(part.cells(name)) is not None for name in part.names)


def _marks(cells: Sequence[str]) -> Iterator[str]:
    """What stands for a missing number in a column that holds numbers otherwise."""
    found = set(cells) & _MISSING
    rest = [cell for cell in cells if cell and cell not in found]
    if found and rest and numbers_or_missing(rest) is not None:
        yield from found


def _column(name: str, cells: Sequence[str]) -> Column:
    given = [cell for cell in cells if cell]
    numbers = bool(given) and numbers_or_missing(given) is not None
    return Column(name, Counter(given), len(cells) - len(given), numbers, len(cells))
