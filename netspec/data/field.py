"""What a field is: something made of a source's columns that a network can read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from netspec.data.faults import unknown_column
from netspec.data.fieldtype import FieldType
from netspec.declared import Declared

if TYPE_CHECKING:
    from netspec.data.table import Array, Table

Scaling: TypeAlias = Literal["standardize", "min_max"]
"""To mean 0 and deviation 1, or to 0 .. 1, over the training rows."""


@dataclass(frozen=True)
class Learnt:
    """What a field took from the training rows.

    Its whole type (classes, sizes), the columns it stands on, and what stands in for their missing cells.
    """

    type: FieldType
    columns: tuple[str, ...] = ()
    fills: Mapping[str, float | str] = field(default_factory=dict)


class Field(Declared, family="field"):
    """A field made of a source's columns. A kind is one file in `netspec.data.fields` and one import line there."""

    scalable: ClassVar[bool] = True
    """Whether ``data.standardize`` is about it, if it is an input of numbers or pixels."""

    @property
    def scaling(self) -> Scaling | None:
        """How the spec asks to scale this very field."""
        return None

    def reads(self, known: Collection[str] | None) -> tuple[str, ...]:
        """The columns it names, of those ``known``; None before the data are open."""
        raise NotImplementedError

    def resolve(self, source: Mapping[str, FieldType] | None, unused: tuple[str, ...], scalar: bool) -> FieldType:
        """Its type as far as it is known without the data.

        Args:
            source: the types of the source's columns, None if only the data can tell.
            unused: the columns that no field reads by name.
            scalar: whether every column of the source has one value a row.

        Raises:
            DataError: if it cannot be made of these columns.
        """
        raise NotImplementedError

    def fit(self, table: Table, train: Array, unused: tuple[str, ...]) -> Learnt:
        """What it takes from the rows ``train`` of the table.

        Raises:
            DataError: if it cannot be made of this table.
        """
        raise NotImplementedError

    def make(self, table: Table, learnt: Learnt) -> Array:
        """Its values for every row, ``[rows, *shape]`` in the type's dtype.

        Raises:
            DataError: if a row has no value, or one that does not fit; the message names file, row and column.
        """
        raise NotImplementedError

    def dropped(self, table: Table, unused: tuple[str, ...]) -> Array | None:
        """The rows that it asks to leave out of the data, ``bool[rows]``; None if it asks for nothing."""
        return None

    def groups(self, table: Table) -> Array | None:
        """The class of every row as a number, for a stratified split; None if it has no classes."""
        return None


def column_type(source: Mapping[str, FieldType], name: str) -> FieldType:
    """The type of a column.

    Raises:
        DataError: if the source has no such column.
    """
    if name not in source:
        raise unknown_column(name, source)
    return source[name]
