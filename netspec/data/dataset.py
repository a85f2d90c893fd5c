"""A source opened: its fields as arrays, its splits, and what was fitted."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec.data.batches import Feed, FeedInMemory, Visit, VisitInMemory, in_turn
from netspec.data.faults import data_error, refuse_unknown_fields, told_at
from netspec.data.field import Learnt, column_type
from netspec.data.fields.category import class_names, classes_of_column, refuse_many_values
from netspec.data.fields.number import NO_FIELD, refuse_not_finite
from netspec.data.fieldtype import FieldType
from netspec.data.fitting import Fitted, FittedField, fit_scaling, middle
from netspec.data.ragged import Ragged, apart
from netspec.data.section import DataSection, Spans
from netspec.data.splits import Splits, refuse_two_ways, split_rows, splits_of_column
from netspec.data.table import Table, fingerprint

if TYPE_CHECKING:
    from netspec.data.ragged import Column
    from netspec.data.streaming.dataset import StreamedDataset
    from netspec.data.table import Array


@dataclass(frozen=True, eq=False)
class Dataset:
    """The fields of a spec's data, in memory as the graph reads them.

    ``table.columns`` are C-contiguous, one row a sample, and can be read in whole vectors (`readable_beyond`); fields
    whose rows differ in length are `Ragged`, under ``table.ragged``. ``arrays`` holds the arrays of both.
    """

    table: Table
    splits: Splits
    fitted: Fitted
    bucket: bool = False
    """Whether batches are filled with rows of like length."""

    @property
    def fields(self) -> Mapping[str, FieldType]:
        return self.table.types

    @property
    def columns(self) -> Mapping[str, Array]:
        return self.table.columns

    @property
    def ragged(self) -> Mapping[str, Ragged]:
        return self.table.ragged

    @property
    def arrays(self) -> dict[str, Array]:
        """All fields by the keys under which the graphs read them: ``NAME``, of ragged ones `Ragged.arrays`."""
        return self.table.arrays

    @property
    def fingerprint(self) -> str:
        """Of the source as it was read, whatever fields are made of it."""
        return self.table.fingerprint

    def fingerprints(self) -> dict[str, str]:
        """Of every field as it was made."""
        dense = {name: fingerprint({name: column}) for name, column in self.columns.items()}
        return dense | {name: fingerprint(column.arrays(name)) for name, column in self.ragged.items()}

    def place(self, row: int) -> str:
        """Where a row that is in memory comes from, by its place in the columns: ``mpg.csv, line 34``."""
        return self.table.place(row)

    def dtype(self, name: str) -> Any:
        """What a field is held as."""
        return self.ragged[name].dtype if name in self.ragged else self.columns[name].dtype

    def prepare(self, names: Collection[str], batch: int) -> None:
        """Say which fields are read, and in batches of how many rows at most: here all rows are in memory anyway."""

    def feed(self, seed: int, batch: int, *, shuffle: bool, carried: bool = False) -> Feed:
        """The batches that a training goes through.

        Where a state is ``carried`` from each to the next they are in the order of `in_turn`, whatever ``shuffle``
        says: row b of a batch continues row b of the one before.
        """
        rows = self.splits["train"]
        if carried:
            return FeedInMemory(in_turn(rows, batch), seed, batch, shuffle=False)
        lengths = [column.lengths for column in self.ragged.values()] if self.bucket else None
        return FeedInMemory(rows, seed, batch, shuffle=shuffle, lengths=lengths)

    def visit(self, split: str, *, carried: bool = False) -> Visit:
        """The rows of a split, to be measured; ``carried`` as in `feed`."""
        return VisitInMemory(self.splits[split], carried=carried)

    def first(self, split: str, count: int) -> Array:
        """The first rows of a split, ``int64[n]``."""
        return self.splits[split][:count]

    def middle(self, name: str) -> float:
        """Midway between the least and the largest value of a single number in training: where it is cut in two."""
        if name in self.ragged or "train" not in self.splits:
            return self.fitted.fields[name].middle
        return middle(self.fields[name], self.columns[name], self.splits["train"])


AnyDataset: TypeAlias = "Dataset | StreamedDataset"


def open_data(
    section: DataSection,
    base: Path,
    seed: int,
    *,
    inputs: Collection[str] = (),
    needed: Collection[str] | None = None,
    fitted: Fitted | None = None,
    offline: bool = False,
    span: Spans = lambda path: None,
    table: Table | None = None,
    told: Callable[[str], None] = lambda text: None,
) -> AnyDataset:
    """Open the source, share out its rows, make the fields and fit them on the training rows.

    Args:
        section: the spec's ``data``.
        base: the folder that its paths are relative to.
        seed: the run's, for the splits.
        inputs: the fields that the network reads, which ``standardize`` is about.
        needed: the fields to make; by default all.
        fitted: what an earlier run has fitted, to be used instead of fitting anew.
        offline: download nothing.
        span: where a key of the section stands in the spec.
        table: the source, where it is open already.
        told: is told what takes long.

    Raises:
        DataError: if the data are wrong; the message names file, row and column.
        EnvironmentFault: if they are not here and cannot be fetched.
    """
    if section.stream:
        from netspec.data.streaming.dataset import open_stream
        from netspec.data.streaming.preparing import Wish

        return open_stream(Wish(section, base, seed, tuple(inputs), needed, fitted, span), told)
    source = section.source
    table = table or open_source(section, base, offline=offline, span=span, told=told)
    origin, advice = table.origin, functools.partial(source.advice, table)
    table = _without_dropped(section, table, span)
    with told_at(span(("split",)), origin, advice):
        groups = _groups(section, table)
        splits = split_rows(section.split, _own_splits(section, table), seed, groups=groups)
    made: dict[str, Column] = {}
    fields: dict[str, FittedField] = {}
    names = (*section.visible(table.types), *section.every_field())
    refuse_unknown_fields(names if needed is None else needed, names)
    for name in names:
        if needed is None or name in needed:
            known = fitted.fields.get(name) if fitted else None
            place = span(("fields", name)) if name in section.fields else span(("source", source.kind))
            with told_at(place, origin, advice):
                made[name], fields[name] = _make(section, name, table, splits["train"], known, inputs)
    types = {name: f.type for name, f in fields.items()}
    columns, ragged = apart(made)
    whole = Table(columns, types, table.splits, table.places, table.fingerprint, ragged)
    return Dataset(whole, splits, Fitted(fields), section.bucket)


def open_source(
    section: DataSection,
    base: Path,
    *,
    offline: bool = False,
    span: Spans = lambda path: None,
    told: Callable[[str], None] = lambda text: None,
) -> Table:
    """The source as it is, before any field is made of it; as `open_data`."""
    with told_at(span(("source", section.source.kind))):
        return section.source.open_told(base, told, offline=offline)


def _make(
    section: DataSection,
    name: str,
    table: Table,
    train: Array,
    known: FittedField | None,
    inputs: Collection[str],
) -> tuple[Column, FittedField]:
    """The values of one field, and what was fitted for it or had been."""
    column: Column
    field = section.linked_field(name)
    if field is not None:
        learnt = known.learnt if known else field.fit(table, train, section.unused(table.types))
        column = field.column(table, learnt)
    else:
        learnt = known.learnt if known else Learnt(table.types[name])
        column = _as_it_is(table, name, learnt.type)
    if known:
        return column, known
    fitted = fit_scaling(name, learnt, column, train, section.scaling(name, learnt.type, inputs))
    return column, fitted if isinstance(column, Ragged) else replace(fitted, middle=middle(learnt.type, column, train))


def _as_it_is(table: Table, name: str, type_: FieldType) -> Column:
    """A column that is a field."""
    if name in table.ragged:
        return table.ragged[name]
    refuse_not_finite(table, name, NO_FIELD)
    return table.columns[name].astype(type_.dtype, copy=False)


def _without_dropped(section: DataSection, table: Table, span: Spans) -> Table:
    """The table without the rows that a field asks to leave out.

    Raises:
        DataError: if none is left.
    """
    unused = section.unused(table.types)
    dropped = None
    for name, field in section.fields.items():
        with told_at(span(("fields", name)), table.origin, functools.partial(section.source.advice, table)):
            rows = field.dropped(table, unused)
            if rows is not None:
                dropped = rows if dropped is None else dropped | rows
                if dropped.all():
                    raise data_error("no-rows", f"`missing: drop` leaves none of the {table.rows} rows")
    return table if dropped is None or not dropped.any() else table.kept(~dropped)


def _own_splits(section: DataSection, table: Table) -> Mapping[str, range | Array]:
    """The splits that the rows come with: those of the source, or as a column says."""
    by, column = section.split.by, section.split.column
    if by is None or column is None:
        return table.splits
    refuse_two_ways(table.splits)
    refuse_many_values(column_type(table.types, column), column)
    return splits_of_column(by, class_names(table, column), table.place)


def _groups(section: DataSection, table: Table) -> Array | None:
    name = section.split.strata
    if name is None:
        return None
    field = section.fields.get(name)
    return classes_of_column(table, (field.grouping if field else None) or name)
