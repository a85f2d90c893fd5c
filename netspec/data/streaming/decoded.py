"""Columns of a table on their way from files that have to be decoded into files that can be read at any row."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from netspec.data import fieldtype
from netspec.data.cells import Values
from netspec.data.fieldtype import FieldType
from netspec.data.streaming.stored import Column, NoText, StoredColumn, TextWriter, Writer
from netspec.data.streaming.streamed import Sheets, Streamed
from netspec.data.table import Place


class Decoded:
    """The columns that were decoded so far, of files that follow each other.

    Args:
        folder: where to write them.
        texts: the columns that are text; all others are numbers.
    """

    def __init__(self, folder: Path, texts: Collection[str]) -> None:
        self._folder, self._texts = folder, texts
        self._writers: dict[str, Writer | TextWriter] = {}
        self._lines: Writer | None = None
        self._places: list[Place] = []
        self._splits: dict[str, range] = {}
        self._split, self.rows = "train", 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for writer in (*self._writers.values(), *([self._lines] if self._lines else [])):
            writer.close()

    def begin(self, file: str, split: str) -> None:
        """What comes next is of another file, which belongs to a split."""
        self._places.append(Place(file, self.rows))
        self._split = split

    def add(self, columns: Mapping[str, Values]) -> None:
        """Add rows to some columns; in the end all have to have as many."""
        import numpy as np

        for name, values in columns.items():
            writer = self._writers.get(name) or self._new_writer(name)
            if isinstance(writer, TextWriter):
                writer.write([str(text) for text in values])
            else:
                writer.write(np.asarray(values, dtype=np.float64))

    def count(self, rows: int, lines: Sequence[int] | None = None) -> None:
        """Say that rows were added to the columns, of text files with the lines that they end on."""
        import numpy as np

        if lines is not None:
            self._lines = self._lines or Writer(self._folder / "lines.bin", "<i8", ())
            self._lines.write(np.asarray(lines, dtype=np.int64))
        start = self._splits[self._split].start if self._split in self._splits else self.rows
        self.rows += rows
        self._splits[self._split] = range(start, self.rows)

    def streamed(self, names: Sequence[str], empty: Collection[str] = ()) -> Streamed:
        """All that was decoded, once no more is.

        Args:
            names: all columns of the files, in their order; those that were not decoded are none of anybody's concern.
            empty: the columns without a value in any row.
        """
        columns: dict[str, Column] = {}
        types: dict[str, FieldType] = {}
        for name in names:
            if name in empty:
                columns[name] = NoText(self.rows)
            elif name in self._writers:
                columns[name] = self._writers[name].column()
            is_number = isinstance(columns.get(name), StoredColumn)
            types[name] = fieldtype.number() if is_number else fieldtype.TEXT
        lines = None if self._lines is None else self._lines.column()
        return Streamed(columns, types, self._splits, Sheets(tuple(self._places), lines))

    def _new_writer(self, name: str) -> Writer | TextWriter:
        path = self._folder / f"{len(self._writers)}.bin"
        self._writers[name] = TextWriter(path) if name in self._texts else Writer(path, "<f8", ())
        return self._writers[name]
