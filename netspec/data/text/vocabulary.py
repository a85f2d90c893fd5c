"""Which tokens a table has rows for: those of the training text, the most frequent first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from netspec.data.faults import data_error
from netspec.data.ragged import Ragged, of_rows

if TYPE_CHECKING:
    from netspec.data.table import Array

UNKNOWN: Final = "<unk>"
PAD: Final = "<pad>"
START: Final = "<start>"
END: Final = "<end>"
MARKS: Final = (UNKNOWN, PAD, START, END)
"""Tokens that stand for no text, in the order of their rows."""

_WIDEST: Final = 1 << 16


def counted(tokens: Ragged, rows: Array) -> Array:
    """How often each of ``names`` is read by some rows, ``int64[names]``; of spelled words, each character."""
    import numpy as np

    of_values = np.bincount(tokens.values, tokens.reads(rows), _size(tokens)).astype(np.int64)
    if tokens.spellings is None:
        return of_values
    spellings = tokens.spellings
    times = np.repeat(of_values, spellings.lengths)
    return np.bincount(spellings.values, times, len(spellings.names)).astype(np.int64)


def _size(tokens: Ragged) -> int:
    return len(tokens.names) if tokens.spellings is None else len(tokens.spellings)


def fit_vocabulary(
    names: Sequence[str], counts: Array, marks: Sequence[str], *, min_count: int = 1, max_size: int | None = None
) -> tuple[str, ...]:
    """The marks, then tokens by how often they stand, among equals the one that is first in ``names``.

    Args:
        names: the tokens of all rows, in the order in which they are first seen.
        counts: how often each stands in the training rows.
        marks: tokens that have rows whatever the text holds.
        min_count: tokens that stand fewer times have no row.
        max_size: how many rows there are at most, marks included.

    Raises:
        DataError: if no token has a row.
    """
    import numpy as np

    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] >= min_count]
    held = [names[i] for i in order.tolist() if names[i] not in marks]
    if max_size is not None:
        held = held[: max_size - len(marks)]
    if not held:
        most = int(counts.max()) if len(counts) else 0
        message = f"no token stands {min_count:,} times in the training rows" if most else "the training rows are empty"
        helps = [f"lower `min_count`: the most frequent stands {most:,} time{'s' * (most != 1)}"] if most else []
        raise data_error("bad-vocabulary", message, helps=helps)
    return (*marks, *held)


def encoded(tokens: Ragged, vocabulary: Sequence[str], size: int, *, unknown: bool) -> tuple[Ragged, Array]:
    """Tokens as rows of a vocabulary, and the names that have none, ``int64[n]``.

    Args:
        tokens: with their ``names``, those of `spellings` where words are spelled.
        vocabulary: the tokens by their rows.
        size: how many rows there are, which decides in how many bits the tokens lie.
        unknown: whether ``<unk>`` stands for those that have no row.
    """
    import numpy as np

    rows = {name: row for row, name in enumerate(vocabulary)}
    whole = tokens.spellings or tokens
    other = rows[UNKNOWN] if unknown else -1
    codes = np.array([rows.get(name, other) for name in whole.names], dtype=np.int64)
    dtype = np.uint16 if size <= _WIDEST else np.int32
    lacking = np.flatnonzero(codes < 0)
    lacking = lacking[np.isin(lacking, whole.values)]  # a name may stand for none of them
    table = np.maximum(codes, 0).astype(dtype)
    values = table[whole.values] if len(table) else np.empty(0, dtype)
    made = replace(whole, values=values, names=())
    return (made if tokens.spellings is None else replace(tokens, spellings=made)), lacking


def framed(tokens: Ragged, *, before: int | None = None, after: int | None = None, drop_last: bool = False) -> Ragged:
    """Rows with a token before or after each, or without their last: they no longer share or overlap."""
    import numpy as np

    places, begins = tokens.places()
    lengths = tokens.lengths.astype(np.int64)
    kept = np.ones(len(places), bool)
    if drop_last:
        kept[(begins + lengths - 1)[lengths > 0]] = False
        lengths = np.maximum(lengths - 1, 0)
    new = lengths + (before is not None) + (after is not None)
    starts = np.cumsum(new) - new
    values = np.empty(int(new.sum()), tokens.values.dtype)
    step = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    values[np.repeat(starts + (before is not None), lengths) + step] = tokens.values[places[kept]]
    if before is not None:
        values[starts] = before
    if after is not None:
        values[starts + new - 1] = after
    return replace(of_rows(values, new), spellings=tokens.spellings)


def at_least(tokens: Ragged, length: int, filler: int) -> Ragged:
    """Rows of fewer than ``length`` tokens filled up to it, behind their ends."""
    import numpy as np

    if not len(tokens) or int(tokens.lengths.min()) >= length:
        return tokens
    places, begins = tokens.places()
    lengths = tokens.lengths.astype(np.int64)
    new = np.maximum(lengths, length)
    starts = np.cumsum(new) - new
    values = np.full(int(new.sum()), filler, tokens.values.dtype)
    step = np.arange(len(places)) - np.repeat(begins, lengths)
    values[np.repeat(starts, lengths) + step] = tokens.values[places]
    return replace(of_rows(values, new), spellings=tokens.spellings)
