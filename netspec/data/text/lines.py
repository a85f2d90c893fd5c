"""Texts that stand on a line each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from netspec.data import fieldtype
from netspec.data.table import Place, Table, make_table
from netspec.data.text.encoding import read_text


def numbered_lines(path: Path, encoding: str, what: str) -> Iterator[tuple[int, str]]:
    """The lines of a file that hold more than blanks, with their numbers.

    Raises:
        DataError: as `read_text`.
    """
    for number, line in enumerate(read_text(path, encoding, what).split("\n"), 1):
        if line.strip():
            yield number, line


def text_of_lines(path: Path, encoding: str, what: str, column: str) -> Table:
    """A text a line, under a column, to be predicted for.

    Raises:
        DataError: as `read_text`; if there is no line.
    """
    import numpy as np

    found = list(numbered_lines(path, encoding, what))
    place = Place(path.name, 0, np.array([number for number, _ in found], dtype=np.int64))
    texts = np.array([line.strip() for _, line in found], dtype=object)
    return make_table({column: texts}, {column: fieldtype.TEXT}, places=(place,), origin=path.name)
