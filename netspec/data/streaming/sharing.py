"""Sharing out rows that are too many for lists of them: the same rows as `split_rows` draws, from a byte a row."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final

from netspec.data.paths import SPLITS
from netspec.data.permutation import sort_keys
from netspec.data.splits import Split, quotas_of, split_sizes
from netspec.data.streaming.chosen import Chosen

if TYPE_CHECKING:
    from netspec.data.table import Array

_BLOCK: Final = 1 << 18
_MOST_BINS: Final = 1 << 20
_TRAIN: Final = 0


def chosen_rows(codes: Array) -> dict[str, Chosen]:
    """The rows of each split that has any, by the codes of all rows: places in `SPLITS`, and others for no split."""
    found = {name: Chosen(codes, code) for code, name in enumerate(SPLITS)}
    return {name: rows for name, rows in found.items() if name == "train" or len(rows)}


def share_out(split: Split, own: Collection[str], codes: Array, seed: int, groups: Array | None) -> dict[str, Chosen]:
    """Draw what the spec asks for from the training rows, and write it into the codes.

    Args:
        split: what the spec asks for; no folds.
        own: the splits that the source comes with.
        codes: the split of each row as it comes, ``uint8[rows]``, changed in place.
        seed: the run's.
        groups: the class of each row from 0, where the split is stratified.

    Raises:
        DataError: if there are too few rows, a split would be empty, or the source has that split already.
    """
    splits = {**{name: Chosen(codes, SPLITS.index(name)) for name in own}, **chosen_rows(codes)}
    sizes = split_sizes(split, {name: len(rows) for name, rows in splits.items()})
    for name in ("test", "validation"):
        if getattr(split, name) is not None:
            _draw(splits["train"], sizes[name], name, seed, groups)
            splits = {**splits, "train": Chosen(codes, _TRAIN), name: Chosen(codes, SPLITS.index(name))}
    return {name: splits[name] for name in SPLITS if name in splits}


def _draw(train: Chosen, count: int, name: str, seed: int, groups: Array | None) -> None:
    """Take those rows of each group whose sort keys are the least, as a permutation would bring them first.

    Two passes over the keys, which are worked out anew each time: the first counts them by their top bits, the second
    looks at those alone between which the cut falls.
    """
    import numpy as np

    kinds = 1 if groups is None else int(groups.max()) + 1
    bits = max(4, min(12, (_MOST_BINS // kinds).bit_length() - 1))
    bins = 1 << bits
    whole = np.zeros(kinds * bins, np.int64)
    for _, group, keys in _keys(train, name, seed, groups):
        whole += np.bincount(group * bins + _top(keys, bits), minlength=len(whole))
    counts = whole.reshape(kinds, bins)
    quotas = quotas_of(counts.sum(axis=1), count)
    ends = counts.cumsum(axis=1)
    cuts = np.array([np.searchsorted(end, quota) for end, quota in zip(ends, quotas, strict=True)])
    near: list[tuple[Array, Array]] = []
    for _, group, keys in _keys(train, name, seed, groups):
        is_near = _top(keys, bits) == cuts[group]
        near.append((group[is_near], keys[is_near]))
    of, keys_near = (np.concatenate(parts) for parts in zip(*near, strict=True))
    limits = np.zeros(kinds, np.uint64)
    for kind in range(kinds):
        cut = int(cuts[kind])
        before = int(ends[kind, cut - 1]) if cut else 0
        own = np.sort(keys_near[of == kind])
        if quotas[kind]:
            limits[kind] = own[quotas[kind] - before - 1]
    for rows, group, keys in _keys(train, name, seed, groups):
        train.codes[rows[(keys <= limits[group]) & (quotas[group] > 0)]] = SPLITS.index(name)


def _keys(train: Chosen, name: str, seed: int, groups: Array | None) -> Iterator[tuple[Array, Array, Array]]:
    """Blocks of the rows, their groups and their sort keys."""
    import numpy as np

    count = len(train)
    for start in range(0, count, _BLOCK):
        rows = train[start : start + _BLOCK]
        group = np.zeros(len(rows), np.int64) if groups is None else groups[rows].astype(np.int64)
        yield rows, group, sort_keys(start, start + len(rows), count, "split", name, seed)


def _top(keys: Array, bits: int) -> Array:
    import numpy as np

    return (keys >> np.uint64(64 - bits)).astype(np.int64)
