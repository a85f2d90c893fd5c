"""Classes as numbers: one for each, 1 where the row is of the class and 0 elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

import pydantic

from netspec.data.field import Field, Learnt
from netspec.data.fields.category import (
    class_names,
    encode_classes,
    fit_classes,
    known_classes,
    rows_without_class,
)
from netspec.data.fieldtype import FieldType
from netspec.data.missing import NameRule, fill_names
from netspec.declared import Items

if TYPE_CHECKING:
    from netspec.data.table import Array, Pieces, Rows, Table


class OneHot(Field):
    """The class that a column names, as numbers: shape ``[classes]``, 1 for its class and 0 for every other.

    Classes are those of the training rows, sorted (numbers by value), unless they are listed. ``data.standardize``
    leaves these numbers as they are. ``${data.FIELD.size}`` is how many there are.

    Example:
        {one_hot: {of: origin, classes: [usa, europe, japan], unseen: zeros}}

    Errors:
        bad-classes: the list of classes is empty, or names one twice
        missing-value: a cell is empty; its file and line are told. Say under `missing` what stands in its place
        unknown-class: a row has a value that is not listed, or that stands in no training row
        wrong-kind: the column has several values a row, such as an image
    """

    kind: ClassVar[str] = "one_hot"
    scalable: ClassVar[bool] = False
    of: str = pydantic.Field(description="The column that holds the class.", json_schema_extra={"main": True})
    classes: Items[str | int] | None = pydantic.Field(
        default=None, description="The classes, in the order of their numbers."
    )
    unseen: Literal["error", "zeros"] = pydantic.Field(
        default="error", description="Of a value that is none of the classes: `error`, or 0 for every class."
    )
    missing: NameRule | Literal["zeros"] = pydantic.Field(
        default="error",
        description="Of a cell without a value: `error`; `drop` the row from the data; 0 for every class (`zeros`); "
        "the `most_frequent` class of the training rows; or a class for them, `{constant: none}`.",
    )

    @property
    def drops(self) -> bool:
        return self.missing == "drop"

    def reads(self, known: Collection[str] | None) -> tuple[str, ...]:
        return (self.of,)

    def resolve(self, source: Mapping[str, FieldType] | None, unused: tuple[str, ...], scalar: bool) -> FieldType:
        known = known_classes(source, self.of, self.classes)
        return FieldType("number", None if known is None else (len(known),), "float32", known)

    def fit(self, table: Pieces, train: Rows, unused: tuple[str, ...]) -> Learnt:
        classes, fills = fit_classes(table, train, self.of, self.classes, self.missing)
        return Learnt(FieldType("number", (len(classes),), "float32", classes), (self.of,), fills)

    def make(self, table: Table, learnt: Learnt) -> Array:
        import numpy as np

        classes = learnt.type.classes or ()
        names = fill_names(class_names(table, self.of), learnt.fills.get(self.of)).tolist()
        # One index past the classes is a row of zeros.
        nothing = {"": self.missing == "zeros"}
        known = set(classes)
        is_zero = np.array([nothing.get(n, self.unseen == "zeros" and n not in known) for n in names], dtype=bool)
        codes = np.full(table.rows, len(classes))
        rows = np.flatnonzero(~is_zero)
        codes[rows] = encode_classes(np.array(names, dtype=object), learnt.type, table, self.of, rows)
        numbers: Array = np.eye(len(classes) + 1, len(classes), dtype=np.float32)[codes]
        return numbers

    def dropped(self, table: Table, unused: tuple[str, ...]) -> Array | None:
        return rows_without_class(table, self.of) if self.drops else None

    @property
    def grouping(self) -> str | None:
        return self.of
