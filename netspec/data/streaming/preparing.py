"""Streamed data made ready for training: rows shared out, fields fitted and made, piece by piece."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.data.faults import data_error, refuse_unknown_fields, told_at
from netspec.data.field import Learnt, column_type
from netspec.data.fields.category import class_names, refuse_many_values
from netspec.data.fields.number import NO_FIELD, refuse_not_finite
from netspec.data.fieldtype import FieldType
from netspec.data.fitting import Fitted, FittedField, fit_scaling, middle
from netspec.data.paths import SPLITS
from netspec.data.section import DataSection, Spans
from netspec.data.splits import codes_of_column, refuse_absent, refuse_two_ways
from netspec.data.streaming.chosen import DROPPED, Chosen
from netspec.data.streaming.prepared import Prepared, entry_for, fingerprint, load, new_entry, save
from netspec.data.streaming.sharing import share_out
from netspec.data.streaming.stored import StoredColumn, Writer
from netspec.data.streaming.streamed import ByPieces, Streamed
from netspec.data.table import Table, listed

if TYPE_CHECKING:
    from netspec.data.table import Array
    from netspec.diagnostics import Span


@dataclass(frozen=True)
class Wish:
    """What is to be made of the data: as `open_data` is asked for it."""

    section: DataSection
    base: Path
    seed: int
    inputs: tuple[str, ...]
    needed: Collection[str] | None
    fitted: Fitted | None
    span: Spans

    def place(self, name: str) -> Span | None:
        """Where the spec says what a field is, or that it is a column as it comes."""
        is_made = name in self.section.fields
        return self.span(("fields", name)) if is_made else self.span(("source", self.section.source.kind))

    @property
    def seed_of_splits(self) -> int | None:
        """The seed, if rows are drawn by it."""
        split = self.section.split
        return None if split.validation is None and split.test is None else self.seed


def prepare(wish: Wish, told: Callable[[str], None]) -> Prepared:
    """The fields of streamed data in files: those of an earlier run, or made now.

    Raises:
        DataError: if the data are wrong; the message names file, row and column.
        EnvironmentFault: if the cache folder cannot be written, or the disk is full.
    """
    section, origin = wish.section, wish.span(("source", wish.section.source.kind))
    with told_at(origin):
        files = section.source.files(wish.base)
    needed = None if wish.needed is None else sorted(wish.needed)
    settings: list[object] = [section.source, section.fields, section.split, section.standardize]
    settings += [wish.seed_of_splits, sorted(wish.inputs), needed]
    folder = entry_for(files, settings)
    found = load(folder, files)
    if wish.fitted is not None and (found is None or found.fitted.to_json() != wish.fitted.to_json()):
        settings.append(wish.fitted.to_json())
        folder = entry_for(files, settings)
        found = load(folder, files)
    if found is None:
        size = sum(path.stat().st_size for path in files)
        what = f"{listed(path.name for path in files)} ({size / 1e6:,.0f} MB)"
        told(f"reading {what} once, to stream from `{folder.parent}` afterwards")
        with new_entry(folder) as made:
            save(made, _Preparing(wish, made).prepared(files))
        found = load(folder, files) if folder == entry_for(files, settings) else None
    if found is None:
        what = listed(path.name for path in files)
        message = f"{what} changed while it was read, or `{folder.parent}` does not keep what is written there"
        raise data_error("changed-data", message, helps=["begin again when nothing writes to these files"])
    return found


class _Preparing:
    """One preparation in a folder of its own."""

    def __init__(self, wish: Wish, folder: Path) -> None:
        self.wish, self.section, self.folder = wish, wish.section, folder

    def prepared(self, files: tuple[Path, ...]) -> Prepared:
        import shutil

        raw = self.folder / "raw"
        raw.mkdir()
        with told_at(self.wish.span(("source", self.section.source.kind))):
            source = self.section.source.stream(self.wish.base, raw, self._wanted)
        self.unused = self.section.unused(source.types)
        self.told = functools.partial(
            told_at, origin=source.sheets.origin, advice=functools.partial(self._advice, source.types)
        )
        codes, groups = self._shared(source)
        with self.told(self.wish.span(("split",))):
            splits = share_out(self.section.split, source.splits, codes, self.wish.seed, groups)
        learnt = self._learnt(source, splits["train"])
        columns = self._made(source, codes, learnt)
        fields = {}
        for name, known in learnt.items():
            with self.told(self.wish.place(name)):
                fields[name] = self._fitted(name, known, columns[name], splits["train"])
        middles = {name: middle(learnt[name].type, columns[name], splits["train"]) for name in learnt}
        if self.wish.fitted is None:
            fields = {name: replace(field, middle=middles[name]) for name, field in fields.items()}
        shutil.rmtree(raw)
        return Prepared(columns, Fitted(fields), middles, codes, source.sheets.places, fingerprint(files))

    def _advice(self, types: Mapping[str, FieldType], code: str) -> tuple[str, ...]:
        """What the source says of a fault."""
        return self.section.source.advice(Table({}, types, {}, (), ""), code)

    def _wanted(self, columns: Collection[str]) -> Collection[str]:
        """Of all columns those that a field or the split reads."""
        section = self.section
        if not section.fields or any(field.takes_rest for field in section.fields.values()):
            return columns
        read = {name for field in section.fields.values() for name in field.reads(columns)}
        return read | {name for name in (section.split.column, section.split.strata) if name}

    def _shared(self, source: Streamed) -> tuple[Array, Array | None]:
        """The split of each row as it comes, and its class where the split is stratified.

        Raises:
            DataError: if no row is left, or a row names no split.
        """
        import numpy as np

        codes = np.full(source.rows, SPLITS.index("train"), np.uint8)
        for name, own in source.splits.items():
            codes[own.start : own.stop] = SPLITS.index(name)
        by, column = self.section.split.by, self.section.split.column
        with self.told(self.wish.span(("split",))):
            if column is not None:
                refuse_two_ways(source.splits)
                refuse_many_values(column_type(source.types, column), column)
            strata = _Strata(self._strata(source), source.rows)
        droppers = [name for name, field in self.section.fields.items() if field.drops]
        names = source.columns if droppers else [name for name in (column, strata.column) if name is not None]
        seen: set[str] = set()
        for start, piece in source.pieces(names) if names else ():
            kept = self._kept(piece, droppers)
            table = piece if kept.all() else piece.kept(kept)
            rows = start + np.flatnonzero(kept)
            codes[start : start + piece.rows][~kept] = DROPPED
            with self.told(self.wish.span(("split",))):
                if by is not None and column is not None:
                    values = class_names(table, column)
                    codes[rows] = codes_of_column(by, values, table.place)
                    seen.update(values.tolist())
                strata.add(table, rows)
        if (codes == DROPPED).all():
            with self.told(self.wish.place(droppers[-1])):
                raise data_error("no-rows", f"`missing: drop` leaves none of the {source.rows} rows")
        with self.told(self.wish.span(("split",))):
            if by is not None:
                refuse_absent(by, seen)
        return codes, strata.groups()

    def _kept(self, piece: Table, droppers: Collection[str]) -> Array:
        """Which rows no field asks to leave out."""
        import numpy as np

        kept = np.ones(piece.rows, dtype=bool)
        for name in droppers:
            with self.told(self.wish.place(name)):
                dropped = self.section.fields[name].dropped(piece, self.unused)
            if dropped is not None:
                kept &= ~dropped
        return kept

    def _strata(self, source: Streamed) -> str | None:
        """The column whose classes every split holds in one ratio."""
        name = self.section.split.strata
        if name is None:
            return None
        field = self.section.fields.get(name)
        column = (field.grouping if field else None) or name
        refuse_many_values(column_type(source.types, column), column)
        return column

    def _learnt(self, source: Streamed, train: Chosen) -> dict[str, Learnt]:
        """What each field takes from the training rows, or took from those of an earlier run."""
        section, table = self.section, ByPieces(source)
        names = (*section.visible(source.types), *section.fields)
        needed, fitted = self.wish.needed, self.wish.fitted
        refuse_unknown_fields(names if needed is None else needed, names)
        found: dict[str, Learnt] = {}
        for name in names:
            if needed is not None and name not in needed:
                continue
            field = section.fields.get(name)
            if fitted is not None and name in fitted.fields:
                found[name] = fitted.fields[name].learnt
            elif field is None:
                found[name] = Learnt(source.types[name])
            else:
                with self.told(self.wish.place(name)):
                    found[name] = field.fit(table, train, self.unused)
        return found

    def _made(self, source: Streamed, codes: Array, learnt: Mapping[str, Learnt]) -> dict[str, StoredColumn]:
        """The fields of every row, in files; one that is a column as it lies in its file is left there."""
        made: dict[str, StoredColumn] = {}
        writers: dict[str, Writer] = {}
        are_all_kept = not (codes == DROPPED).any()
        with ExitStack() as opened:
            for start, piece in source.pieces(self._read(source, learnt)):
                kept = codes[start : start + piece.rows] != DROPPED
                table = piece if kept.all() else piece.kept(kept)
                for name in learnt:
                    with self.told(self.wish.place(name)):
                        values = self._values(name, table, learnt[name])
                    if start == 0 and are_all_kept and source.stays:
                        same = _column_itself(values, piece, source)
                        if same is not None:
                            made[name] = replace(same, features=values.shape[1:])
                    if name in made:
                        continue
                    if name not in writers:
                        path = self.folder / f"column_{len(writers)}.npy"
                        writers[name] = Writer(path, values.dtype, values.shape[1:], source.rows)
                        opened.callback(writers[name].close)
                    writers[name].write(_spread(values, kept))
        return {name: made[name] if name in made else writers[name].column() for name in learnt}

    def _read(self, source: Streamed, learnt: Mapping[str, Learnt]) -> set[str]:
        """The columns that fields are made of."""
        read: set[str] = set()
        for name, known in learnt.items():
            field = self.section.fields.get(name)
            named = (name,) if field is None else (*field.reads(source.types), *known.columns)
            read.update(column for column in named if column in source.columns)
        return read

    def _values(self, name: str, table: Table, learnt: Learnt) -> Array:
        field = self.section.fields.get(name)
        if field is not None:
            return field.make(table, learnt)
        refuse_not_finite(table, name, NO_FIELD)
        return table.columns[name].astype(learnt.type.dtype, copy=False)

    def _fitted(self, name: str, learnt: Learnt, column: StoredColumn, train: Chosen) -> FittedField:
        fitted = self.wish.fitted
        if fitted is not None and name in fitted.fields:
            return fitted.fields[name]
        return fit_scaling(name, learnt, column, train, self.section.scaling(name, learnt.type, self.wish.inputs))


class _Strata:
    """The classes of rows as they come, as numbers."""

    def __init__(self, column: str | None, rows: int) -> None:
        import numpy as np

        self.column = column
        self._names: dict[str, int] = {}
        self._codes = None if column is None else np.zeros(rows, np.int32)

    def add(self, table: Table, rows: Array) -> None:
        import numpy as np

        if self.column is None or self._codes is None:
            return
        names = class_names(table, self.column).tolist()
        for name in names:
            self._names.setdefault(name, len(self._names))
        self._codes[rows] = np.array([self._names[name] for name in names], np.int32)

    def groups(self) -> Array | None:
        """Classes numbered in the order of their names, as they are in memory."""
        import numpy as np

        if self._codes is None:
            return None
        ranks = np.zeros(max(1, len(self._names)), np.int32)
        for rank, name in enumerate(sorted(self._names)):
            ranks[self._names[name]] = rank
        return ranks[self._codes]


def _column_itself(values: Array, piece: Table, source: Streamed) -> StoredColumn | None:
    """The column in a file whose rows ``values`` are, byte by byte, if there is one."""
    for name, column in source.columns.items():
        read = piece.columns.get(name)
        if read is None or not isinstance(column, StoredColumn):
            continue
        if (values.ctypes.data, values.nbytes, values.dtype) == (read.ctypes.data, read.nbytes, read.dtype):
            return column
    return None


def _spread(values: Array, kept: Array) -> Array:
    """Values of the rows that are kept, at their places among all; zeros elsewhere."""
    import numpy as np

    if len(values) == len(kept):
        return values
    found = np.zeros((len(kept), *values.shape[1:]), values.dtype)
    found[kept] = values
    return found
