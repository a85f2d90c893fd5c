"""Pairs of texts of small tasks, for networks that make one text of another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, TypeAlias

import pydantic

from netspec.data import fieldtype
from netspec.data.fieldtype import FieldType
from netspec.data.source import Source
from netspec.data.table import Place, Table, make_table
from netspec.data.text.lines import text_of_lines

if TYPE_CHECKING:
    from numpy.random import Generator

Task: TypeAlias = Literal["reverse", "add", "dates"]

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ORDINALS: Final = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth",
    "twentieth", "twenty-first", "twenty-second", "twenty-third", "twenty-fourth", "twenty-fifth", "twenty-sixth",
    "twenty-seventh", "twenty-eighth", "twenty-ninth", "thirtieth", "thirty-first",
)  # fmt: skip
_FORMS: Final = (
    "{day} {month} {year}",
    "{month} {day}, {year}",
    "the {ordinal} of {month} {year}",
    "{month} the {ordinal}, {year}",
    "{weekday}, {day} {month} {year}",
    "{day}.{number}.{year}",
)
_FIRST_DAY: Final = date(1900, 1, 1)
_LAST_DAY: Final = date(2099, 12, 31)
_MOST: Final = 200_000
"""Fewer than half of the dates in words and of the sums that there are: other ones are soon drawn."""


class Rewriting(Source):
    """Pairs of a text and what it is to become: ``source`` and ``target``, as `pairs` has them.

    ``reverse`` turns 3 to 12 letters round, ``add`` writes the sum of two numbers below 1000, ``dates`` writes a date
    in words, of the years 1900 to 2099, as ``1987-05-03``. No source stands twice, so that what is set aside to test is
    never seen in training. All rows are in ``train``.

    Example:
        data:
          source: {rewriting: {task: dates, rows: 5000}}
          fields:
            question: {tokens: {of: source, unit: character}}
            answer: {tokens: {of: target, unit: character, end: true}}
            given: {shift: answer}
          split: {test: 0.1}
        network:
          inputs: {question: [S], given: [T]}
          output: [a, b]
          layers: [{dropout: {rate: 0.1, from: question, name: a}}, {dropout: {rate: 0.1, from: given, name: b}}]
    """

    kind: ClassVar[str] = "rewriting"
    comes_along: ClassVar[bool] = True
    task: Task = pydantic.Field(description="What is to be made.", json_schema_extra={"main": True})
    rows: Annotated[int, pydantic.Field(ge=1, le=_MOST)] = pydantic.Field(default=20_000, description="How many pairs.")
    seed: Annotated[int, pydantic.Field(ge=0)] = pydantic.Field(default=0, description="Another seed, other pairs.")

    def describe(self, base: Path) -> Mapping[str, FieldType]:
        return {"source": fieldtype.TEXT, "target": fieldtype.TEXT}

    def sizes(self) -> Mapping[str, int]:
        return {"train": self.rows}

    def rows_to_predict(self, path: Path) -> Table:
        return text_of_lines(path, "utf-8", self.kind, "source")

    def open(self, base: Path, *, offline: bool = False) -> Table:
        import numpy as np

        generator = np.random.Generator(np.random.PCG64(self.seed))
        pairs: dict[str, str] = {}
        while len(pairs) < self.rows:
            source, target = _TASKS[self.task](generator)
            pairs[source] = target
        sides = {"source": list(pairs), "target": list(pairs.values())}
        columns = {name: np.array(side, dtype=object) for name, side in sides.items()}
        place = Place(f"the pairs of seed {self.seed}", 0)
        return make_table(columns, self.describe(base), places=(place,), origin=place.file)


def _reverse(generator: Generator) -> tuple[str, str]:
    letters = generator.integers(len(_LETTERS), size=int(generator.integers(3, 13)))
    text = "".join(_LETTERS[i] for i in letters.tolist())
    return text, text[::-1]


def _add(generator: Generator) -> tuple[str, str]:
    # As many numbers of one digit as of three: all the same they are few, and are soon drawn again.
    a, b = (int(generator.integers(10 ** int(generator.integers(1, 4)))) for _ in range(2))
    return f"{a}+{b}", str(a + b)


def _date(generator: Generator) -> tuple[str, str]:
    day = _FIRST_DAY + timedelta(int(generator.integers((_LAST_DAY - _FIRST_DAY).days + 1)))
    form = _FORMS[int(generator.integers(len(_FORMS)))]
    text = form.format(
        day=day.day, month=_MONTHS[day.month - 1], number=day.month, year=day.year, ordinal=_ORDINALS[day.day - 1],
        weekday=_DAYS[day.weekday()],
    )  # fmt: skip
    return text, day.isoformat()


_TASKS: Final[Mapping[Task, Callable[[Generator], tuple[str, str]]]] = {
    "reverse": _reverse,
    "add": _add,
    "dates": _date,
}
