"""The ``data`` section of a spec, and what can be said of it before any data are opened."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, TypeAlias

import pydantic

from netspec.data import fields as _fields  # noqa: F401  registers the kinds of fields
from netspec.data import sources as _sources  # noqa: F401  registers the kinds of sources
from netspec.data.augmentation import Augmentation
from netspec.data.faults import data_error, unknown_column
from netspec.data.field import Field, Scaling
from netspec.data.fieldtype import FieldType
from netspec.data.source import Source
from netspec.data.splits import Split, split_sizes
from netspec.declared import Declared, Items
from netspec.diagnostics import DataError, Report, Span

Spans: TypeAlias = Callable[[tuple[str, ...]], Span | None]
"""Where a key of the section stands in the spec, by its path: ``("fields", "x")``."""


class Stream(Declared):
    """Reading data piece by piece while training goes on, for files that are larger than memory.

    Training draws its order from a buffer of rows, which is filled with stretches of the file in a random order, and
    next to it the following one is read. The more rows it holds, the more the order is like that of data in memory;
    where it holds all of them it is as random.
    """

    buffer: Annotated[int, pydantic.Field(ge=1)] | None = pydantic.Field(
        default=None, description="Rows that the order is drawn from; by default as many as take 64 MB."
    )


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
    stream: bool | Stream = pydantic.Field(
        default=False,
        description="Read the rows piece by piece while training goes on, where they do not fit into memory: `true`, "
        "or `{buffer: ROWS}`.",
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
        every = self.every_field()
        for name, field in every.items():
            try:
                types[name] = field.linked(name, every).resolve(source, unused, self.source.scalar_columns)
            except DataError as error:
                _gather(error, report, span(("fields", name) if name in self.fields else ("source",)))
        for path, fault in self.not_streamed():
            _gather(fault, report, span(path))
        known = self.visible(source or {}) | types
        if source is not None:
            self._check_split(source, known, report, span)
        try:
            self.sizes()
        except DataError as error:
            _gather(error, report, span(("split",)))
        return None if source is None and not every else known

    def every_field(self) -> dict[str, Field]:
        """The fields that the spec makes, and those that its source makes of its own columns."""
        return {**self.source.own_fields(), **self.fields}

    def linked_field(self, name: str) -> Field | None:
        """A field that is made, knowing what it must of the others; None of a column that is a field as it is.

        Raises:
            DataError: if it asks for a field that there is not.
        """
        every = self.every_field()
        return every[name].linked(name, every) if name in every else None

    def linked_fields(self) -> dict[str, Field]:
        """All fields that are made, as `linked_field`."""
        every = self.every_field()
        return {name: field.linked(name, every) for name, field in every.items()}

    def not_streamed(self) -> Iterator[tuple[tuple[str, ...], DataError]]:
        """What stands against streaming, with the key that asks for it; nothing where nothing is streamed."""
        if not self.stream:
            return
        if not self.source.streams:
            able = ", ".join(
                f"`{name}`" for name, kind in Source.kinds.items() if issubclass(kind, Source) and kind.streams
            )
            helps = [f"{able} can be", "leave `stream` out: the rows are read into memory then"]
            message = f"`{self.source.kind}` data cannot be streamed"
            yield ("stream",), data_error("cannot-stream", message, helps=helps)
        for name, field in self.fields.items():
            if not field.streams:
                helps = ["leave `stream` out: the rows are read into memory then, tokens in 2 bytes each"]
                yield ("fields", name), data_error("cannot-stream", f"`{field.kind}` cannot be streamed", helps=helps)
        if self.split.folds is not None:
            message = "streamed rows cannot be cut into folds"
            helps = [
                "set a test split aside: `split: {test: 0.1}`",
                "leave `stream` out where the rows fit into memory",
            ]
            yield ("split", "folds"), data_error("cannot-stream", message, helps=helps)

    def sizes(self) -> dict[str, int] | None:
        """How many rows each split will have, where that is known without the data.

        Raises:
            DataError: if there are too few for what `split` asks.
        """
        own = self.source.sizes()
        drops = any(field.drops for field in self.fields.values())
        return None if own is None or drops or self.split.by is not None else split_sizes(self.split, own)

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
            if not source[name].is_raw and name not in self.every_field()
        }

    def unused(self, source: Mapping[str, FieldType]) -> tuple[str, ...]:
        """The columns that neither a field nor the split reads by name."""
        read = {column for field in self.every_field().values() for column in _reads(field, source)}
        read |= {*self.source.parts, *((self.split.column,) if self.split.column else ())}
        return tuple(name for name in source if name not in read)

    def scaling(self, name: str, type_: FieldType, inputs: Collection[str]) -> Scaling | None:
        """How a field is to be scaled, of a network that reads the fields ``inputs``."""
        field = self.fields.get(name)
        is_meant = self.standardize and name in inputs and (field is None or field.scalable)
        own = field.scaling if field else None
        return (own or ("standardize" if is_meant else None)) if type_.kind in ("number", "image") else None

    def _check_split(
        self, source: Mapping[str, FieldType], fields: Mapping[str, FieldType], report: Report, span: Spans
    ) -> None:
        stratify, column = self.split.strata, self.split.column
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
