"""Which rows train, which validate, which test."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self, TypeAlias

import pydantic

from netspec.data.faults import data_error, shown
from netspec.data.paths import SPLITS
from netspec.data.permutation import permutation
from netspec.declared import Declared, Items

if TYPE_CHECKING:
    from netspec.data.table import Array

Share: TypeAlias = Annotated[int, pydantic.Field(ge=1)] | Annotated[float, pydantic.Field(gt=0, lt=1)]
Splits: TypeAlias = "Mapping[str, Array]"
"""The rows of each split in the table, ``int64[n]``, ascending."""

Amount: TypeAlias = (
    Annotated[int, pydantic.Field(ge=1)] | Annotated[float, pydantic.Field(gt=0, lt=1)] | Literal["rest"]
)

UNSTRATIFIED: Final = "none"


class SplitColumn(Declared):
    """A column whose values say where a row belongs; every value that is not listed trains."""

    column: str = pydantic.Field(description="The column of the source.")
    validation: Items[str | int] = pydantic.Field(default=(), description="The values of rows that validate.")
    test: Items[str | int] = pydantic.Field(default=(), description="The values of rows that test.")


class Split(Declared):
    """Rows taken from ``train`` by the run's seed; a test split that the source comes with stays as it is.

    ``by`` goes before all else. Shares are of ``train`` as it then is, rounded to whole rows, a half upwards. The test
    rows do not depend on how many rows validate. ``netspec train --folds K`` trains once with each of K parts as the
    test split.
    """

    validation: Share | None = pydantic.Field(
        default=None, description="Rows, or a share below 1, that select the best weights."
    )
    test: Share | None = pydantic.Field(
        default=None, description="Rows, or a share below 1, that are measured once, at the end."
    )
    stratify: str | None = pydantic.Field(
        default=None,
        description="A category: each of its classes is split in the same ratio; `none` is no category, where "
        "`--folds` would take the target.",
    )
    by: str | SplitColumn | None = pydantic.Field(
        default=None,
        description="A column that says `train`, `validation` or `test` in every row; or a column and the values of "
        "each split, `{column: year, test: [2024]}`. No field `*` takes this column.",
    )
    folds: Annotated[int, pydantic.Field(ge=2)] | None = pydantic.Field(
        default=None, description="Cut the rows into so many parts, of which one is the test split."
    )
    fold: Annotated[int, pydantic.Field(ge=1)] | None = pydantic.Field(
        default=None, description="With `folds`, which part is the test split, from 1; the first unless said."
    )

    @pydantic.model_validator(mode="after")
    def _makes_one_test_split(self) -> Self:
        if self.folds is not None and self.test is not None:
            raise ValueError("`folds` and `test` both make the test split: keep one of them")
        if self.fold is not None and (self.folds is None or self.fold > self.folds):
            raise ValueError(f"there is no part {self.fold} of {self.folds or 'rows that `folds` does not cut'}")
        return self

    @property
    def strata(self) -> str | None:
        """The category whose ratio every split keeps."""
        return None if self.stratify == UNSTRATIFIED else self.stratify

    @property
    def column(self) -> str | None:
        """The column that `by` reads."""
        return self.by.column if isinstance(self.by, SplitColumn) else self.by


class Stretches(Declared):
    """Stretches of a text or a series in their order: training first, then validation, then test.

    An integer is tokens or rows, a number below 1 a share of them, `rest` what the others leave.
    """

    train: Amount = pydantic.Field(default="rest", description="What trains.")
    validation: Amount | None = pydantic.Field(default=None, description="What selects the best weights.")
    test: Amount | None = pydantic.Field(default=None, description="What is measured once, at the end.")

    @pydantic.model_validator(mode="after")
    def _has_one_rest(self) -> Self:
        if [self.train, self.validation, self.test].count("rest") > 1:
            raise ValueError("only one of `train`, `validation` and `test` can be the `rest`")
        return self

    def stretches(self, count: int, name: str, unit: str) -> dict[str, range]:
        """Where each split lies.

        Args:
            count: how many tokens or rows there are.
            name: what they are called as a whole, for messages.
            unit: what one of them is called.

        Raises:
            DataError: if there are too few.
        """
        asked = {split: own for split in SPLITS if (own := getattr(self, split)) is not None}
        sizes = {split: _amount(own, count) for split, own in asked.items()}
        left = count - sum(sizes.values())
        if left < 0:
            message = f"`split` asks for {count - left:,} {unit}, and {name} has {count:,}"
            raise data_error("too-few-rows", message, helps=["ask for fewer, or for shares below 1"])
        sizes = {split: left if asked[split] == "rest" else own for split, own in sizes.items()}
        found, start = {}, 0
        for split, own_count in sizes.items():
            if not own_count:
                raise data_error("empty-split", f"`split` leaves no {unit} of {name} for `{split}`")
            found[split] = range(start, start + own_count)
            start += own_count
        return found


def split_rows(split: Split, own: Mapping[str, range | Array], seed: int, *, groups: Array | None = None) -> Splits:
    """Share out the rows.

    Args:
        split: what the spec asks for.
        own: the splits the source comes with.
        seed: the run's.
        groups: the class of every row of the table, ``int[rows]``, where the split is stratified.

    Raises:
        DataError: if there are too few rows, a split would be empty, or the source has that split already.
    """
    import numpy as np

    splits = {name: np.asarray(rows, dtype=np.int64) for name, rows in own.items()}
    sizes = split_sizes(split, {name: len(rows) for name, rows in splits.items()})
    for name in ("test", "validation"):
        if getattr(split, name) is not None:
            splits[name] = _draw(splits["train"], sizes[name], name, seed, groups)
        elif name == "test" and split.folds:
            splits[name] = _fold(splits["train"], split.folds, (split.fold or 1) - 1, seed, groups)
        else:
            continue
        splits["train"] = np.setdiff1d(splits["train"], splits[name], assume_unique=True)
    return {name: splits[name] for name in SPLITS if name in splits}


def split_sizes(split: Split, own: Mapping[str, int]) -> dict[str, int]:
    """How many rows each split gets, of ``own`` that the source comes with and `by` gives.

    Raises:
        DataError: if there are too few rows, a split would be empty, or the source has that split already.
    """
    sizes = dict(own)
    for name in ("test", "validation"):
        share = split.folds if name == "test" and split.folds else getattr(split, name)
        if share is None:
            continue
        _refuse_taken(name, split, sizes)
        if name == "test" and split.folds:
            sizes[name] = _part(split.folds, split.fold or 1, sizes["train"])
        else:
            sizes[name] = _wanted(name, share, own["train"], sizes["train"])
        sizes["train"] -= sizes[name]
    for name, rows in sizes.items():
        if not rows:
            raise data_error("empty-split", f"the split `{name}` has no rows")
    return sizes


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

    codes = codes_of_column(by, names, place)
    refuse_absent(by, set(names.tolist()))
    splits = {name: np.flatnonzero(codes == code) for code, name in enumerate(SPLITS)}
    return {name: rows for name, rows in splits.items() if len(rows) or name == "train"}


def codes_of_column(by: str | SplitColumn, names: Array, place: Callable[[int], str]) -> Array:
    """The split of each row as its place in `SPLITS`, ``uint8[rows]``; as `splits_of_column`.

    Raises:
        DataError: if a row names no split, or the spec one value for two splits.
    """
    import numpy as np

    if isinstance(by, str):
        codes = {name: code for code, name in enumerate(SPLITS)}
    else:
        both = {str(value) for value in by.validation} & {str(value) for value in by.test}
        if both:
            raise data_error("split-exists", f"`split.by` names `{min(both)}` for two splits")
        codes = {str(value): SPLITS.index(name) for name in SPLITS[1:] for value in getattr(by, name)}
    unknown = -1 if isinstance(by, str) else 0
    found = np.array([codes.get(name, unknown) for name in names.tolist()], dtype=np.int16)
    if (found < 0).any():
        row = int(np.argmax(found < 0))
        message = f"{place(row)}, column `{by}`: `{shown(names[row])}` is no split"
        raise data_error("unknown-split", message, helps=["splits are `train`, `validation` and `test`"])
    return found.astype(np.uint8)


def refuse_absent(by: str | SplitColumn, seen: Collection[str]) -> None:
    """Raise if a value that a split needs stands in no row."""
    if isinstance(by, str):
        if "train" not in seen:
            raise data_error("empty-split", f"no row says `train` in the column `{by}`")
        return
    for name in SPLITS[1:]:
        for value in getattr(by, name):
            if str(value) not in seen:
                raise data_error("empty-split", f"no row has `{value}` in `{by.column}`, which `split.by.{name}` names")


def refuse_two_ways(own: Collection[str]) -> None:
    """Raise if a column is to share out the rows of a source that has splits of its own."""
    if list(own) != ["train"]:
        listed = ", ".join(f"`{name}`" for name in own)
        raise data_error("split-exists", f"`split.by` shares out rows, and the source has the splits {listed} already")


def _refuse_taken(name: str, split: Split, sizes: Mapping[str, int]) -> None:
    if name in sizes:
        asked = "folds" if name == "test" and split.folds else name
        message = f"`split.{asked}` asks for rows, but the source has its own `{name}` split of {sizes[name]} rows"
        helps = [f"leave `{asked}` out of `data.split`" + (", and `--folds` out" if asked == "folds" else "")]
        raise data_error("split-exists", message, helps=helps)


def _part(folds: int, fold: int, rows: int) -> int:
    """How many rows a part has; the first ones get one more where they do not come out even."""
    if folds > rows:
        raise data_error("too-few-rows", f"`split.folds` asks for {folds} parts, and `train` has {rows} rows")
    return (rows - fold) // folds + 1


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
    quotas = quotas_of(sizes, count)
    parts = [order[groups[order] == c][:quota] for c, quota in zip(classes, quotas, strict=True)]
    return np.sort(np.concatenate(parts))


def quotas_of(sizes: Array, count: int) -> Array:
    """How many of ``count`` rows fall to groups of these sizes."""
    import numpy as np

    quotas, remainders = np.divmod(sizes * count, sizes.sum())
    quotas[np.argsort(-remainders, kind="stable")[: count - int(quotas.sum())]] += 1
    return quotas


def _fold(train: Array, folds: int, fold: int, seed: int, groups: Array | None) -> Array:
    """Every row is in exactly one fold; dealt out like cards, group by group, so that folds differ by at most a row."""
    import numpy as np

    order = train[permutation(len(train), "split", "folds", seed)]
    if groups is not None:
        order = order[np.argsort(groups[order], kind="stable")]
    return np.sort(order[fold::folds])


def _amount(amount: Amount, total: int) -> int:
    if amount == "rest":
        return 0
    return amount if isinstance(amount, int) else int(amount * total + 0.5)
