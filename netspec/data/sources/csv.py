"""Tables of text: comma-separated values and their kin."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, Self, TypeAlias

import pydantic

from netspec.data.faults import data_error, shown, unreadable
from netspec.data.magic import HEAD, recognized, wrong_magic
from netspec.data.paths import FilePaths, find_files
from netspec.data.source import Source
from netspec.data.table import Table
from netspec.data.text.encoding import Encoding
from netspec.declared import Items

if TYPE_CHECKING:
    from netspec.data.streaming.streamed import Streamed, Wanted

_MOST_COLUMNS: Final = 10_000
_BLOCK: Final = 1 << 20
_MISSING: Final = float("nan")
_LONGEST_CELL: Final = 131_072
_WIDE: Final = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_DECIMAL_COMMA: Final = re.compile(r"[-+]?[0-9]*,[0-9]+([eE][-+]?[0-9]+)?")


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
        data:
          source: {csv: {path: wine.csv, delimiter: ";", missing: ["?", NA]}}
          fields:
            x: {number: {of: [alcohol, ash], missing: median, standardize: true}}
            kind: {category: {of: kind, classes: [barolo, grignolino, barbera]}}
        network:
          inputs: {x: [2]}
          layers: [{dense: 3}]
        loss: cross_entropy

    Errors:
        wrong-magic: the file is packed, a workbook, a web page or something else that is no text
        no-header: the first line is empty, or one of its columns has no name; without a header, say `header: false`
        duplicate-column: two columns have one name
        ragged-row: a line has more or fewer cells than the header; its number is told. Look for a delimiter in a cell
            that no quotes enclose
        bad-csv: a quote is opened and not closed, or a cell is too long
        not-utf8: the file is not in UTF-8, and `encoding` says nothing; the first line that shows it is told
        wrong-encoding: the file is not in the encoding that `encoding` says
        no-rows: there is nothing below the header
    """

    kind: ClassVar[str] = "csv"
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv")
    scalar_columns: ClassVar[bool] = True
    streams: ClassVar[bool] = True
    path: FilePaths = pydantic.Field(
        description="A file, a pattern, a list of them, or `{train: ..., test: ...}`.", json_schema_extra={"main": True}
    )
    delimiter: Character = pydantic.Field(default=",", description='What stands between cells; a tab is `"\\t"`.')
    quote: Literal["none"] | Character = pydantic.Field(
        default='"', description="What encloses a cell that holds delimiters or line breaks; or `none`."
    )
    header: bool = pydantic.Field(default=True, description="Whether the first line names the columns.")
    columns: Annotated[Items[str], pydantic.Field(min_length=1)] | None = pydantic.Field(
        default=None,
        description="The names of all columns, where `header` is false; by default `c1`, `c2`, ...",
        examples=[["sepal", "petal", "kind"]],
    )
    decimal: Literal[".", ","] = pydantic.Field(default=".", description="What stands before the decimals of a number.")
    encoding: Encoding = pydantic.Field(default="utf-8", description="How text is encoded, by Python's name for it.")
    missing: str | Items[str] = pydantic.Field(
        default=(), description='How a missing cell is written, beside the empty one: `"?"`, or a list of such.'
    )

    @pydantic.model_validator(mode="after")
    def _has_one_name_each(self) -> Self:
        if self.columns is not None and self.header:
            raise ValueError("`columns` names the columns of a file without a header: add `header: false`")
        if self.columns is not None and len(set(self.columns)) != len(self.columns):
            raise ValueError("`columns` names one column twice")
        if self.delimiter == self.quote:
            raise ValueError("`delimiter` and `quote` cannot be the same")
        if self.delimiter == self.decimal:
            raise ValueError("`delimiter` and `decimal` cannot be the same")
        return self

    @classmethod
    def of_file(cls, path: Path) -> Source:
        return cls(path=str(path), delimiter="\t" if path.suffix == ".tsv" else ",")

    def describe(self, base: Path) -> None:
        return None

    def open(self, base: Path, *, offline: bool = False) -> Table:
        from netspec.data.cells import table_of_csv

        return table_of_csv(find_files(self.path, base), self)

    def files(self, base: Path) -> tuple[Path, ...]:
        return tuple(path for paths in find_files(self.path, base).values() for path in paths)

    def stream(self, base: Path, folder: Path, wanted: Wanted) -> Streamed:
        from netspec.data.streaming.text import decode_csv

        return decode_csv(find_files(self.path, base), self, folder, wanted)

    def advice(self, table: Table, code: str) -> tuple[str, ...]:
        names = list(table.types)
        if code == "text-in-number":
            return ('what stands for a missing number is named in the source: `csv: {missing: [NA, "?"]}`',)
        if code == "unknown-column" and self.header:
            if len(names) == 1 and (found := _other_delimiter(names, self.delimiter)):
                return (_say_delimiter(found),)
            if any(parse_number(name) is not None for name in names):
                return ("if the first line is a row and no header, say so: `csv: {header: false}`",)
        return ()


