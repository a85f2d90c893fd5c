"""The ``data`` section of a spec, and what can be said of it before any data are opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pydantic

from netspec.data import fields as _fields  # noqa: F401  registers the kinds of fields
from netspec.data import sources as _sources  # noqa: F401  registers the kinds of sources
from netspec.data.augmentation import Augmentation
from netspec.data.faults import unknown_column
from netspec.data.field import Field
from netspec.data.fieldtype import FieldType
from netspec.data.source import Source
from netspec.data.splits import Split
from netspec.declared import Declared, Items
from netspec.diagnostics import DataError, Report, Span

Spans: TypeAlias = Callable[[tuple[str, ...]], Span | None]
"""Where a key of the section stands in the spec, by its path: ``("fields", "x")``."""


class DataSection(Declared):
    """Where data come from, what fields are made of them, and which rows train."""

    source: Source = pydantic.Field(description="Where the data come from.")
    fields: dict[str, Field] = pydantic.Field(default={}, description="Fields made of the source's columns.")
    split: Split = pydantic.Field(default_factory=Split, description="Rows set aside to validate and to test.")
    standardize: bool = pydantic.Field(
        default=False, description="Shift and scale every input to mean 0 and deviation 1 over the training rows."
    )
    augment: Items[Augmentation] = pydantic.Field(default=(), description="Random changes of the training samples.")
    bucket: bool = pydantic.Field(
        default=False, description="Fill batches with samples of like length; samples of one size are not touched."
    )

    def resolve(self, base: Path, report: Report, span: Spans = lambda path: None) -> dict[str, FieldType] | None:
        """The types of the fields as far as they are known without the data; None if not even their names are.

        Faults go to ``report``, one a field. Other fields may appear once the data are open unless `complete`.
        """
        try:
            source = self.source.describe(base)
        except DataError as error:
            _gather(error, report, span(("source",)))
            return None
        types = {}
        unused = self.unused(source or {})
        for name, field in self.fields.items():
            try:
                types[name] = field.resolve(source, unused, self.source.scalar_columns)
            except DataError as error:
                _gather(error, report, span(("fields", name)))
        known = self.visible(source or {}) | types
        if source is not None:
            self._check_split(source, known, report, span)
        return None if source is None and not self.fields else known

    def complete(self, base: Path) -> bool:
        """Whether `resolve` names all fields there will be."""
        return bool(self.fields and self.source.scalar_columns) or self.source.describe(base) is not None

    def visible(self, source: Mapping[str, FieldType]) -> dict[str, FieldType]:
        """The source's columns that are fields as they are: those that a network can read and no field is made of.

        Over a table of single columns, ``fields`` names all the fields, if it is there: a column more in a file must
        not become a target.
        """
        if self.fields and self.source.scalar_columns:
            return {}
        return {
            name: source[name]
            for name in self.unused(source)
            if source[name].kind != "text" and name not in self.fields
        }

    def unused(self, source: Mapping[str, FieldType]) -> tuple[str, ...]:
        """The columns that neither a field nor the split reads by name."""
        read = {column for field in self.fields.values() for column in _reads(field, source)}
        read |= {*self.source.parts, *((self.split.column,) if self.split.column else ())}
        return tuple(name for name in source if name not in read)

    def _check_split(
        self, source: Mapping[str, FieldType], fields: Mapping[str, FieldType], report: Report, span: Spans
    ) -> None:
        stratify, column = self.split.stratify, self.split.column
        if stratify and stratify not in fields and stratify not in source:
            _gather(unknown_column(stratify, {**fields, **source}), report, span(("split", "stratify")))
        if column and column not in source:
            _gather(unknown_column(column, source), report, span(("split", "by")))


def _reads(field: Field, source: Mapping[str, FieldType]) -> tuple[str, ...]:
    try:
        return field.reads(source)
    except DataError:  # told when the field itself is resolved
        return ()


def _gather(error: DataError, report: Report, span: Span | None) -> None:
    for d in error.diagnostics:
        report.error(d.code, d.message, span, notes=d.notes, helps=d.helps)
