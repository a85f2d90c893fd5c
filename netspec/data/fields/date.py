"""Dates and times as numbers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from math import cos, pi, sin
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, TypeAlias

import pydantic

from netspec.data import fieldtype
from netspec.data.faults import data_error, shown
from netspec.data.field import Learnt, ScaledField, column_type
from netspec.data.fields.category import class_names, refuse_many_values, rows_without_class
from netspec.data.fieldtype import FieldType
from netspec.declared import Items

if TYPE_CHECKING:
    from netspec.data.table import Array, Pieces, Rows, Table

Part: TypeAlias = Literal["days", "year", "month", "day", "weekday", "hour", "year_cycle", "week_cycle", "day_cycle"]
_EPOCH: Final = datetime(1970, 1, 1)
_PARTS: Final[Mapping[str, Callable[[datetime], Sequence[float]]]] = {
    "days": lambda t: (_days(t),),
    "year": lambda t: (t.year,),
    "month": lambda t: (t.month,),
    "day": lambda t: (t.day,),
    "weekday": lambda t: (t.weekday(),),
    "hour": lambda t: (24 * _of_day(t),),
    "year_cycle": lambda t: _circle((_days(t) - _days(datetime(t.year, 1, 1))) / 365.2425),
    "week_cycle": lambda t: _circle((t.weekday() + _of_day(t)) / 7),
    "day_cycle": lambda t: _circle(_of_day(t)),
}


class Date(ScaledField):
    """Parts of a date or time, side by side; shape ``[n]``.

    ``days`` since 1970-01-01, with the fraction of the day; ``year``, ``month`` (1 to 12), ``day`` (of the month),
    ``weekday`` (0 is Monday), ``hour`` (with its fraction). A cycle is two numbers, the sine and cosine of how much of
    it has passed, so that its end lies beside its beginning. Times with a zone are taken in UTC.

    Example:
        {date: {of: sold, parts: [days, year_cycle], standardize: true}}

    Errors:
        not-a-date: a cell is not written as `format` says
        missing-value: a cell is empty; `missing: drop` leaves its row out
    """

    kind: ClassVar[str] = "date"
    of: str = pydantic.Field(description="The column that holds the date.", json_schema_extra={"main": True})
    parts: Annotated[Items[Part], pydantic.Field(min_length=1)] = pydantic.Field(
        default=("days",), description="Which numbers to make of it, in their order."
    )
    format: str | None = pydantic.Field(
        default=None,
        description="How it is written, as in Python's strptime (`%d.%m.%Y`); by default ISO 8601 (`2024-01-31`).",
        examples=["%d.%m.%Y"],
    )
    missing: Literal["error", "drop"] = pydantic.Field(
        default="error", description="Of a cell without a date: `error`, or `drop` the row from the data."
    )

    @property
    def drops(self) -> bool:
        return self.missing == "drop"

    def reads(self, known: Collection[str] | None) -> tuple[str, ...]:
        return (self.of,)

    def resolve(self, source: Mapping[str, FieldType] | None, unused: tuple[str, ...], scalar: bool) -> FieldType:
        if source is not None:
            refuse_many_values(column_type(source, self.of), self.of)
        return fieldtype.number(sum(len(_PARTS[part](_EPOCH)) for part in self.parts))

    def fit(self, table: Pieces, train: Rows, unused: tuple[str, ...]) -> Learnt:
        return Learnt(self.resolve(table.types, unused, True), (self.of,))

    def make(self, table: Table, learnt: Learnt) -> Array:
        import numpy as np

        rows = []
        for row, text in enumerate(class_names(table, self.of).tolist()):
            try:
                time = self._time(text)
            except ValueError:
                raise self._no_date(text, f"{table.place(row)}, column `{self.of}`") from None
            rows.append([number for part in self.parts for number in _PARTS[part](time)])
        return np.array(rows, dtype=np.float32)

    def dropped(self, table: Table, unused: tuple[str, ...]) -> Array | None:
        return rows_without_class(table, self.of) if self.drops else None

    def _time(self, text: str) -> datetime:
        time = datetime.strptime(text, self.format) if self.format else datetime.fromisoformat(text)
        return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time

    def _no_date(self, text: str, place: str) -> Exception:
        if not text:
            helps = ["fill the cell, or leave out such rows: `missing: drop`"]
            return data_error("missing-value", f"{place}: no value", helps=helps)
        wanted = f"a date written as `{self.format}`" if self.format else "a date of ISO 8601, as `2024-01-31`"
        helps = ["`format` says how dates are written, as in `%d.%m.%Y`"]
        return data_error("not-a-date", f"{place}: `{shown(text)}` is not {wanted}", helps=helps)


def _days(time: datetime) -> float:
    return (time - _EPOCH).total_seconds() / 86400


def _of_day(time: datetime) -> float:
    return (time.hour + (time.minute + (time.second + time.microsecond / 1e6) / 60) / 60) / 24


def _circle(share: float) -> tuple[float, float]:
    return sin(2 * pi * share), cos(2 * pi * share)
