"""Files that together are one table: those of a split follow each other, and the splits too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    """The columns of one file; ``lines`` are those that its rows end on, where it is text."""

    file: str
    columns: Mapping[str, Array]
    lines: Array | None = None

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
        if sheet.columns.keys() != first.columns.keys():
            odd = ", ".join(f"`{name}`" for name in sorted(sheet.columns.keys() ^ first.columns.keys()))
            raise data_error("unequal-columns", f"{sheet.file} and {first.file} differ in their columns: {odd}")
        places.append(Place(sheet.file, start, sheet.lines))
        splits[split] = range(splits[split].start if split in splits else start, start + sheet.rows)
        start += sheet.rows
    columns = {}
    for name, column in first.columns.items():
        for _, sheet in sheets[1:]:
            _refuse_other_shape(name, column, first.file, sheet.columns[name], sheet.file)
        every = [sheet.columns[name] for _, sheet in sheets]
        columns[name] = every[0] if len(every) == 1 else np.concatenate(every)
    return Stacked(columns, splits, tuple(places), first.file)


def table_of_fields(
    files: Mapping[str, Mapping[str, Sequence[Path]]],
    read: Callable[[Path], Array],
    typed: Callable[[str, Array], tuple[Array, FieldType]],
) -> Table:
    """The table of some fields, each from files of its own by split.

    Args:
        files: for each field its files.
        read: the array of one file, rows first.
        typed: the column and type that an array is, by the name of its field.

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
    columns, types = {}, {}
    for name, by_split in parts.items():
        if sizes[name] != sizes[first]:
            message = f"the fields `{first}` and `{name}` differ in their rows: {sizes[first]} and {sizes[name]}"
            raise data_error("unequal-rows", message)
        train, others = by_split["train"], list(by_split.items())[1:]
        for split, part in others:
            _refuse_other_shape(name, train, "`train`", part, f"`{split}`")
        whole = train if not others else np.concatenate([train, *(part for _, part in others)])
        if not len(whole):
            raise data_error("no-rows", f"the field `{name}` has no rows in {files[name]['train'][0].name}")
        columns[name], types[name] = typed(name, whole)
    splits, places, start = {}, [], 0
    for split, rows in sizes[first].items() if sizes else ():
        splits[split] = range(start, start + rows)
        places.append(Place(" + ".join(p.name for p in files[first][split]), start))
        start += rows
    return make_table(columns, types, splits=splits, places=tuple(places), origin="the source")


def _joined(name: str, paths: Sequence[Path], read: Callable[[Path], Array]) -> Array:
    import numpy as np

    arrays = [read(path) for path in paths]
    for array, path in zip(arrays, paths, strict=True):
        _refuse_other_shape(name, arrays[0], paths[0].name, array, path.name)
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _refuse_other_shape(name: str, one: Array, here: str, other: Array, there: str) -> None:
    if one.shape[1:] != other.shape[1:]:
        shapes = f"{list(one.shape[1:])} in {here} and {list(other.shape[1:])} in {there}"
        raise data_error("unequal-columns", f"a sample of `{name}` has the shape {shapes}")
