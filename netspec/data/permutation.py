"""Random orders that depend on their key alone: the same on every platform and in every NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netspec.data.table import Array

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


def permutation(rows: int, *key: int | str) -> Array:
    """A permutation of ``0 .. rows - 1`` as int64, one for each key.

    Every row gets 64 bits from a counter-based generator (SplitMix64, keyed by the whole key), its low bits are
    replaced by the row's own index, and the numbers are sorted: no two are equal, so the order does not hang on how
    ties are broken, and sorting costs a fraction of what argsort would.

    Reference:
        Steele, Lea, Flood 2014, Fast splittable pseudorandom number generators.
    """
    import numpy as np

    if rows <= 1:
        return np.arange(rows, dtype=np.int64)
    bits = sort_keys(0, rows, rows, *key)
    bits.sort()
    order: Array = (bits & _low(rows)).astype(np.int64)
    return order


def sort_keys(start: int, stop: int, rows: int, *key: int | str) -> Array:
    """What `permutation` sorts, for the rows from ``start`` to before ``stop``: ``uint64``, no two of them equal."""
    import numpy as np

    index = np.arange(start, stop, dtype=np.uint64)
    with np.errstate(over="ignore"):
        bits = (index + np.uint64(1)) * np.uint64(_GOLDEN) + np.uint64(_state(key))
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        bits ^= bits >> np.uint64(31)
    keys: Array = (bits & ~_low(rows)) | index
    return keys


def _low(rows: int) -> Any:
    """The bits of a key that hold the row."""
    import numpy as np

    return np.uint64((1 << (rows - 1).bit_length()) - 1)


def _state(key: tuple[int | str, ...]) -> int:
    state = 0
    for part in key:
        number = int.from_bytes(part.encode(), "little") if isinstance(part, str) else part
        while True:
            state = _mix((state ^ (number & _MASK)) + _GOLDEN)
            number >>= 64
            if number in (0, -1):
                break
    return state


def _mix(z: int) -> int:
    z &= _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)
