"""Columns whose rows differ in length: stretches of one flat array, which rows may share and overlap in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec.data.table import readable_beyond

if TYPE_CHECKING:
    from netspec.data.table import Array

    Column: TypeAlias = "Array | Ragged"


@dataclass(frozen=True, eq=False)
class Ragged:
    """Rows of a length of their own: row r is ``values[starts[r] : starts[r] + lengths[r]]``.

    Nothing is padded in memory and nothing stands there twice: the windows of a text of a million tokens are as many
    starts over one array of 16-bit numbers. A batch is gathered by start and step, and what lies beyond a row's length
    is never read.

    A row may leave one value out, the centre of a window: then step t of it reads ``starts[r] + t``, and one further
    on from ``gaps[r]`` on. ``lengths`` counts the values that are read.

    With ``spellings`` a value is itself a row, of these: the characters of word ``values[p]`` are
    ``spellings.values[spellings.starts[w] : ...]`` with ``w = values[p]``. A word is spelled once, however often it
    stands in the text.
    """

    values: Array
    """``[M, *features]``: uint16 or int32 tokens, float32 numbers; read-only, with room to load whole vectors."""
    starts: Array
    """``int64[N]``."""
    lengths: Array
    """``int32[N]``."""
    gaps: Array | None = None
    """``int32[N]``: how many values a row reads before it leaves one out."""
    spellings: Ragged | None = None
    names: tuple[str, ...] = ()
    """Of a source's column: what the values stand for."""

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def dtype(self) -> Any:
        return self.values.dtype

    def chosen(self, rows: Any) -> Ragged:
        """Some rows; the values are shared."""
        gaps = None if self.gaps is None else self.gaps[rows]
        return replace(self, starts=self.starts[rows], lengths=self.lengths[rows], gaps=gaps)

    def arrays(self, name: str) -> dict[str, Array]:
        """Its arrays by the keys under which the graphs read a field.

        ``NAME``, ``NAME.starts``, ``NAME.lengths``; where there are, ``NAME.gaps`` and ``NAME.spellings`` with starts
        and lengths of its own.
        """
        found = {name: self.values, f"{name}.starts": self.starts, f"{name}.lengths": self.lengths}
        if self.gaps is not None:
            found[f"{name}.gaps"] = self.gaps
        if self.spellings is not None:
            found |= self.spellings.arrays(f"{name}.spellings")
        return found

    @property
    def nbytes(self) -> int:
        """Bytes of all its arrays; of starts and lengths that all rows share, only those that there are."""
        return sum(array.nbytes if array.strides[0] else array.itemsize for array in self.arrays("").values())

    def places(self, rows: Any = slice(None)) -> tuple[Array, Array]:
        """Where rows lie in the values: ``int64`` places, row after row, and where each row begins among them."""
        import numpy as np

        lengths = self.lengths[rows].astype(np.int64)
        ends = np.cumsum(lengths)
        begins = ends - lengths
        total = int(ends[-1]) if len(ends) else 0
        step = np.arange(total, dtype=np.int64) - np.repeat(begins, lengths)
        found = np.repeat(self.starts[rows], lengths) + step
        if self.gaps is not None:
            found += step >= np.repeat(self.gaps[rows], lengths)
        return found, begins

    def row(self, row: int) -> Any:
        """One row as lists; of words that are spelled, a list a word."""
        places, _ = self.places(slice(row, row + 1))
        values = self.values[places].tolist()
        return values if self.spellings is None else [self.spellings.row(word) for word in values]

    def padded(self, rows: Any = slice(None)) -> Array:
        """Rows side by side, ``[n, T, *features]`` (``[n, T, C]`` of spelled words), zeros behind their ends.

        What a gather of these rows means; training never makes it.
        """
        import numpy as np

        places, begins = self.places(rows)
        lengths = self.lengths[rows]
        steps = np.arange(len(places)) - np.repeat(begins, lengths)
        row = np.repeat(np.arange(len(lengths)), lengths)
        read = self.values[places] if self.spellings is None else self.spellings.padded(self.values[places])
        width = int(lengths.max()) if len(lengths) else 0
        found = np.zeros((len(lengths), width, *read.shape[1:]), read.dtype)
        found[row, steps] = read
        return found

    def reads(self, rows: Any = slice(None)) -> Array:
        """How many of the rows read each value, ``int64[M]``."""
        import numpy as np

        starts, lengths = self.starts[rows], self.lengths[rows]
        changes = np.zeros(len(self.values) + 2, np.int64)
        np.add.at(changes, starts, 1)
        if self.gaps is None:
            np.add.at(changes, starts + lengths, -1)
        else:
            gaps = self.gaps[rows]
            inside = gaps < lengths
            np.add.at(changes, starts + lengths + inside, -1)
            left_out = (starts + gaps)[inside]
            np.add.at(changes, left_out, -1)
            np.add.at(changes, left_out + 1, 1)
        return np.cumsum(changes)[: len(self.values)]

    def even(self, width: int) -> Array:
        """Rows that all have ``width`` values, as an array ``[N, width, *features]``."""
        import numpy as np

        found = np.empty((len(self), width, *self.values.shape[1:]), self.values.dtype)
        for step in range(width):
            places = self.starts + step
            found[:, step] = self.values[places if self.gaps is None else places + (step >= self.gaps)]
        return found

    def single(self) -> Array:
        """The only value of each row."""
        values: Array = self.values[self.starts]
        return values


def same_length(rows: int, length: int) -> Array:
    """The lengths of rows that all have one, which take no memory: ``int32[rows]``."""
    import numpy as np

    return np.broadcast_to(np.int32(length), (rows,))


def of_rows(values: Array, lengths: Array | Sequence[int], names: tuple[str, ...] = ()) -> Ragged:
    """Rows that follow each other in ``values``."""
    import numpy as np

    counts = np.asarray(lengths, dtype=np.int32)
    ends = np.cumsum(counts, dtype=np.int64)
    return Ragged(values, ends - counts, counts, names=names)


def even_rows(rows: Array) -> Ragged:
    """Rows that are equally long, ``[N, T, *features]``, where their length has a name."""
    import numpy as np

    count, length = rows.shape[:2]
    starts = np.arange(count, dtype=np.int64) * length
    return Ragged(rows.reshape(count * length, *rows.shape[2:]), starts, same_length(count, length))


def apart(columns: Mapping[str, Column]) -> tuple[dict[str, Array], dict[str, Ragged]]:
    """Columns as kernels read them, the even ones and the ragged: whole vectors can be loaded to the end of each.

    Columns with the same values share them: a text and the same text one token later are in memory once.
    """
    moved: list[Array] = []
    dense: dict[str, Array] = {}
    ragged: dict[str, Ragged] = {}
    for name, column in columns.items():
        if isinstance(column, Ragged):
            ragged[name] = _readable(column, moved)
        else:
            dense[name] = readable_beyond(column)
    return dense, ragged


def _readable(column: Ragged, moved: list[Array]) -> Ragged:
    import numpy as np

    values = next((known for known in moved if _same(known, column.values)), None)
    if values is None:
        values = readable_beyond(column.values)
        moved.append(values)
    spellings = None if column.spellings is None else _readable(column.spellings, moved)
    starts, lengths = (np.ascontiguousarray(a) for a in (column.starts, column.lengths))
    return replace(column, values=values, starts=starts, lengths=lengths, spellings=spellings)


def _same(a: Array, b: Array) -> bool:
    import numpy as np

    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)
