"""Cells without a value: what stands in their place, fitted on the training rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import pydantic

from netspec.data import fieldtype
from netspec.data.faults import data_error
from netspec.declared import Declared

if TYPE_CHECKING:
    from netspec.data.table import Array, Pieces, Rows, Table


class ConstantNumber(Declared):
    """One number for every missing cell."""

    constant: float = pydantic.Field(description="What stands in for a missing number.")


class ConstantName(Declared):
    """One class for every missing cell."""

    constant: str | int = pydantic.Field(description="The class of rows without one.")


NumberRule: TypeAlias = Literal["error", "drop", "mean", "median", "most_frequent"] | ConstantNumber
NameRule: TypeAlias = Literal["error", "drop", "most_frequent"] | ConstantName
Fill: TypeAlias = float | str

MOST_NUMBERS: Final = 1 << 21
"""How many different numbers of a column are counted where it is not in memory: 32 MB of them."""


def without_number(table: Table, name: str) -> Array:
    """Which rows have no number in a column, ``bool[rows]``."""
    import numpy as np

    column = table.columns[name]
    if column.dtype == object:
        return np.array([not cell for cell in column.tolist()], dtype=bool)
    if column.dtype.kind != "f":
        return np.zeros(len(column), dtype=bool)
    missing: Array = np.isnan(column.reshape(len(column), -1))
    return np.asarray(missing.any(axis=1))


def fit_numbers(table: Pieces, names: Iterable[str], train: Rows, rule: NumberRule) -> dict[str, Fill]:
    """What stands in for the missing cells of each column; nothing where the rule fills none.

    Raises:
        DataError: if a column has no number in any training row, or a list of them in every row.
    """
    if rule in ("error", "drop"):
        return {}
    fills: dict[str, Fill] = {}
    for name in names:
        type_ = table.types[name]
        if type_.shape not in ((), (1,)):
            raise data_error("wrong-kind", f"`missing` fills single numbers, and `{name}` is {type_}")
        if isinstance(rule, ConstantNumber):
            fills[name] = float(rule.constant)
        else:
            known = (_known(piece, name, rows) for piece, rows in table.pieces(train, name))
            found = None if type_.kind == "text" else _mean(known) if rule == "mean" else _counted(known, name, rule)
            if found is None:
                raise _nothing_to_fit(name)
            fills[name] = found
    return fills


def _known(table: Table, name: str, rows: Array) -> Array:
    """The numbers of some rows, without those that are missing."""
    import numpy as np

    values: Array = table.columns[name][rows[~without_number(table, name)[rows]]].astype(np.float64).reshape(-1)
    return values


def _mean(parts: Iterable[Array]) -> float | None:
    total, count = 0.0, 0
    for part in parts:
        total, count = total + float(part.sum()), count + len(part)
    return total / count if count else None


def _counted(parts: Iterable[Array], name: str, rule: str) -> float | None:
    """The median or the most frequent of numbers, from how often each of them stands there.

    Raises:
        DataError: if more numbers differ than can be counted, where they come in several parts.
    """
    import numpy as np

    numbers, counts = np.empty(0), np.empty(0, np.int64)
    for part in parts:
        new, often = np.unique(part, return_counts=True)
        if len(numbers) and len(new):
            numbers, where = np.unique(np.concatenate([numbers, new]), return_inverse=True)
            counts = np.bincount(where, np.concatenate([counts, often])).astype(np.int64)
            if len(numbers) > MOST_NUMBERS:
                raise _too_many_numbers(name, rule)
        elif len(new):
            numbers, counts = new, often
    if not len(numbers):
        return None
    if rule == "most_frequent":
        return float(numbers[np.argmax(counts)])
    ends = np.cumsum(counts)
    middles = numbers[np.searchsorted(ends, [(ends[-1] - 1) // 2, ends[-1] // 2], side="right")]
    return float((middles[0] + middles[1]) / 2)


def _too_many_numbers(name: str, rule: str) -> Exception:
    message = f"`missing: {rule}` counts the numbers of `{name}`, and more than {MOST_NUMBERS:,} of them differ"
    helps = ["fill with `mean` or a constant where data are streamed", "or read them into memory: no `stream`"]
    return data_error("cannot-stream", message, helps=helps)


def fill_numbers(table: Table, fills: Mapping[str, Fill]) -> Table:
    """The table with numbers in the place of missing ones."""
    import numpy as np

    columns, types = dict(table.columns), dict(table.types)
    for name, value in fills.items():
        column = columns[name]
        if column.dtype == object and not any(column.tolist()):
            columns[name], types[name] = np.full(len(column), value, dtype=np.float64), fieldtype.number()
        elif column.dtype.kind == "f":
            columns[name] = np.where(np.isnan(column), value, column)
    return replace(table, columns=columns, types=types)


def fit_name(names: Mapping[str, int], column: str, rule: NameRule | str) -> str | None:
    """The class that stands in for a missing one; None where the rule fills none.

    Args:
        names: how often each class stands in the training rows, empty where one is missing.
        column: where they stand, for messages.
        rule: as the spec says.
    """
    if isinstance(rule, ConstantName):
        return str(rule.constant)
    if rule != "most_frequent":
        return None
    counts = {name: count for name, count in names.items() if name}
    if not counts:
        raise _nothing_to_fit(column)
    return min(counts, key=lambda name: (-counts[name], name))


def fill_names(names: Array, value: Fill | None) -> Array:
    """Names of classes with ``value`` in the place of missing ones, if there is a value."""
    import numpy as np

    return names if value is None else np.array([name or value for name in names.tolist()], dtype=object)


def _nothing_to_fit(name: str) -> Exception:
    return data_error("missing-value", f"the column `{name}` has no value in any training row to learn from")
