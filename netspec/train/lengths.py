"""How long batches are along the lengths that differ from sample to sample, and which of their places are real."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec.compiler.graph import Graph
from netspec.data.ragged import Ragged
from netspec.spec.places import Owner, lengths_in, suffix
from netspec.tensortype import Dim, Size, bind, known, lengths

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]

Samples: TypeAlias = "Array | list[Any]"
"""A row for each sample: an array, or where their lengths differ a list of arrays, or of such lists."""

FINENESS = 3
"""Lengths are rounded up to numbers of so many binary digits behind the first: programs are few, padding is little.

Between a length and twice it there are 8 programs, and a batch takes at most an eighth more steps than it has.
"""


class Lengths:
    """The lengths of the data's rows.

    ``owners`` are the fields that tell each length, by its symbol; ``arrays`` the data by the fields' keys.
    """

    def __init__(self, owners: Mapping[str, Owner], arrays: Mapping[str, Array]) -> None:
        self.owners, self._arrays = owners, arrays
        self._longest: dict[str, Array] = {}
        self._of_all: dict[str, int] = {}
        self._counts: dict[str, Array] = {}
        self.least = dict.fromkeys(owners, 1)
        """The shortest that programs are made for: windows need steps to stand on."""

    def __bool__(self) -> bool:
        return bool(self.owners)

    def hold(self, graph: Graph) -> None:
        """Be long enough for every value of a graph."""
        for node in graph.nodes if self.owners else ():
            for type_ in node.types:
                for length in lengths(type_.shape[0]) if type_.rank else ():
                    assert isinstance(length, Size)
                    (symbol,) = length.symbols
                    least = bind(length, {symbol: 0})
                    if isinstance(least, int):
                        self.least[symbol] = max(self.least[symbol], 1 - least)

    def changed(self) -> None:
        """Lengths have been written anew, in place."""
        self._of_all.clear()

    def sizes(self, rows: Array) -> dict[str, int]:
        """What a program for a batch is bound to: ``B``, its rows, and its longest sample along each length."""
        (found,) = self._sizes(rows.reshape(1, -1))
        return found

    def largest(self, batch: int) -> dict[str, int]:
        """The sizes of the largest batch of so many rows."""
        return {"B": batch} | {symbol: self._bounded(symbol, self._most(symbol)) for symbol in self.owners}

    def runs(self, rows: Array) -> Iterator[tuple[int, int, dict[str, int]]]:
        """The batches ``int64[steps, batch]`` as runs of equal sizes: first, end, sizes."""
        every = self._sizes(rows)
        first = 0
        for end in range(1, len(every) + 1):
            if end == len(every) or every[end] != every[first]:
                yield first, end, every[first]
                first = end

    def counted(self, places: str, rows: Array) -> Array:
        """How many places of each batch are real, ``int64[steps]``: of lengths as `suffix` writes them."""
        import numpy as np

        if not places:
            return np.full(len(rows), rows.shape[1], np.int64)
        if places not in self._counts:
            self._counts[places] = self._count(lengths_in(places))
        found: Array = self._counts[places][rows].sum(axis=1)
        return found

    def real(self, places: str, rows: Array, sizes: Mapping[str, int]) -> Array:
        """Which places of a batch are real, ``bool[batch, T, ...]``, in the order of the samples."""
        import numpy as np

        real: Array = np.ones(len(rows), bool)
        for symbol, more in lengths_in(places):
            owner = self.owners[symbol]
            count = self._words(owner.field, rows, real.shape[1]) if owner.depth else self._lengths(owner.field)[rows]
            count = np.where(real, _shifted(count, more), 0)
            real = np.arange(sizes[symbol] + more) < count[..., None]
        return real

    def by_sample(self, rows_of: Dim, values: Array, rows: Array, sizes: Mapping[str, int]) -> Samples:
        """What a batch made, ``[T*B, ...]`` for the rows of the data ``int64[B]``, of each sample what is real."""
        places = suffix(rows_of)
        if not places:
            return values
        steps = [known(bind(length, sizes)) for length in lengths(rows_of)]
        by_time = values.reshape(*reversed(steps), len(rows), *values.shape[1:])
        axes = len(steps) + 1
        return _cut(
            by_time.transpose(*reversed(range(axes)), *range(axes, by_time.ndim)), self.real(places, rows, sizes)
        )

    def _sizes(self, rows: Array) -> list[dict[str, int]]:
        batch = rows.shape[1]
        most = {symbol: self._of_rows(symbol)[rows].max(axis=1).tolist() for symbol in self.owners}
        return [
            {"B": batch} | {symbol: self._bounded(symbol, of[step]) for symbol, of in most.items()}
            for step in range(len(rows))
        ]

    def _bounded(self, symbol: str, length: int) -> int:
        return max(min(rounded(length), self._most(symbol)), self.least[symbol])

    def _most(self, symbol: str) -> int:
        if symbol not in self._of_all:  # asked for every batch, and of all rows
            self._of_all[symbol] = int(self._of_rows(symbol).max(initial=0))
        return self._of_all[symbol]

    def _lengths(self, field: str) -> Array:
        return self._arrays[f"{field}.lengths"]

    def _of_rows(self, symbol: str) -> Array:
        """How long each row of the data is along a length, at its longest."""
        import numpy as np

        owner = self.owners[symbol]
        if owner.depth == 0:
            return self._lengths(owner.field)
        if symbol not in self._longest:
            letters, begins = self._spelled(owner.field)
            found = np.zeros(len(begins), np.int64)
            some = np.flatnonzero(np.diff([*begins, len(letters)]))
            if len(some):
                found[some] = np.maximum.reduceat(letters, begins[some])
            self._longest[symbol] = found
        return self._longest[symbol]

    def _count(self, parts: Sequence[tuple[str, int]]) -> Array:
        """How many places each row of the data has, ``int64[rows]``."""
        import numpy as np

        (symbol, more), *inner = parts
        field = self.owners[symbol].field
        if not inner:
            return _shifted(self._lengths(field), more).astype(np.int64)
        ((symbol, more),) = inner
        letters, begins = self._spelled(self.owners[symbol].field)
        sums = np.concatenate([[0], np.cumsum(_shifted(letters, more), dtype=np.int64)])
        return np.asarray(sums[[*begins[1:], len(letters)]] - sums[begins], np.int64)

    def _spelled(self, field: str, rows: Any = slice(None)) -> tuple[Array, Array]:
        """How long the words of rows are, and where the rows begin among them."""
        arrays = self._arrays
        words = Ragged(
            arrays[field], arrays[f"{field}.starts"], self._lengths(field), arrays.get(f"{field}.gaps")
        )  # fmt: skip
        places, begins = words.places(rows)
        return arrays[f"{field}.spellings.lengths"][arrays[field][places]], begins

    def _words(self, field: str, rows: Array, steps: int) -> Array:
        """How long each word of a batch is, ``[batch, steps]``, 0 behind the ends."""
        import numpy as np

        letters, begins = self._spelled(field, rows)
        count = self._lengths(field)[rows]
        found = np.zeros((len(rows), steps), np.int64)
        step = np.arange(len(letters)) - np.repeat(begins, count)
        found[np.repeat(np.arange(len(rows)), count), step] = letters
        return found


def _cut(values: Array, real: Array) -> list[Any]:
    """The real places of each sample, which stand in front."""
    if real.ndim == 2:
        return [own[: int(count)].copy() for own, count in zip(values, real.sum(axis=1), strict=True)]
    some = real.any(axis=2).sum(axis=1)
    return [_cut(own[:count], of[:count]) for own, of, count in zip(values, real, some.tolist(), strict=True)]


def rounded(length: int) -> int:
    """``length``, or a little more."""
    unit = 1 << max(0, length.bit_length() - 1 - FINENESS)
    return -(-length // unit) * unit


def _shifted(count: Array, more: int) -> Array:
    """Lengths that are changed by so much: windows over few steps are one, over none none."""
    import numpy as np

    return np.where(count > 0, np.maximum(count + more, 1), 0)


def joined(parts: Sequence[Samples]) -> Samples:
    """The samples of several batches."""
    import numpy as np

    if isinstance(parts[0], list):
        return [sample for part in parts for sample in part]
    return np.concatenate(parts)


def one_behind_the_other(samples: Samples) -> Array:
    """The rows of all samples, each with those of its places."""
    import numpy as np

    return np.concatenate([one_behind_the_other(s) for s in samples]) if isinstance(samples, list) else samples
