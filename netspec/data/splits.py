"""Which rows train, which validate, which test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, TypeAlias

import pydantic

from netspec.data.faults import data_error
from netspec.data.paths import SPLITS
from netspec.data.permutation import permutation
from netspec.declared import Declared, Items

if TYPE_CHECKING:
    from netspec.data.table import Array

Share: TypeAlias = Annotated[int, pydantic.Field(ge=1)] | Annotated[float, pydantic.Field(gt=0, lt=1)]
Splits: TypeAlias = "Mapping[str, Array]"
"""The rows of each split in the table, ``int64[n]``, ascending."""


class SplitColumn(Declared):
    """A column whose values say where a row belongs; every value that is not listed trains."""

    column: str = pydantic.Field(description="The column of the source.")
    validation: Items[str | int] = pydantic.Field(default=(), description="The values of rows that validate.")
    test: Items[str | int] = pydantic.Field(default=(), description="The values of rows that test.")


class Split(Declared):
    """Rows taken from ``train`` by the run's seed; a test split that the source comes with stays as it is.

    ``by`` goes before all else. Shares are of ``train`` as it then is, rounded to whole rows, a half upwards. The test
    rows do not depend on how many rows validate.
    """

    validation: Share | None = pydantic.Field(
        default=None, description="Rows, or a share below 1, that select the best weights."
    )
    test: Share | None = pydantic.Field(
        default=None, description="Rows, or a share below 1, that are measured once, at the end."
    )
    stratify: str | None = pydantic.Field(
        default=None, description="A category: each of its classes is split in the same ratio."
    )
    by: str | SplitColumn | None = pydantic.Field(
        default=None,
        description="A column that says `train`, `validation` or `test` in every row; or a column and the values of "
        "each split, `{column: year, test: [2024]}`. No field `*` takes this column.",
    )
    folds: Annotated[int, pydantic.Field(ge=2)] | None = pydantic.Field(
        default=None, description="Cut the rows into so many parts; one part, the first unless said, is the test split."
    )

    @property
    def column(self) -> str | None:
        """The column that `by` reads."""
        return self.by.column if isinstance(self.by, SplitColumn) else self.by


def split_rows(
    split: Split, own: Mapping[str, range | Array], seed: int, *, groups: Array | None = None, fold: int = 0
) -> Splits:
    """Share out the rows.

    Args:
        split: what the spec asks for.
        own: the splits the source comes with.
        seed: the run's.
        groups: the class of every row of the table, ``int[rows]``, where the split is stratified.
        fold: with `Split.folds`, which part is the test split, from 0.

    Raises:
        DataError: if there are too few rows, a split would be empty, or the source has that split already.
    """
    import numpy as np

    splits = {name: np.asarray(rows, dtype=np.int64) for name, rows in own.items()}
    given = len(splits["train"])
    for name in ("test", "validation"):
        share = getattr(split, name)
        if share is None and not (name == "test" and split.folds):
            continue
        _refuse_taken(name, split, splits)
        if name == "test" and split.folds:
            part = _fold(splits["train"], split.folds, fold, seed, groups)
        else:
            part = _draw(splits["train"], _wanted(name, share, given, len(splits["train"])), name, seed, groups)
        splits[name] = part
        splits["train"] = np.setdiff1d(splits["train"], part, assume_unique=True)
    for name, rows in splits.items():
        if not len(rows):
            raise data_error(
                "empty-split", f"no rows are left for `{name}` of {given}", helps=["ask for fewer rows in `data.split`"]
            )
    return {name: splits[name] for name in ("train", "validation", "test") if name in splits}


def splits_of_column(by: str | SplitColumn, names: Array, place: Callable[[int], str]) -> Splits:
    """The rows of each split as a column gives them.

    Args:
        by: what the spec says.
        names: the column's values as text.
        place: what to call a row in a message.

    Raises:
        DataError: if a row names no split, or a value that is listed stands in no row.
    """
    import numpy as np

    if isinstance(by, str):
        for row, name in enumerate(names.tolist()):
            if name not in SPLITS:
                message = f"{place(row)}, column `{by}`: `{name}` is no split"
                helps = ["splits are `train`, `validation` and `test`"]
                raise data_error("unknown-split", message, helps=helps)
        return {name: np.flatnonzero(names == name) for name in SPLITS if name == "train" or (names == name).any()}
    chosen = {name: [str(value) for value in getattr(by, name)] for name in ("validation", "test")}
    for name, values in chosen.items():
        for value in values:
            if not (names == value).any():
                raise data_error("empty-split", f"no row has `{value}` in `{by.column}`, which `split.by.{name}` names")
    both = set(chosen["validation"]) & set(chosen["test"])
    if both:
        raise data_error("split-exists", f"`split.by` names `{min(both)}` for two splits")
    splits = {name: np.flatnonzero(np.isin(names.astype(str), values)) for name, values in chosen.items() if values}
    taken = np.concatenate([np.empty(0, np.int64), *splits.values()])
    return {"train": np.setdiff1d(np.arange(len(names)), taken), **splits}


def _refuse_taken(name: str, split: Split, splits: Splits) -> None:
    if name in splits:
        asked = "folds" if name == "test" and split.folds else name
        message = (
            f"`split.{asked}` asks for rows, but the source has its own `{name}` split of {len(splits[name])} rows"
        )
        raise data_error("split-exists", message, helps=[f"leave `{asked}` out of `data.split`"])
    if name == "test" and split.folds and split.test is not None:
        raise data_error(
            "split-exists", "`split.folds` and `split.test` both make the test split", helps=["keep one of them"]
        )


def _wanted(name: str, share: int | float, given: int, left: int) -> int:
    count = share if isinstance(share, int) else int(share * given + 0.5)
    if count >= left:
        message = f"`split.{name}` asks for {count} rows, and `train` has {left}"
        raise data_error("too-few-rows", message, notes=["at least one row has to stay in `train`"])
    if count == 0:
        raise data_error(
            "empty-split", f"`split.{name}: {share}` of {given} rows is no row", helps=["ask for a larger share"]
        )
    return count


def _draw(train: Array, count: int, name: str, seed: int, groups: Array | None) -> Array:
    """``count`` rows of ``train``, ascending; of each group its share, largest remainders making the sum exact."""
    import numpy as np

    order = train[permutation(len(train), "split", name, seed)]
    if groups is None:
        return np.sort(order[:count])
    classes, sizes = np.unique(groups[train], return_counts=True)
    quotas, remainders = np.divmod(sizes * count, len(train))
    quotas[np.argsort(-remainders, kind="stable")[: count - int(quotas.sum())]] += 1
    parts = [order[groups[order] == c][:quota] for c, quota in zip(classes, quotas, strict=True)]
    return np.sort(np.concatenate(parts))


def _fold(train: Array, folds: int, fold: int, seed: int, groups: Array | None) -> Array:
    """Every row is in exactly one fold; dealt out like cards, group by group, so that folds differ by at most a row."""
    import numpy as np

    if folds > len(train):
        raise data_error("too-few-rows", f"`split.folds` asks for {folds} parts, and `train` has {len(train)} rows")
    if not 0 <= fold < folds:
        raise data_error("unknown-split", f"there is no fold {fold} of {folds}", helps=["folds count from 0"])
    order = train[permutation(len(train), "split", "folds", seed)]
    if groups is not None:
        order = order[np.argsort(groups[order], kind="stable")]
    return np.sort(order[fold::folds])
