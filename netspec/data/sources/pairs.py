"""Pairs of texts, one a line: what is given and what is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pydantic

from netspec.data import fieldtype
from netspec.data.faults import data_error, shown
from netspec.data.fieldtype import FieldType
from netspec.data.paths import FilePaths, find_files
from netspec.data.source import Source
from netspec.data.table import Place, Table, make_table
from netspec.data.text.encoding import Encoding
from netspec.data.text.lines import numbered_lines


class Pairs(Source):
    """Lines of two texts with a tab between: ``source`` and ``target``, of which fields are made.

    Example:
        data:
          source: {pairs: {path: dates.tsv}}
          fields:
            question: {tokens: {of: source, unit: character}}
            answer: {tokens: {of: target, unit: character, end: true}}
            given: {shift: answer}
          split: {test: 0.1}
        network:
          inputs: {question: [S], given: [T]}
          output: [a, b]
          layers: [{dropout: {rate: 0.1, from: question, name: a}}, {dropout: {rate: 0.1, from: given, name: b}}]

    Errors:
        ragged-row: a line has no tab, or more than one; its number is told
        no-rows: a file holds no pair
    """

    kind: ClassVar[str] = "pairs"
    path: FilePaths = pydantic.Field(
        description="A file, a pattern, a list of them, or `{train: ..., test: ...}`.", json_schema_extra={"main": True}
    )
    encoding: Encoding = pydantic.Field(default="utf-8", description="How text is encoded, by Python's name for it.")

    def describe(self, base: Path) -> Mapping[str, FieldType]:
        return {"source": fieldtype.TEXT, "target": fieldtype.TEXT}

    def rows_to_predict(self, path: Path) -> Table:
        """Lines of one text, or of two of which the second is left alone."""
        import numpy as np

        found = [(n, line.partition("\t")[0].strip()) for n, line in numbered_lines(path, self.encoding, self.kind)]
        place = Place(path.name, 0, np.array([n for n, _ in found], dtype=np.int64))
        texts = np.array([text for _, text in found], dtype=object)
        return make_table({"source": texts}, {"source": fieldtype.TEXT}, places=(place,), origin=path.name)

    def open(self, base: Path, *, offline: bool = False) -> Table:
        import numpy as np

        rows: list[tuple[str, str]] = []
        splits: dict[str, range] = {}
        places: list[Place] = []
        for split, paths in find_files(self.path, base).items():
            start = len(rows)
            for path in paths:
                lines = []
                for number, line in numbered_lines(path, self.encoding, self.kind):
                    parts = line.split("\t")
                    if len(parts) != 2:
                        raise _no_pair(line, len(parts) - 1, f"{path.name}, line {number}")
                    rows.append((parts[0].strip(), parts[1].strip()))
                    lines.append(number)
                if not lines:
                    raise data_error("no-rows", f"{path.name} holds no pair")
                places.append(Place(path.name, len(rows) - len(lines), np.array(lines, dtype=np.int64)))
            splits[split] = range(start, len(rows))
        columns = {
            name: np.array([row[i] for row in rows], dtype=object) for i, name in enumerate(("source", "target"))
        }
        return make_table(columns, self.describe(base), splits=splits, places=tuple(places), origin=places[0].file)


def _no_pair(line: str, tabs: int, place: str) -> Exception:
    if not tabs:
        helps = ["a line is two texts with a tab between"]
        return data_error("ragged-row", f"{place}: no tab in `{shown(line)}`", helps=helps)
    return data_error("ragged-row", f"{place}: {tabs} tabs, where one stands between two texts")
