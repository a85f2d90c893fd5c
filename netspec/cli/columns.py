"""Columns of data as a table: what each holds, in numbers or by how often its values stand."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from netspec.cli.table import Column, table

if TYPE_CHECKING:
    from netspec.train.examination import ExaminedData

_MOST_VALUES: Final = 6
_LONGEST: Final = 24
_MOST_CLASSES: Final = 20


def columns_table(heading: str, columns: Mapping[str, Mapping[str, Any]], width: int | None) -> str:
    """A row a column; numbers side by side have a row each.

    Args:
        heading: What to call them: ``column``, or ``field`` where a spec makes them.
        columns: Their facts, by name, as `data --json` prints them.
        width: Of the terminal.
    """
    has_role = any("role" in facts for facts in columns.values())
    head = [
        Column(heading, may_shrink=True),
        *([Column("use")] if has_role else []),
        Column("type"),
        Column("missing", "right"),
        *(Column(name, "right") for name in ("min", "max", "mean")),
        Column("values", may_shrink=True),
    ]
    rows = [
        [name, *([facts.get("role", "")] if has_role else []), type_, *_cells(facts)]
        for column, whole in columns.items()
        for name, type_, facts in _split(column, whole)
    ]
    return table(head, rows, width)


def _split(name: str, facts: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """The column, and a line for each of its parts."""
    shape = facts["shape"]
    type_ = facts["type"] + (f" [{', '.join(map(str, shape))}]" if shape else "")
    type_ += f" of {facts['size']:,}" if "size" in facts else ""
    parts: Mapping[str, Mapping[str, Any]] = facts.get("parts", {})
    whole = {"missing": facts["missing"], "role": facts.get("role", "")} if parts else facts
    yield name, type_, whole
    for label, part in parts.items():
        yield f"  {label}", "", part
    if "lengths" in facts:
        yield "  length", "", facts["lengths"]


def _cells(facts: Mapping[str, Any]) -> list[str]:
    measures = [number(facts[key]) if facts.get(key) is not None else "" for key in ("min", "max", "mean")]
    return [f"{facts['missing']:,}", *measures, _values(facts)]


def _values(facts: Mapping[str, Any]) -> str:
    """How often values stand, of numbers the first."""
    counts: Mapping[str, int] = facts.get("counts", {})
    if not counts:
        return ", ".join(number(value) for value in facts.get("first", ()) if not isinstance(value, list))
    shown = [f"{_short(name)} {count:,}" for name, count in list(counts.items())[:_MOST_VALUES]]
    if max(counts.values()) == 1:  # a name or a date in every row: how often says nothing
        shown = [_short(name) for name in facts["first"] if name]
    more = facts["distinct"] - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def number(value: float | None) -> str:
    """A number of data to five digits, whole ones whole."""
    if value is None or not isfinite(value):
        return "missing" if value is None else str(value)
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e9 else f"{value:.5g}"


def print_data(examined: ExaminedData) -> None:
    """The columns, fields and classes of data that were opened to be checked."""
    from netspec.cli import streams

    preview, width = examined.preview, streams.width_of(sys.stdout)
    if preview is None:
        return
    parts = [f"rows     {', '.join(f'{name} {rows:,}' for name, rows in preview.splits.items())}"]
    parts.append(columns_table("column", preview.columns, width))
    if preview.fields:
        parts.append(columns_table("field", preview.fields, width))
    parts += [_classes_table(name, of_split, width) for name, of_split in examined.classes.items()]
    streams.result("\n\n".join(parts) + "\n")


def _classes_table(name: str, of_split: Mapping[str, Mapping[str, int]], width: int | None) -> str:
    """A row for each of the first classes, a column for each split."""
    classes = list(of_split["train"])
    head = [Column(name, may_shrink=True), *(Column(split, "right") for split in of_split)]
    rows = [[c, *(f"{counts.get(c, 0):,}" for counts in of_split.values())] for c in classes[:_MOST_CLASSES]]
    text = table(head, rows, width)
    return text + (f"\nand {len(classes) - _MOST_CLASSES:,} more classes" if len(classes) > _MOST_CLASSES else "")
