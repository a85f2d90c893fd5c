"""What a field is: something made of a source's columns that a network can read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, Self, TypeAlias

import pydantic

from netspec.data.faults import unknown_column
from netspec.data.fieldtype import FieldType
from netspec.declared import Declared

if TYPE_CHECKING:
    from netspec.data.ragged import Column
    from netspec.data.table import Array, Pieces, Rows, Table

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
    """A field made of a source's columns. A kind is one file in `netspec.data.fields`, named there."""

    scalable: ClassVar[bool] = True
    """Whether ``data.standardize`` is about it, if it is an input of numbers or pixels."""

    streams: ClassVar[bool] = True
    """Whether it can be made of a table that is read piece by piece."""

    def linked(self, name: str, fields: Mapping[str, Field]) -> Field:
        """Itself, knowing what it must of the other fields.

        Args:
            name: what the spec calls it.
            fields: all of them, it too.

        Raises:
            DataError: if it asks for a field that there is not, or that is of another kind.
        """
        return self

    def users(self, name: str, fields: Mapping[str, Field]) -> tuple[Field, ...]:
        """The fields of tokens that `needed_marks` is about: a field of tokens itself, or the one that it shifts."""
        return ()

    def needed_marks(self, user: Field) -> set[str]:
        """The tokens without text that the vocabulary of ``user`` has to hold for it."""
        return set()

    @property
    def scaling(self) -> Scaling | None:
        """How the spec asks to scale this very field."""
        return None

    @property
    def drops(self) -> bool:
        """Whether it leaves out rows in which something is missing."""
        return False

    @property
    def takes_rest(self) -> bool:
        """Whether it stands on columns that no field names."""
        return False

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

    def fit(self, table: Pieces, train: Rows, unused: tuple[str, ...]) -> Learnt:
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

    def column(self, table: Table, learnt: Learnt) -> Column:
        """As `make`, of a field whose rows may differ in length."""
        return self.make(table, learnt)

    def words(self, table: Table, learnt: Learnt) -> list[list[str]] | None:
        """The words of each row as the text has them, of a field that is made of words."""
        return None

    def dropped(self, table: Table, unused: tuple[str, ...]) -> Array | None:
        """The rows that it asks to leave out of the data, ``bool[rows]``; None if it asks for nothing."""
        return None

    @property
    def joint(self) -> str:
        """What stands between its tokens where they are written as text."""
        return " "

    @property
    def grouping(self) -> str | None:
        """The column whose values are its classes, for a stratified split; None if it has no classes."""
        return None


class ScaledField(Field):
    """A field of numbers that a spec may ask to scale."""

    standardize: bool = pydantic.Field(
        default=False, description="Shift and scale each number to mean 0 and deviation 1 over the training rows."
    )
    min_max: bool = pydantic.Field(
        default=False, description="Shift and scale each number so that the training rows lie from 0 to 1."
    )

    @pydantic.model_validator(mode="after")
    def _one_scaling(self) -> Self:
        if self.standardize and self.min_max:
            raise ValueError("`standardize` and `min_max` are two ways to scale one number: keep one of them")
        return self

    @property
    def scaling(self) -> Scaling | None:
        return "standardize" if self.standardize else "min_max" if self.min_max else None


def column_type(source: Mapping[str, FieldType], name: str) -> FieldType:
    """The type of a column.

    Raises:
        DataError: if the source has no such column.
    """
    if name not in source:
        raise unknown_column(name, source)
    return source[name]
