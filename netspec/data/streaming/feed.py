"""The order in which a training goes through rows that are not in memory."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from netspec.data.permutation import permutation
from netspec.data.streaming.window import Window

if TYPE_CHECKING:
    from netspec.data.table import Array, Rows

STRETCHES: Final = 64
"""Of so many stretches of the data a buffer is filled: enough that their order tells nothing."""

STRETCH_BYTES: Final = 1 << 16
"""Less is not worth to be read by itself."""

FEWEST_STRETCHES: Final = 4


@dataclass(frozen=True)
class Cut:
    """How rows are cut into stretches that are read as they lie, and how many of these fill the buffer.

    Any batch fits into the buffer beside what is left of the stretch before.
    """

    stretch: int
    stretches: int

    @property
    def buffer(self) -> int:
        return self.stretch * self.stretches


def cut(rows: int, buffer: int, batch: int, row_bytes: int) -> Cut:
    """The cut of ``rows`` for a buffer of at least ``buffer`` rows, or of all."""
    stretch = max(-(-buffer // STRETCHES), min(-(-STRETCH_BYTES // row_bytes), -(-buffer // FEWEST_STRETCHES)))
    stretch = min(stretch, rows)
    wanted = max(-(-buffer // stretch), -(-batch // stretch) + 1)
    return Cut(stretch, min(wanted, -(-rows // stretch)))


class StreamedFeed:
    """Batches through a buffer: stretches in a random order fill it, and its rows are taken in a random order.

    Both orders follow from seed, epoch and the buffer's number alone, so a training goes on anywhere. A batch that one
    buffer does not fill goes on in the next.
    """

    def __init__(self, window: Window, rows: Rows, cut: Cut, seed: int, batch: int, *, shuffle: bool) -> None:
        self._window, self._rows, self._cut = window, rows, cut
        self._seed, self._batch, self._shuffle = seed, batch, shuffle
        self._stretches = -(-len(rows) // cut.stretch)
        self._buffers = -(-self._stretches // cut.stretches)
        self._coming: dict[int, Future[Array]] = {}
        self._orders: dict[int, Array] = {}

    def take(self, epoch: int, first: int, most: int) -> Array:
        import numpy as np

        start = first * self._batch
        ends = self._sizes(epoch).cumsum()
        number = int(ends.searchsorted(start, "right"))
        places = self._fetch(epoch, number).result()
        places = places[len(places) - (int(ends[number]) - start) :]
        whole = min(most, len(places) // self._batch)
        if whole:
            self._fetch(epoch, number + 1)
            return places[: whole * self._batch].reshape(whole, -1)
        if number + 1 < self._buffers:
            rest = self._fetch(epoch, number + 1).result()[: self._batch - len(places)]
            places = np.concatenate([places, rest])
        return places.reshape(1, -1)

    def _fetch(self, epoch: int, number: int) -> Future[Array]:
        """The places of a buffer's rows in the order of training, when they are in memory.

        The buffer is on its way from now on; those before the one before it are gone.
        """
        if number == self._buffers:
            epoch, number = epoch + 1, 0
        serial = epoch * self._buffers + number
        if serial not in self._coming:
            self._coming = {key: held for key, held in self._coming.items() if key == serial - 1}
            stretches = self._stretches_of(epoch, number)
            place = self._window.train_half(serial)
            self._coming[serial] = self._window.later(lambda: self._fill(stretches, place, epoch, number))
        return self._coming[serial]

    def _fill(self, stretches: Array, place: int, epoch: int, number: int) -> Array:
        import numpy as np

        length, count = self._cut.stretch, 0
        for i in stretches.tolist():
            rows = self._rows[i * length : (i + 1) * length]
            self._window.fill(place + count, rows)
            count += len(rows)
        order = permutation(count, "buffer", self._seed, epoch, number) if self._shuffle else np.arange(count)
        return place + order

    def _sizes(self, epoch: int) -> Array:
        """How many rows each buffer of an epoch holds: as many as fit, but that with the last stretch, and the last."""
        import numpy as np

        sizes = np.full(self._buffers, self._cut.buffer)
        sizes[-1] = self._stretches * self._cut.stretch - self._cut.buffer * (self._buffers - 1)
        shortest = int(np.argmax(self._order(epoch) == self._stretches - 1)) // self._cut.stretches
        sizes[shortest] -= self._stretches * self._cut.stretch - len(self._rows)
        return sizes

    def _stretches_of(self, epoch: int, number: int) -> Array:
        """The stretches of a buffer, in the order in which they lie."""
        import numpy as np

        start = number * self._cut.stretches
        return np.sort(self._order(epoch)[start : start + self._cut.stretches])

    def _order(self, epoch: int) -> Array:
        """The stretches in the order of an epoch."""
        import numpy as np

        if epoch not in self._orders:
            drawn = permutation(self._stretches, "stretches", self._seed, epoch)
            order = drawn if self._shuffle else np.arange(self._stretches)
            self._orders = {**{e: held for e, held in self._orders.items() if e == epoch - 1}, epoch: order}
        return self._orders[epoch]
