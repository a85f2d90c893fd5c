"""Raw rows as the network's inputs: what each field does to its columns, as the body of a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, TypeVar

from netspec.compiler.formula import FormulaError, parse
from netspec.data.field import Field
from netspec.data.fields.category import UNKNOWN, Category
from netspec.data.fields.date import Date
from netspec.data.fields.image import Image
from netspec.data.fields.number import Number
from netspec.data.fields.one_hot import OneHot
from netspec.data.fitting import FittedField
from netspec.data.sources.csv import Csv
from netspec.export.format import Model
from netspec.export.python.expressions import Text, Writer, listed, packed, quoted, unsupported

F = TypeVar("F", bound=Field)
Rule: TypeAlias = Callable[["Encode", str, F, FittedField], str]
_RULES: Final[dict[type[Field], Rule[Field]]] = {}

HELPERS: Final[Mapping[str, str]] = {
    "numbers": '''\
def numbers(rows, column, fill=None):
    """The numbers of a column in float64, `fill` where a cell is empty."""
    cells = [row[column] for row in rows]
    cells = [np.nan if cell is None or isinstance(cell, str) and cell.strip() in MISSING else cell for cell in cells]
    values = np.array(cells, np.float64)
    if fill is not None:
        values[np.isnan(values)] = fill
    if np.isnan(values).any():
        raise ValueError(f"a cell of the column {column} is empty")
    return values
''',
    "class_index": '''\
def class_index(cell, classes, fill=None, unseen=None):
    """Which of the classes a cell names; 1.0 and "1" are one class. `unseen` is the index of what is none of them."""
    text = "" if cell is None else str(cell).strip()
    if text not in classes:
        try:
            number = float(text)
            text = "" if number != number else str(int(number)) if number == int(number) else repr(number)
        except ValueError:
            pass
    if text == "" or text in MISSING:
        text = fill if fill is not None else ""
    if text not in classes and unseen is None:
        raise ValueError(f"`{cell}` is none of the classes {', '.join(classes)}")
    return classes.index(text) if text in classes else unseen
''',
    "own": '''\
def own(rows, name, shape, dtype):
    """The values of an input itself: a cell `name`, or cells `name.0`, `name.1`, ..., or all cells in their order."""
    def cells(row):
        if name in row:
            return np.array(row[name], np.float64).reshape(shape)
        first = f"{name}.0" in row
        flat = [row[f"{name}.{i}"] for i in range(int(np.prod(shape)))] if first else list(row.values())
        return np.array(flat, np.float64).reshape(shape)

    return np.stack([cells(row) for row in rows]).astype(dtype)
''',
    "date": '''\
def date(cell, format=None):
    """A date, in UTC without its zone."""
    text = str(cell).strip()
    time = datetime.datetime.strptime(text, format) if format else datetime.datetime.fromisoformat(text)
    return time.astimezone(datetime.timezone.utc).replace(tzinfo=None) if time.tzinfo else time


def days(time):
    """Days since 1970, with the fraction of the day."""
    return (time - datetime.datetime(1970, 1, 1)).total_seconds() / 86400


def of_day(time):
    """How much of the day has passed."""
    return days(time) % 1


def circle(share):
    """A point on the circle, so that the end of a cycle lies beside its beginning."""
    return [math.sin(2 * math.pi * share), math.cos(2 * math.pi * share)]
''',
}

_PARTS: Final[Mapping[str, str]] = {
    "days": "days(t)",
    "year": "t.year",
    "month": "t.month",
    "day": "t.day",
    "weekday": "t.weekday()",
    "hour": "24 * of_day(t)",
    "year_cycle": "*circle((days(t) - days(datetime.datetime(t.year, 1, 1))) / 365.2425)",
    "week_cycle": "*circle((t.weekday() + of_day(t)) / 7)",
    "day_cycle": "*circle(of_day(t))",
}


def _writes(kind: type[F]) -> Callable[[Rule[F]], Rule[F]]:
    """Register how fields of a kind are written."""

    def register(rule: Rule[F]) -> Rule[F]:
        _RULES[kind] = rule  # type: ignore[assignment]  # each rule is called with fields of its own kind
        return rule

    return register


class Encode:
    """Writes the inputs of a network; ``lines`` is the body, ``results`` the expression of each input."""

    def __init__(self, model: Model) -> None:
        self.model, self.writer = model, Writer()
        self.writer.taken |= {*HELPERS, "rows", "MISSING", "datetime"}
        self.helpers: dict[str, None] = {}
        self.results: dict[str, str] = {}
        self._columns: dict[tuple[str, float | str | None], Text] = {}

    @property
    def lines(self) -> list[str]:
        return self.writer.lines

    @property
    def missing(self) -> tuple[str, ...]:
        """How cells without a value are written in the source, beside the empty one."""
        data = self.model.document.data
        if data is None or not isinstance(data.source, Csv):
            return ()
        words = data.source.missing
        return (words,) if isinstance(words, str) else tuple(words)

    def write(self) -> Encode:
        """Write every input."""
        data = self.model.document.data
        fields = data.fields if data else {}
        for name in self.model.inputs:
            field, fitted = fields.get(name), self.model.fitted.fields[name]
            if field is None or not fitted.columns:
                text = self._own(name, fitted)
            elif type(field) in _RULES:
                text = _RULES[type(field)](self, name, field, fitted)
            else:
                raise unsupported(f"a field of the kind `{field.kind}`", name)
            self.results[name] = self.writer.assign(name, text).text
        return self

    def call(self, helper: str, *arguments: str) -> str:
        """A call of a helper, which then goes into the file."""
        self.helpers[helper] = None
        return f"{helper}({', '.join(arguments)})"

    def column(self, name: str, fitted: FittedField) -> Text:
        """The numbers of a column, once."""
        fill = fitted.fills.get(name)
        if (name, fill) not in self._columns:
            call = self.call("numbers", "rows", quoted(name), *([] if fill is None else [repr(fill)]))
            self._columns[name, fill] = self.writer.assign(name, call)
        return self._columns[name, fill]

    def classes(self, of: str, fitted: FittedField, unseen: str | None) -> str:
        """The index of the class of every row, as a list."""
        names = self.writer.assign(f"classes_of_{of}", listed(fitted.type.classes or ())).text
        fill = fitted.fills.get(of)
        more = [] if fill is None else [f"fill={quoted(str(fill))}"]
        more += [] if unseen is None else [f"unseen={unseen}"]
        return f"[{self.call('class_index', f'row[{quoted(of)}]', names, *more)} for row in rows]"

    def _own(self, name: str, fitted: FittedField) -> str:
        """A field of the source, taken as it is."""
        type_ = fitted.type
        if type_.kind == "category":
            return f"np.array({self.classes(name, fitted, None)}, np.{type_.dtype})"
        shape = repr(tuple(type_.shape or ()))
        return self.call("own", "rows", quoted(name), shape, f"np.{type_.dtype}")


@_writes(Number)
def _number(at: Encode, name: str, field: Number, fitted: FittedField) -> str:
    parts = []
    for part in fitted.columns:
        text = _part(at, part, fitted)
        parts.append(f"np.log({text})" if field.log else text)
    return f"np.column_stack({packed(parts)}).astype(np.float32)"


def _part(at: Encode, part: str, fitted: FittedField) -> str:
    """A column, or a formula of columns."""
    try:
        formula = parse(part)
    except FormulaError:
        return at.column(part, fitted).text
    if part.isidentifier():
        return at.column(part, fitted).text
    return at.writer.formula(formula, [at.column(column, fitted) for column in formula.inputs]).text


@_writes(Category)
def _category(at: Encode, name: str, field: Category, fitted: FittedField) -> str:
    classes = fitted.type.classes or ()
    unseen = str(classes.index(UNKNOWN)) if field.unseen == "unknown" and UNKNOWN in classes else None
    return f"np.array({at.classes(field.of, fitted, unseen)}, np.{fitted.type.dtype})"


@_writes(OneHot)
def _one_hot(at: Encode, name: str, field: OneHot, fitted: FittedField) -> str:
    count = len(fitted.type.classes or ())
    zeros = "zeros" in (field.unseen, field.missing)
    # One index past the classes is a row of zeros.
    eye = f"np.eye({count + 1}, {count}, dtype=np.float32)" if zeros else f"np.eye({count}, dtype=np.float32)"
    return f"{eye}[{at.classes(field.of, fitted, str(count) if zeros else None)}]"


@_writes(Date)
def _date(at: Encode, name: str, field: Date, fitted: FittedField) -> str:
    form = [quoted(field.format)] if field.format else []
    times = at.writer.assign("times", f"[{at.call('date', f'row[{quoted(field.of)}]', *form)} for row in rows]")
    parts = packed(_PARTS[part] for part in field.parts)
    return f"np.array([{parts} for t in {times.text}], np.float32)"


@_writes(Image)
def _image(at: Encode, name: str, field: Image, fitted: FittedField) -> str:
    shape = repr(tuple(fitted.type.shape or ()))
    return at.call("own", "rows", quoted(field.of), shape, f"np.{fitted.type.dtype}")
