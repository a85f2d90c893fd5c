"""What columns of data hold, in facts that a table or a program shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from netspec.data.fields.category import class_names
from netspec.data.text.vocabulary import MARKS
from netspec.tensortype import Size

if TYPE_CHECKING:
    from netspec.data.fieldtype import FieldType
    from netspec.data.ragged import Ragged
    from netspec.data.table import Array, Table

FIRST_ROWS: Final = 3
_MOST_PARTS: Final = 16
_MOST_CLASSES: Final = 100


def preview(table: Table, parts: Mapping[str, Sequence[str]] | None = None) -> dict[str, dict[str, Any]]:
    """The facts of every column; ``parts`` are names for its numbers side by side, where they have some.

    For each its type and shape, how many rows have no value, and the first rows; of numbers and pixels the least, the
    largest and the mean of what is there, and the same of each of a few numbers side by side (``parts``); of classes
    and text how often each value stands, the most frequent first; of tokens how often each is read, and of rows that
    differ in length how long they are.
    """
    there = (*table.columns, *table.ragged)
    return {name: _column(table, name, (parts or {}).get(name, ())) for name in table.types if name in there}


def _column(table: Table, name: str, parts: Sequence[str]) -> dict[str, Any]:
    type_ = table.types[name]
    facts: dict[str, Any] = {
        "type": type_.kind,
        "shape": None if type_.shape is None else [str(n) if isinstance(n, Size) else n for n in type_.shape],
    }
    if type_.size is not None and type_.kind == "index":
        facts["size"] = type_.size
    if name in table.ragged:
        return facts | _ragged(table.ragged[name], type_)
    column = table.columns[name]
    if type_.kind == "index" and type_.classes:
        return facts | _tokens(column.reshape(-1), type_.classes, column[:FIRST_ROWS].tolist())
    if column.dtype == object or type_.kind == "category":
        return facts | _counts(class_names(table, name))
    facts |= _measures(column)
    if column.ndim == 2 and 1 < column.shape[1] <= _MOST_PARTS:
        labels = type_.classes or parts
        labels = labels if len(labels) == column.shape[1] else [str(i) for i in range(column.shape[1])]
        facts["parts"] = {label: _measures(column[:, i]) for i, label in enumerate(labels)}
    return facts


def _ragged(column: Ragged, type_: FieldType) -> dict[str, Any]:
    """Of tokens how often each stands, of numbers their range; and of both how long the rows are."""
    import numpy as np

    lengths = {"lengths": _measures(column.lengths)} if type_.lengths else {}
    first = [column.row(row) for row in range(min(FIRST_ROWS, len(column)))]
    names = type_.classes or column.names
    if not names:
        read = column.values[np.flatnonzero(column.reads())]
        return _measures(read) | {"first": []} | lengths
    if column.spellings is None:
        return _tokens(column.values, names, first, column.reads()) | lengths
    times = np.repeat(np.bincount(column.values, column.reads(), len(column.spellings)), column.spellings.lengths)
    return _tokens(column.spellings.values, names, first, times) | lengths


def _tokens(values: Array, names: Sequence[str], first: Sequence[Any], reads: Array | None = None) -> dict[str, Any]:
    """How often each token is read, and the first rows as text."""
    import numpy as np

    counts = np.bincount(values, reads, len(names)).astype(np.int64)
    most = np.argsort(-counts, kind="stable")[:_MOST_CLASSES]
    return {
        "missing": 0,
        "distinct": int(np.count_nonzero(counts)),
        "counts": {names[i]: int(counts[i]) for i in most.tolist() if counts[i]},
        "first": [_as_text(row, names) for row in first],
    }


def _as_text(row: Any, names: Sequence[str]) -> str:
    """A row of tokens as text: words with blanks between, their letters and characters without."""
    if isinstance(row, int):
        return names[row]
    parts = [_as_text(part, names) for part in row]
    is_words = any(len(name) > 1 for name in names if name not in MARKS) or any(isinstance(part, list) for part in row)
    return (" " if is_words else "").join(parts)


def _counts(names: Array) -> dict[str, Any]:
    counts: Mapping[str, int] = Counter(names.tolist())
    values = sorted(((name, n) for name, n in counts.items() if name), key=lambda item: (-item[1], item[0]))
    return {
        "missing": counts.get("", 0),
        "distinct": len(values),
        "counts": dict(values[:_MOST_CLASSES]),
        "first": names[:FIRST_ROWS].tolist(),
    }


def _measures(column: Array) -> dict[str, Any]:
    import numpy as np

    rows = column.reshape(len(column), -1)
    first = rows[:FIRST_ROWS].tolist() if rows.shape[1] <= _MOST_PARTS else []
    first = [[None if x != x else x for x in row] for row in first]  # noqa: PLR0124  only NaN is not itself
    first = [row[0] if len(row) == 1 else row for row in first]
    if column.dtype.kind != "f":
        return {"missing": 0, **_range(rows), "first": first}
    lacking = np.isnan(rows)
    missing = int(lacking.any(axis=1).sum())
    there = rows if not missing else rows[~lacking]
    return {"missing": missing, **_range(there), "first": first}


def _range(values: Array) -> dict[str, float | None]:
    import numpy as np

    if not values.size:
        return dict.fromkeys(("min", "max", "mean"))
    with np.errstate(invalid="ignore"):  # infinite values have no mean
        wide = np.uint64 if values.dtype.kind in "bu" else np.float64
        mean = float(values.sum(dtype=wide)) / values.size
    return {"min": float(values.min()), "max": float(values.max()), "mean": mean}
