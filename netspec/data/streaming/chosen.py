"""The rows of a split as a list that is worked out where it is looked at: a byte a row is all that is in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from netspec.data.table import Array

DROPPED: Final = 255
"""The code of a row that a field asked to leave out."""

_BLOCK: Final = 1 << 12


class Chosen:
    """The rows whose code is ``code``, ascending: has a length, and slices are arrays ``int64[n]``."""

    def __init__(self, codes: Array, code: int) -> None:
        import numpy as np

        self.codes, self.code = codes, code
        edges = range(0, len(codes), _BLOCK)
        counts = [int(np.count_nonzero(codes[i : i + _BLOCK] == code)) for i in edges]
        self._before = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        """How many of the rows stand before each block of codes."""

    def __len__(self) -> int:
        return int(self._before[-1])

    def __getitem__(self, wanted: Any) -> Array:
        import numpy as np

        start, stop, _ = wanted.indices(len(self))
        if stop <= start:
            return np.empty(0, np.int64)
        first = int(self._before.searchsorted(start, "right")) - 1
        last = int(self._before.searchsorted(stop, "left"))
        base = first * _BLOCK
        found = np.flatnonzero(self.codes[base : last * _BLOCK] == self.code)
        skip = start - int(self._before[first])
        return found[skip : skip + stop - start] + base

    def within(self, start: int, stop: int) -> Array:
        """The rows from ``start`` to before ``stop`` of the table, counted from ``start``."""
        import numpy as np

        return np.flatnonzero(self.codes[start:stop] == self.code)
