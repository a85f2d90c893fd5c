"""Cells without a value: what stands in their place, fitted on the training rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import pydantic

from netspec.data import fieldtype
from netspec.data.faults import data_error
from netspec.declared import Declared

if TYPE_CHECKING:
    from netspec.data.table import Array, Table


class ConstantNumber(Declared):
    """One number for every missing cell."""

    constant: float = pydantic.Field(description="What stands in for a missing number.")


class ConstantName(Declared):
    """One class for every missing cell."""

    constant: str | int = pydantic.Field(description="The class of rows without one.")


NumberRule: TypeAlias = Literal["error", "drop", "mean", "median", "most_frequent"] | ConstantNumber
NameRule: TypeAlias = Literal["error", "drop", "most_frequent"] | ConstantName
Fill: TypeAlias = float | str


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


def fit_numbers(table: Table, names: Iterable[str], train: Array, rule: NumberRule) -> dict[str, Fill]:
    """What stands in for the missing cells of each column; nothing where the rule fills none.

    Raises:
        DataError: if a column has no number in any training row, or a list of them in every row.
    """
    import numpy as np

    if rule in ("error", "drop"):
        return {}
    fills: dict[str, Fill] = {}
    for name in names:
        column = table.columns[name]
        if column.ndim > 1 and column.shape[1:] != (1,):
            raise data_error("wrong-kind", f"`missing` fills single numbers, and `{name}` is {table.types[name]}")
        if isinstance(rule, ConstantNumber):
            fills[name] = float(rule.constant)
            continue
        known = train[~without_number(table, name)[train]]
        if not len(known) or column.dtype == object:
            raise _nothing_to_fit(name)
        values = column[known].astype(np.float64)
        if rule == "most_frequent":
            numbers, counts = np.unique(values, return_counts=True)
            fills[name] = float(numbers[np.argmax(counts)])
        else:
            fills[name] = float(values.mean() if rule == "mean" else np.median(values))
    return fills


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


def fit_name(names: Array, column: str, rule: NameRule | str) -> str | None:
    """The class that stands in for a missing one; None where the rule fills none.

    Args:
        names: the classes of the training rows, empty where one is missing.
        column: where they stand, for messages.
        rule: as the spec says.
    """
    if isinstance(rule, ConstantName):
        return str(rule.constant)
    if rule != "most_frequent":
        return None
    counts: dict[str, int] = {}
    for name in names.tolist():
        if name:
            counts[name] = counts.get(name, 0) + 1
    if not counts:
        raise _nothing_to_fit(column)
    return min(counts, key=lambda name: (-counts[name], name))


def fill_names(names: Array, value: Fill | None) -> Array:
    """Names of classes with ``value`` in the place of missing ones, if there is a value."""
    import numpy as np

    return names if value is None else np.array([name or value for name in names.tolist()], dtype=object)


def _nothing_to_fit(name: str) -> Exception:
    return data_error("missing-value", f"the column `{name}` has no value in any training row to learn from")
