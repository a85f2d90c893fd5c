"""One class of several."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, ClassVar

import pydantic

from netspec.data import fieldtype
from netspec.data.faults import data_error
from netspec.data.field import Field, Learnt, column_type
from netspec.data.fieldtype import FieldType
from netspec.declared import Items
from netspec.diagnostics import suggestion

if TYPE_CHECKING:
    from netspec.data.table import Array, Table


class Category(Field):
    """The class that a column names, as its index; shape ``[]``.

    Classes are those of the training rows, sorted (numbers by value), unless they are listed.
    """

    kind: ClassVar[str] = "category"
    of: str = pydantic.Field(description="The column that holds the class.", json_schema_extra={"main": True})
    classes: Items[str | int] | None = pydantic.Field(
        default=None, description="The classes, in the order of their index."
    )

    def reads(self, known: Collection[str] | None) -> tuple[str, ...]:
        return (self.of,)

    def resolve(self, source: Mapping[str, FieldType] | None, unused: tuple[str, ...], scalar: bool) -> FieldType:
        listed = self._listed()
        if source is None:
            return fieldtype.category(listed)
        column = column_type(source, self.of)
        refuse_many_values(column, self.of)
        return fieldtype.category(listed or column.classes)

    def fit(self, table: Table, train: Array, unused: tuple[str, ...]) -> Learnt:
        import numpy as np

        found = self.resolve(table.types, unused, True)
        if found.classes is None:
            values = class_names(table, self.of)
            named = np.array([bool(name) for name in values[train].tolist()])
            found = fieldtype.category(tuple(sorted(set(values[train][named].tolist()), key=_order)))
        if not found.classes:
            raise data_error("missing-value", f"the column `{self.of}` holds no class in any training row")
        return Learnt(found, (self.of,))

    def make(self, table: Table, learnt: Learnt) -> Array:
        assert learnt.type.classes is not None
        return encode_classes(class_names(table, self.of), learnt.type, table, self.of)

    def groups(self, table: Table) -> Array | None:
        return classes_of_column(table, self.of)

    def _listed(self) -> tuple[str, ...] | None:
        if self.classes is None:
            return None
        names = tuple(str(name) for name in self.classes)
        if not names or len(set(names)) != len(names):
            raise data_error("bad-classes", "`classes` needs at least one name, each once")
        return names


def classes_of_column(table: Table, name: str) -> Array:
    """The rows of a column grouped by equal value, as numbers."""
    import numpy as np

    refuse_many_values(column_type(table.types, name), name)
    groups: Array = np.unique(class_names(table, name).astype(str), return_inverse=True)[1].reshape(-1)
    return groups


def refuse_many_values(column: FieldType, name: str) -> None:
    """Raise unless the column has one value a row."""
    if column.shape not in ((), (1,), None):
        raise data_error("wrong-kind", f"a category needs one value a row, and `{name}` is {column}")


def encode_classes(values: Array, field_type: FieldType, table: Table, column: str) -> Array:
    """Class names as indices.

    Raises:
        DataError: at the first value that is no class.
    """
    import numpy as np

    classes = field_type.classes or ()
    index = {name: i for i, name in enumerate(classes)}
    codes = np.array([index.get(value, -1) for value in values.tolist()], dtype=np.int32)
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        raise _unknown_class(values[row], classes, f"{table.place(row)}, column `{column}`")
    return codes.astype(field_type.dtype)


def _unknown_class(value: str, classes: tuple[str, ...], place: str) -> Exception:
    if not value:
        return data_error("missing-value", f"{place}: no value", helps=["a category needs a class in every row"])
    near = suggestion(value, classes)
    shown = ", ".join(f"`{c}`" for c in classes[:12]) + (", ..." if len(classes) > 12 else "")
    helps = (
        [f"did you mean `{near}`?"]
        if near
        else ["classes are taken from the training rows unless `classes` lists them"]
    )
    return data_error(
        "unknown-class", f"{place}: `{value}` is none of the {len(classes)} classes", notes=[shown], helps=helps
    )


def class_names(table: Table, name: str) -> Array:
    """The column as names of classes, empty where there is no value."""
    import numpy as np

    column, column_kind = table.columns[name].reshape(table.rows), table.types[name]
    if column_kind.kind == "category" and column_kind.classes:
        return np.array(column_kind.classes, dtype=object)[column]
    if column.dtype == object:
        return column
    return np.array([_name(value) for value in column.tolist()], dtype=object)


def _name(value: float) -> str:
    """1.0 in a file is the class `1`, whatever else stands in the column."""
    if math.isnan(value):
        return ""
    return str(int(value)) if value == int(value) else repr(value)


def _order(name: str) -> tuple[int, float, str]:
    try:
        return (0, float(name), name)
    except ValueError:
        return (1, 0.0, name)
