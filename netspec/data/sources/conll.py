"""Sentences in columns, a word a line: what taggers are trained on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Final, Self

import pydantic

from netspec.data.faults import data_error, shown
from netspec.data.fieldtype import FieldType
from netspec.data.paths import FilePaths, find_files
from netspec.data.ragged import of_rows
from netspec.data.source import Source
from netspec.data.table import Place, Table, make_table
from netspec.data.text.cutting import Interner
from netspec.data.text.encoding import Encoding, read_text
from netspec.data.text.lines import text_of_lines
from netspec.data.text.reading import TokenPlace
from netspec.declared import Items
from netspec.tensortype import size

_DOCUMENT: Final = "-DOCSTART-"


class Conll(Source):
    """Sentences of which each line is a word with its labels, in columns between blanks; an empty line ends one.

    Each column is a text in words, ``[T]``, of which fields are made; all are equally long. Lines that begin with
    ``-DOCSTART-`` stand between documents and are no words.

    Example:
        data:
          source: {conll: {path: {train: esp.train, test: esp.testb}, columns: [word, pos, entity]}}
          fields:
            words: {tokens: {of: word, lower: true}}
            chars: {tokens: {of: word, unit: character}}
            tags: {tokens: {of: entity, scheme: iobes}}
        network:
          inputs: {words: [T], chars: [T, C]}
          output: [a, b]
          layers: [{dropout: {rate: 0.1, from: words, name: a}}, {dropout: {rate: 0.1, from: chars, name: b}}]

    Errors:
        ragged-row: a line has fewer or more columns than `columns` names; its number is told
        no-rows: a file holds no sentence
    """

    kind: ClassVar[str] = "conll"
    path: FilePaths = pydantic.Field(
        description="A file, a pattern, a list of them, or `{train: ..., test: ...}`.", json_schema_extra={"main": True}
    )
    columns: Annotated[Items[str], pydantic.Field(min_length=1)] = pydantic.Field(
        description="The names of all columns, by their order."
    )
    encoding: Encoding = pydantic.Field(default="utf-8", description="How text is encoded, by Python's name for it.")

    @pydantic.model_validator(mode="after")
    def _names_each_once(self) -> Self:
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("`columns` names one column twice")
        return self

    def describe(self, base: Path) -> Mapping[str, FieldType]:
        return {name: FieldType("word", (size("T"),), None) for name in self.columns}

    def rows_to_predict(self, path: Path) -> Table:
        """Sentences, one a line."""
        return text_of_lines(path, self.encoding, self.kind, self.columns[0])

    def open(self, base: Path, *, offline: bool = False) -> Table:
        import numpy as np

        interners = {name: Interner() for name in self.columns}
        lengths: list[int] = []
        splits: dict[str, range] = {}
        files: list[tuple[str, int, int, list[int]]] = []
        token = 0
        for split, paths in find_files(self.path, base).items():
            start = len(lengths)
            for path in paths:
                row, first = len(lengths), token
                lines = self._read(path, interners, lengths)
                token += len(lines)
                files.append((path.name, row, first, lines))
            splits[split] = range(start, len(lengths))
        ragged = {name: of_rows(interner.values, lengths, interner.names) for name, interner in interners.items()}
        starts = ragged[self.columns[0]].starts
        ends = [*(row for _, row, _, _ in files[1:]), len(lengths)]
        places: list[Place] = [
            TokenPlace(
                name, row, starts=starts[row:end],
                begins=np.arange(first, first + len(lines), dtype=np.int64), lines=np.array(lines, dtype=np.int64),
            )
            for (name, row, first, lines), end in zip(files, ends, strict=True)
        ]  # fmt: skip
        types = self.describe(base)
        return make_table(ragged, types, splits=splits, places=tuple(places), origin=files[0][0])

    def _read(self, path: Path, interners: Mapping[str, Interner], lengths: list[int]) -> list[int]:
        """Add the sentences of a file; the lines of its words."""
        lines: list[int] = []
        words: list[list[str]] = []
        begin = 0
        for number, line in enumerate([*read_text(path, self.encoding, self.kind).split("\n"), ""], 1):
            cells = line.split()
            if cells and cells[0] != _DOCUMENT:
                if len(cells) != len(self.columns):
                    raise self._ragged(path, number, cells)
                words.append(cells)
                lines.append(number)
            elif len(lines) > begin:
                lengths.append(len(lines) - begin)
                begin = len(lines)
        if not lines:
            raise data_error("no-rows", f"{path.name} holds no sentence")
        for interner, column in zip(interners.values(), zip(*words, strict=True), strict=True):
            interner.add(column)
        return lines

    def _ragged(self, path: Path, number: int, cells: list[str]) -> Exception:
        names = ", ".join(self.columns)
        found = f"{len(cells)} column{'s' * (len(cells) != 1)} in `{shown(' '.join(cells))}`"
        message = f"{path.name}, line {number}: {found}, and `columns` names {len(self.columns)}: {names}"
        fewer = len(cells) < len(self.columns)
        helps = ["sentences are set apart by empty lines" if fewer else "name all columns, those too that nobody reads"]
        return data_error("ragged-row", message, helps=helps)
