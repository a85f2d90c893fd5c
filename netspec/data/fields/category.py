"""One class of several."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import pydantic

from netspec.data import fieldtype
from netspec.data.faults import data_error, shown
from netspec.data.field import Field, Learnt, column_type
from netspec.data.fieldtype import FieldType
from netspec.data.missing import Fill, NameRule, fill_names, fit_name
from netspec.declared import Items
from netspec.diagnostics import suggestion

if TYPE_CHECKING:
    from netspec.data.table import Array, Pieces, Rows, Table

UNKNOWN: Final = "<unk>"


class Category(Field):
    """The class that a column names, as its index; shape ``[]``.

    Classes are those of the training rows, sorted (numbers by value), unless they are listed. With
    ``unseen: unknown`` there is one more, ``<unk>``, the last.

    Example:
        {category: {of: origin, classes: [usa, europe, japan]}}

    Errors:
        bad-classes: the list of classes is empty, or names one twice
        missing-value: a cell is empty; its file and line are told. Say under `missing` what stands in its place
        unknown-class: a row has a value that is not listed, or that stands in no training row
        wrong-kind: the column has several values a row, such as an image
    """

    kind: ClassVar[str] = "category"
    of: str = pydantic.Field(description="The column that holds the class.", json_schema_extra={"main": True})
    classes: Items[str | int] | None = pydantic.Field(
        default=None, description="The classes, in the order of their index."
    )
    unseen: Literal["error", "unknown"] = pydantic.Field(
        default="error", description="Of a value that is none of the classes: `error`, or the class `<unk>`."
    )
    missing: NameRule = pydantic.Field(
        default="error",
        description="Of a cell without a value: `error`; `drop` the row from the data; the `most_frequent` class of "
        "the training rows; or a class for them, `{constant: none}`.",
    )

    @property
    def drops(self) -> bool:
        return self.missing == "drop"

    def reads(self, known: Collection[str] | None) -> tuple[str, ...]:
        return (self.of,)

    def resolve(self, source: Mapping[str, FieldType] | None, unused: tuple[str, ...], scalar: bool) -> FieldType:
        known = known_classes(source, self.of, self.classes)
        return fieldtype.category(None if known is None else self._with_unknown(known))

    def fit(self, table: Pieces, train: Rows, unused: tuple[str, ...]) -> Learnt:
        classes, fills = fit_classes(table, train, self.of, self.classes, self.missing)
        return Learnt(fieldtype.category(self._with_unknown(classes)), (self.of,), fills)

    def make(self, table: Table, learnt: Learnt) -> Array:
        names = fill_names(class_names(table, self.of), learnt.fills.get(self.of))
        if self.unseen == "unknown":
            known = {*(learnt.type.classes or ()), ""}
            names = fill_names(names, "")  # a copy
            names[:] = [name if name in known else UNKNOWN for name in names.tolist()]
        return encode_classes(names, learnt.type, table, self.of)

    def dropped(self, table: Table, unused: tuple[str, ...]) -> Array | None:
        return rows_without_class(table, self.of) if self.drops else None

    @property
    def grouping(self) -> str | None:
        return self.of

    def _with_unknown(self, classes: tuple[str, ...]) -> tuple[str, ...]:
        return (*classes, UNKNOWN) if self.unseen == "unknown" and UNKNOWN not in classes else classes


def known_classes(
    source: Mapping[str, FieldType] | None, of: str, listed: Sequence[str | int] | None
) -> tuple[str, ...] | None:
    """The classes as far as they are known without the data.

    Raises:
        DataError: if there is no such column, it has several values a row, or the list is empty or names one twice.
    """
    names = None if listed is None else tuple(str(name) for name in listed)
    if names is not None and len(set(names)) < max(len(names), 1):
        twice = next((name for name in names if names.count(name) > 1), None)
        message = "`classes` needs at least one name" if twice is None else f"`classes` names `{shown(twice)}` twice"
        raise data_error("bad-classes", message)
    if source is None:
        return names
    column = column_type(source, of)
    refuse_many_values(column, of)
    return names or column.classes


def fit_classes(
    table: Pieces, train: Rows, of: str, listed: Sequence[str | int] | None, missing: NameRule | str
) -> tuple[tuple[str, ...], dict[str, Fill]]:
    """The classes of a column, and what stands in for a missing one.

    Raises:
        DataError: if there is no class in any training row.
    """
    classes = known_classes(table.types, of, listed)
    seen: Counter[str] = Counter()
    for piece, rows in table.pieces(train, of):
        seen.update(class_names(piece, of)[rows].tolist())
    fill = fit_name(seen, of, missing)
    if classes is None:
        found = {name for name in seen if name} | ({fill} if fill else set())
        classes = tuple(sorted(found, key=_order))
    if not classes:
        raise data_error("missing-value", f"the column `{of}` holds no class in any training row")
    if fill is not None and fill not in classes:
        raise data_error("unknown-class", f"`missing` stands for `{fill}`, which is none of the classes of `{of}`")
    return classes, {} if fill is None else {of: fill}


def rows_without_class(table: Table, of: str) -> Array:
    """Which rows have no class, ``bool[rows]``."""
    import numpy as np

    refuse_many_values(column_type(table.types, of), of)
    return np.array([not name for name in class_names(table, of).tolist()], dtype=bool)


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


def encode_classes(values: Array, field_type: FieldType, table: Table, column: str, rows: Array | None = None) -> Array:
    """Class names as indices.

    Args:
        values: the names, one a row of the table.
        field_type: what holds the classes.
        table: where the rows come from, for messages.
        column: the column that the names stand in.
        rows: those that count; by default all.

    Raises:
        DataError: at the first value that is no class.
    """
    import numpy as np

    classes = field_type.classes or ()
    index = {name: i for i, name in enumerate(classes)}
    counted = values if rows is None else values[rows]
    codes = np.array([index.get(value, -1) for value in counted.tolist()], dtype=np.int32)
    if (codes < 0).any():
        first = int(np.argmax(codes < 0))
        row = first if rows is None else int(rows[first])
        raise _unknown_class(values[row], classes, f"{table.place(row, column)}, column `{column}`")
    return codes.astype("int32" if field_type.kind == "number" else field_type.dtype)


def _unknown_class(value: str, classes: tuple[str, ...], place: str) -> Exception:
    if not value:
        helps = ["a category needs a class in every row, or `missing` to say which it is without"]
        return data_error("missing-value", f"{place}: no value", helps=helps)
    near = suggestion(value, classes)
    listed = ", ".join(f"`{shown(c)}`" for c in classes[:12]) + (", ..." if len(classes) > 12 else "")
    helps = (
        [f"did you mean `{near}`?"]
        if near
        else [
            "classes are taken from the training rows unless `classes` lists them",
            "an input may say what becomes of others: `unseen`",
        ]
    )
    return data_error(
        "unknown-class", f"{place}: `{shown(value)}` is none of the {len(classes)} classes", notes=[listed], helps=helps
    )


def class_names(table: Table, name: str) -> Array:
    """The column as names of classes, empty where there is no value."""
    import numpy as np

    column_kind = table.types[name]
    refuse_many_values(column_kind, name)
    if name in table.ragged:  # one token a row
        tokens = table.ragged[name]
        return np.array(tokens.names, dtype=object)[tokens.single()]
    column = table.columns[name].reshape(table.rows)
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
