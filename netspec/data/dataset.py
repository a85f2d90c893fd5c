"""A source opened: its fields as arrays, its splits, and what was fitted."""

from __future__ import annotations

import functools
import operator
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.data.faults import data_error
from netspec.data.field import Learnt, Scaling, column_type
from netspec.data.fields.category import class_names, classes_of_column, refuse_many_values
from netspec.data.fields.number import refuse_not_finite
from netspec.data.fieldtype import FieldType
from netspec.data.fitting import Fitted, FittedField, fit_scaling
from netspec.data.section import DataSection
from netspec.data.splits import Splits, split_rows, splits_of_column
from netspec.data.table import Table, readable_beyond
from netspec.diagnostics import suggestion

if TYPE_CHECKING:
    from netspec.data.table import Array


@dataclass(frozen=True, eq=False)
class Dataset:
    """The fields of a spec's data, in memory as the graph reads them.

    ``table.columns`` are C-contiguous, one row a sample, and can be read in whole vectors (`readable_beyond`).
    """

    table: Table
    splits: Splits
    fitted: Fitted

    @property
    def fields(self) -> Mapping[str, FieldType]:
        return self.table.types

    @property
    def columns(self) -> Mapping[str, Array]:
        return self.table.columns

    @property
    def fingerprint(self) -> str:
        """Of the source as it was read, whatever fields are made of it."""
        return self.table.fingerprint


def open_data(
    section: DataSection,
    base: Path,
    seed: int,
    *,
    inputs: Collection[str] = (),
    needed: Collection[str] | None = None,
    fitted: Fitted | None = None,
    offline: bool = False,
    fold: int = 0,
) -> Dataset:
    """Open the source, share out its rows, make the fields and fit them on the training rows.

    Args:
        section: the spec's ``data``.
        base: the folder that its paths are relative to.
        seed: the run's, for the splits.
        inputs: the fields that the network reads, which ``standardize`` is about.
        needed: the fields to make; by default all.
        fitted: what an earlier run has fitted, to be used instead of fitting anew.
        offline: download nothing.
        fold: which of ``split.folds`` is the test split.

    Raises:
        DataError: if the data are wrong; the message names file, row and column.
        EnvironmentFault: if they are not here and cannot be fetched.
    """
    table = _without_dropped(section, section.source.open(base, offline=offline))
    groups = _groups(section, table)
    splits = split_rows(section.split, _own_splits(section, table), seed, groups=groups, fold=fold)
    made: dict[str, Array] = {}
    fields: dict[str, FittedField] = {}
    names = (*section.visible(table.types), *section.fields)
    _refuse_unknown(names if needed is None else needed, names)
    for name in names:
        if needed is None or name in needed:
            known = fitted.fields.get(name) if fitted else None
            wanted: Scaling | None = "standardize" if name in inputs and section.standardize else None
            made[name], fields[name] = _make(section, name, table, splits["train"], known, wanted)
    types = {name: f.type for name, f in fields.items()}
    columns = {name: readable_beyond(column) for name, column in made.items()}
    return Dataset(Table(columns, types, table.splits, table.places, table.fingerprint), splits, Fitted(fields))


def _make(
    section: DataSection, name: str, table: Table, train: Array, known: FittedField | None, scaling: Scaling | None
) -> tuple[Array, FittedField]:
    """The values of one field, and what was fitted for it or had been."""
    field = section.fields.get(name)
    if field is None:
        refuse_not_finite(table, name)
        learnt = known.learnt if known else Learnt(table.types[name])
        column = table.columns[name].astype(learnt.type.dtype, copy=False)
    else:
        learnt = known.learnt if known else field.fit(table, train, section.unused(table.types))
        column = field.make(table, learnt)
        scaling = field.scaling or (scaling if field.scalable else None)
    if known:
        return column, known
    is_scalable = learnt.type.kind in ("number", "image")
    return column, fit_scaling(name, learnt, column, train, scaling if is_scalable else None)


def _without_dropped(section: DataSection, table: Table) -> Table:
    """The table without the rows that a field asks to leave out."""
    unused = section.unused(table.types)
    dropped = [rows for field in section.fields.values() if (rows := field.dropped(table, unused)) is not None]
    kept = ~functools.reduce(operator.or_, dropped) if dropped else None
    return table if kept is None or kept.all() else table.kept(kept)


def _own_splits(section: DataSection, table: Table) -> Mapping[str, range | Array]:
    """The splits that the rows come with: those of the source, or as a column says."""
    by, column = section.split.by, section.split.column
    if by is None or column is None:
        return table.splits
    if list(table.splits) != ["train"]:
        listed = ", ".join(f"`{name}`" for name in table.splits)
        raise data_error("split-exists", f"`split.by` shares out rows, and the source has the splits {listed} already")
    refuse_many_values(column_type(table.types, column), column)
    return splits_of_column(by, class_names(table, column), table.place)


def _refuse_unknown(needed: Collection[str], names: Collection[str]) -> None:
    for name in needed:
        if name not in names:
            near = suggestion(name, names)
            listed = ", ".join(f"`{n}`" for n in names)
            helps = [f"did you mean `{near}`?"] if near else []
            raise data_error(
                "unknown-field", f"the data have no field `{name}`", notes=[f"they have {listed}"], helps=helps
            )


def _groups(section: DataSection, table: Table) -> Array | None:
    name = section.split.stratify
    if name is None:
        return None
    field = section.fields.get(name)
    groups = field.groups(table) if field else None
    return classes_of_column(table, name) if groups is None else groups