def form_of_rows(path: Path, form: Csv) -> Csv:
    """How rows to predict are written: where training data have no header, these may have one all the same."""
    if not form.header:
        begin = Reading(path, form).first()
        known = form.columns or tuple(f"c{i + 1}" for i in range(_MOST_COLUMNS))
        if begin and set(begin) <= set(known):
            return form.model_copy(update={"header": True, "columns": None})
    return form


@dataclass(frozen=True)
class Part:
    """Some rows of a file, as text, with the lines that they end on."""

    names: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    lines: Sequence[int]
    form: Csv

    @cached_property
    def _columns(self) -> dict[str, tuple[str, ...]]:
        return dict(zip(self.names, zip(*self.rows, strict=True), strict=True))

    def cells(self, name: str) -> list[str]:
        """A column, stripped of blanks around its cells, empty where a value is missing."""
        found = list(map(str.strip, self._columns[name]))
        if self.form.decimal == ",":
            found = [cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else cell for cell in found]
        missing = (self.form.missing,) if isinstance(self.form.missing, str) else self.form.missing
        return ["" if cell in missing else cell for cell in found] if missing else found


class Reading:
    """One file while it is read."""

    def __init__(self, path: Path, form: Csv) -> None:
        self.path, self.form = path, form
        self.encoding = "utf-8-sig" if codecs.lookup(form.encoding).name == "utf-8" else form.encoding

    def parts(self, cells: int | None = None) -> Iterator[Part]:
        """The rows in parts of about so many cells; by default all in one.

        Raises:
            DataError: if it is in another encoding, has no header or no rows, names a column twice, or a row has
                another number of cells.
        """
        form = self.form
        rows: list[list[str]] = []
        lines: list[int] = []
        header: tuple[str, ...] | None = None
        most, are_any = 0, False
        for row, line in self._records():
            if header is None:
                header = self._header(row) if form.header else self._names(len(row))
                most = max(1, cells // len(header)) if cells else 0
                if form.header:
                    continue
            if len(row) != len(header):
                raise self._ragged(row, line, len(header))
            rows.append(row)
            lines.append(line)
            are_any = True
            if len(rows) == most:
                yield Part(header, rows, lines, form)
                rows, lines = [], []
        if header is None:
            raise data_error("no-rows", f"{self.path.name} is empty")
        if not are_any:
            raise data_error("no-rows", f"{self.path.name} has no rows" + (" below its header" if form.header else ""))
        if rows:
            yield Part(header, rows, lines, form)

    def first(self) -> list[str]:
        """The cells of the first line."""
        return [cell.strip() for cell in next(self._records(), ([], 0))[0]]

    def _records(self) -> Iterator[tuple[list[str], int]]:
        import csv

        form, last = self.form, 0
        try:
            self._refuse_other_formats()
            with self.path.open(encoding=self.encoding, newline="") as file:
                if form.quote == "none":
                    reader = csv.reader(file, strict=True, delimiter=form.delimiter, quoting=csv.QUOTE_NONE)
                else:
                    reader = csv.reader(file, strict=True, delimiter=form.delimiter, quotechar=form.quote)
                for row in reader:
                    last = reader.line_num
                    if row:
                        yield row, last
        except OSError as error:
            raise unreadable(self.path, error) from None
        except csv.Error as error:
            raise self._bad_quoting(last + 1, str(error)) from None
        except UnicodeError:
            raise self._wrong_encoding() from None

    def _refuse_other_formats(self) -> None:
        """Tell what is no text by its first bytes, before its bytes are told as cells or a wrong encoding."""
        with self.path.open("rb") as file:
            begin = file.read(HEAD)
        if recognized(begin):
            raise wrong_magic(self.path, "CSV file", begin)
        wide = _wide_encoding(begin)
        if wide and self.encoding in ("utf-8-sig", "ascii"):
            helps = ["save the file as UTF-8", f"or name its encoding: `csv: {{encoding: {wide}}}`"]
            raise data_error("not-utf8", f"{self.path.name} is not UTF-8, and looks like {wide}", helps=helps)

    def _bad_quoting(self, line: int, words: str) -> Exception:
        place = f"{self.path.name}, line {line}"
        helps = ["a quote inside a quoted cell is doubled", "or cells are not quoted at all: `csv: {quote: none}`"]
        if "unexpected end of data" in words:
            return data_error("bad-csv", f"{place}: a quoted cell begins here and never ends", helps=helps)
        if "field limit" in words:
            helps = ["a quote that is never closed swallows the lines after it", *helps]
            return data_error("bad-csv", f"{place}: a cell is longer than {_LONGEST_CELL:,} characters", helps=helps)
        return data_error("bad-csv", f"{place}: {words}", helps=helps)

    def _header(self, cells: Sequence[str]) -> tuple[str, ...]:
        header, name = tuple(cell.strip() for cell in cells), self.path.name
        if parse_numbers(header) is not None:
            message = f"{name} has no header: its first line holds only numbers"
            helps = ["put a line with the names of the columns first", "or say so: `csv: {header: false, ...}`"]
            raise data_error("no-header", message, helps=helps)
        for column in header:
            if not column:
                place = header.index(column) + 1
                helps = ["give it a name there"]
                if place == 1:
                    helps = ["a table of pandas is written with its index unless `to_csv(..., index=False)`", *helps]
                elif place == len(header):
                    helps = ["the line ends with a delimiter: take it away", *helps]
                raise data_error("no-header", f"{name}, line 1: column {place} has no name", helps=helps)
            if header.count(column) > 1:
                first = header.index(column)
                both = f"{first + 1} and {header.index(column, first + 1) + 1}"
                raise data_error(
                    "duplicate-column", f"{name}, line 1: columns {both} are both called `{shown(column)}`"
                )
        return header

    def _names(self, count: int) -> tuple[str, ...]:
        return self.form.columns or tuple(f"c{i + 1}" for i in range(count))

    def _ragged(self, row: Sequence[str], line: int, count: int) -> Exception:
        form = self.form
        what = "the header names" if form.header else "`columns` names" if form.columns else "the first row has"
        cells = f"{len(row)} cell{'s' * (len(row) != 1)}"
        columns = f"{count} column{'s' * (count != 1)}"
        message = f"{self.path.name}, line {line}: {cells}, and {what} {columns}"
        helps = ["a cell that holds a delimiter stands in quotes"]
        if found := _other_delimiter(row, form.delimiter):
            helps.append(_say_delimiter(found))
        return data_error("ragged-row", message, helps=helps)

    def _wrong_encoding(self) -> Exception:
        """What cannot be decoded, with its line: a second reading, as the first one is ahead of the lines it gives."""
        decoder, lines, where = codecs.getincrementaldecoder(self.encoding)(), 1, ""
        with self.path.open("rb") as file:
            try:
                while block := file.read(_BLOCK):
                    lines += decoder.decode(block).count("\n")
                decoder.decode(b"", final=True)
            except UnicodeDecodeError as error:
                lines += error.object[: error.start].count(b"\n")
                where = f" in line {lines}: {error.reason}"
            except UnicodeError as error:
                where = f": {error}"
        code, name = ("not-utf8", "UTF-8") if self.encoding == "utf-8-sig" else ("wrong-encoding", self.form.encoding)
        helps = ["save the file as UTF-8", "or name its encoding, as in `csv: {encoding: latin-1}`"]
        return data_error(code, f"{self.path.name} is not {name}{where}", helps=helps)


def _wide_encoding(begin: bytes) -> str | None:
    """UTF-16 or UTF-32, where the first bytes of a file show it by their mark or by every other byte being 0."""
    for mark, name in _WIDE.items():
        if begin.startswith(mark):
            return name
    halves = begin[0::2], begin[1::2]
    zeros = [half.count(0) / max(1, len(half)) for half in halves]
    return "utf-16-le" if zeros[1] > 0.9 > zeros[0] else "utf-16-be" if zeros[0] > 0.9 > zeros[1] else None


def _other_delimiter(cells: Sequence[str], delimiter: str) -> str | None:
    """What may separate cells, where ``delimiter`` does not."""
    return next((c for c in ";\t|," if c != delimiter and any(c in cell for cell in cells)), None)


def _say_delimiter(found: str) -> str:
    import json

    return f"if cells are separated by {found!r}, say so: `csv: {{delimiter: {json.dumps(found)}}}`"


def parse_number(cell: str) -> float | None:
    """The number that a cell is, if it is one; what Python allows beyond spreadsheets (``1_000``) is none."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def parse_numbers(cells: Sequence[str]) -> list[float] | None:
    """The cells as numbers, empty ones as NaN; None if one is something else or all are empty."""
    return numbers_or_missing(cells) if any(cells) else None


def numbers_or_missing(cells: Sequence[str]) -> list[float] | None:
    """The cells as numbers, empty ones as NaN; None if one is something else."""
    try:
        # Most columns lack nothing: without the question for each cell this takes two thirds of the time.
        numbers = list(map(float, cells)) if all(cells) else [float(cell) if cell else _MISSING for cell in cells]
    except ValueError:
        return None
    return None if "_" in "".join(cells) else numbers
