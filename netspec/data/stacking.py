"""Files that together are one table: those of a split follow each other, and the splits too."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.data.faults import data_error
from netspec.data.fieldtype import FieldType
from netspec.data.paths import SPLITS
from netspec.data.table import Place, Table, make_table

if TYPE_CHECKING:
    from netspec.data.table import Array


@dataclass(frozen=True)
class Sheet:
    """The columns of one file."""

    file: str
    columns: Mapping[str, Array]

    @property
    def rows(self) -> int:
        return next((len(column) for column in self.columns.values()), 0)


@dataclass(frozen=True)
class Stacked:
    """The columns of several files, and where each row comes from."""

    columns: Mapping[str, Array]
    splits: Mapping[str, range]
    places: tuple[Place, ...]
    origin: str


def stack(files: Mapping[str, Sequence[Path]], read: Callable[[Path], Sheet]) -> Stacked:
    """The sheets of files by split, one below the other; columns may stand in another order in each.

    Raises:
        DataError: if they differ in their columns, or a column in the shape of its values.
    """
    import numpy as np

    sheets = [(split, read(path)) for split, paths in files.items() for path in paths]
    first = sheets[0][1]
    splits: dict[str, range] = {}
    places, start = [], 0
    for split, sheet in sheets:
        refuse_other_columns(sheet.columns, sheet.file, first.columns, first.file)
        places.append(Place(sheet.file, start))
        splits[split] = range(splits[split].start if split in splits else start, start + sheet.rows)
        start += sheet.rows
    columns = {}
    for name, column in first.columns.items():
        for _, sheet in sheets[1:]:
            refuse_other_shape(name, column.shape[1:], first.file, sheet.columns[name].shape[1:], sheet.file)
        every = [sheet.columns[name] for _, sheet in sheets]
        columns[name] = every[0] if len(every) == 1 else np.concatenate(every)
    return Stacked(columns, splits, tuple(places), first.file)


def table_of_fields(
    files: Mapping[str, Mapping[str, Sequence[Path]]],
    read: Callable[[Path], Array],
    typed: Callable[[str, Array, Callable[[int], str]], tuple[Array, FieldType]],
) -> Table:
    """The table of some fields, each from files of its own by split.

    Args:
        files: for each field its files.
        read: the array of one file, rows first.
        typed: the column and type that an array is, by the name of its field and what to call a row of it.

    Raises:
        DataError: if fields do not fit together.
    """
    import numpy as np

    parts = {
        name: {split: _joined(name, by_split[split], read) for split in SPLITS if split in by_split}
        for name, by_split in files.items()
    }
    sizes = {name: {split: len(part) for split, part in by_split.items()} for name, by_split in parts.items()}
    first = next(iter(sizes), "")
    refuse_other_rows(sizes)
    places = places_of(files, sizes[first]) if sizes else ()
    row_name = Table({}, {}, {}, places, "").place
    columns, types = {}, {}
    for name, by_split in parts.items():
        train, others = by_split["train"], list(by_split.items())[1:]
        for split, part in others:
            refuse_other_shape(name, train.shape[1:], "`train`", part.shape[1:], f"`{split}`")
        whole = train if not others else np.concatenate([train, *(part for _, part in others)])
        if not len(whole):
            raise data_error("no-rows", f"the field `{name}` has no rows in {files[name]['train'][0].name}")
        columns[name], types[name] = typed(name, whole, functools.partial(row_name, column=name))
    splits, start = {}, 0
    for split, rows in sizes[first].items() if sizes else ():
        splits[split] = range(start, start + rows)
        start += rows
    return make_table(columns, types, splits=splits, places=places, origin="the source")


def places_of(files: Mapping[str, Mapping[str, Sequence[Path]]], sizes: Mapping[str, int]) -> tuple[Place, ...]:
    """A place a split; the cells of a row lie in the file of their field."""
    places, start = [], 0
    for split, rows in sizes.items():
        names = {field: " + ".join(path.name for path in by_split[split]) for field, by_split in files.items()}
        places.append(Place(next(iter(names.values())), start, files=names))
        start += rows
    return tuple(places)


def refuse_other_rows(sizes: Mapping[str, Mapping[str, int]]) -> None:
    """Raise unless all fields have the same splits of the same sizes."""
    first = next(iter(sizes), "")
    for name, found in sizes.items():
        expected = sizes[first]
        for split in {**expected, **found}:
            if split not in expected or split not in found:
                has, lacks = (first, name) if split in expected else (name, first)
                raise data_error("unequal-rows", f"the field `{has}` has a file for `{split}`, and `{lacks}` has none")
            if expected[split] != found[split]:
                rows = f"{expected[split]:,} rows in `{split}`, and `{name}` has {found[split]:,}"
                raise data_error("unequal-rows", f"the field `{first}` has {rows}")


def refuse_other_columns(names: Iterable[str], file: str, first: Iterable[str], first_file: str) -> None:
    """Raise unless two files have the same columns, in any order."""
    odd = ", ".join(f"`{name}`" for name in sorted(set(names) ^ set(first)))
    if odd:
        raise data_error("unequal-columns", f"{file} and {first_file} differ in their columns: {odd}")


def _joined(name: str, paths: Sequence[Path], read: Callable[[Path], Array]) -> Array:
    import numpy as np

    arrays = [read(path) for path in paths]
    for array, path in zip(arrays, paths, strict=True):
        refuse_other_shape(name, arrays[0].shape[1:], paths[0].name, array.shape[1:], path.name)
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def refuse_other_shape(name: str, one: tuple[int, ...], here: str, other: tuple[int, ...], there: str) -> None:
    """Raise unless the samples of a field have one shape."""
    if one != other:
        shapes = f"{list(one)} in {here} and {list(other)} in {there}"
        raise data_error("unequal-columns", f"a sample of `{name}` has the shape {shapes}")
