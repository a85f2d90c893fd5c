"""Numbers: columns, and formulas of columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, ClassVar, Self

import pydantic

from netspec.data import fieldtype
from netspec.data.faults import data_error, unknown_column
from netspec.data.field import Field, Learnt, Scaling, column_type
from netspec.data.fieldtype import FieldType
from netspec.data.missing import NumberRule, fill_numbers, fit_numbers, without_number
from netspec.declared import Items
from netspec.tensortype import Dim, product

if TYPE_CHECKING:
    from netspec.compiler.formula import Formula
    from netspec.data.table import Array, Table


class Number(Field):
    """Columns and formulas of columns, side by side; shape ``[n]``.

    ``"*"`` is every numeric column that no field reads by name. A formula applies to each row by itself and is computed
    in float64, after missing numbers are filled.

    The logarithm, where ``log`` asks for it, is taken here, on the way into memory and in float64: ``log: true`` is the
    formula ``log(...)`` around each number, so a target that is a logarithm is predicted as one. Scaling comes after
    it and is part of the network's graph.

    Example:
        ``{number: {of: [weight, "weight / horsepower"], missing: median}}``
    """

    kind: ClassVar[str] = "number"
    of: str | Items[str] = pydantic.Field(
        description='Columns or formulas; "*" for the rest.', json_schema_extra={"main": True}
    )
    missing: NumberRule = pydantic.Field(
        default="error",
        description="Of a cell without a number: `error`; `drop` the row from the data; the `mean`, `median` or "
        "`most_frequent` number of its column in the training rows; or `{constant: 0}`.",
    )
    log: bool = pydantic.Field(default=False, description="Take the natural logarithm of each number.")
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

    @property
    def parts(self) -> tuple[str, ...]:
        return (self.of,) if isinstance(self.of, str) else self.of

    def reads(self, known: Collection[str] | None) -> tuple[str, ...]:
        names: dict[str, None] = {}
        for part in self.parts:
            if part != "*":
                names.update(dict.fromkeys((part,) if _is_column(part, known) else _formula(part).inputs))
        return tuple(names)

    def resolve(self, source: Mapping[str, FieldType] | None, unused: tuple[str, ...], scalar: bool) -> FieldType:
        if not self.parts:
            raise data_error("wrong-kind", "`number` needs at least one column")
        widths: list[Dim] = []
        for part in self.parts:
            if part == "*" and source is None:
                return FieldType("number", None, "float32")
            widths += [_width(source, name, scalar) for name in self._columns(part, source, unused)]
        return FieldType("number", None, "float32") if -1 in widths else fieldtype.number(sum(widths))

    def fit(self, table: Table, train: Array, unused: tuple[str, ...]) -> Learnt:
        if "*" in self.parts:
            for name in unused:
                _refuse_nearly_numeric(table, name)
        names = tuple(name for part in self.parts for name in self._columns(part, table.types, unused))
        read = tuple(dict.fromkeys(c for part in names for c in _inputs(part, table.types)))
        for name in read:
            refuse_text(table, name)
        fills = fit_numbers(table, read, train, self.missing)
        return Learnt(self.resolve(table.types, unused, False), names, fills)

    def make(self, table: Table, learnt: Learnt) -> Array:
        import numpy as np

        table = fill_numbers(table, learnt.fills)
        for name in dict.fromkeys(c for part in learnt.columns for c in _inputs(part, table.types)):
            refuse_text(table, name)
            refuse_not_finite(table, name)
        parts = [_compute(table, part).reshape(table.rows, -1) for part in learnt.columns]
        if self.log:
            parts = [_logarithm(table, part, values) for part, values in zip(learnt.columns, parts, strict=True)]
        return np.concatenate(parts, axis=1).astype(np.float32, copy=False)

    def dropped(self, table: Table, unused: tuple[str, ...]) -> Array | None:
        if self.missing != "drop":
            return None
        import numpy as np

        names = [name for part in self.parts for name in self._columns(part, table.types, unused)]
        read = dict.fromkeys(c for part in names for c in _inputs(part, table.types))
        dropped: Array = np.any([without_number(table, name) for name in read], axis=0)
        return dropped

    def _columns(self, part: str, source: Mapping[str, FieldType] | None, unused: tuple[str, ...]) -> tuple[str, ...]:
        """The columns and formulas that one item of the list stands for."""
        if part != "*" or source is None:
            return (part,)
        found = tuple(name for name in unused if source[name].kind == "number")
        if not found:
            raise data_error("unknown-column", '`"*"` stands for no column: every numeric column is read by name')
        return found


def _is_column(part: str, known: Collection[str] | None) -> bool:
    return part.isidentifier() if known is None else part in known


def _inputs(part: str, source: Mapping[str, FieldType]) -> tuple[str, ...]:
    if part in source:
        return (part,)
    if part.isidentifier():
        raise unknown_column(part, source)
    names = _formula(part).inputs
    for name in names:
        if name not in source:
            raise unknown_column(name, source)
    return names


def _formula(text: str) -> Formula:
    from netspec.compiler.formula import FormulaError, parse

    try:
        formula = parse(text)
    except FormulaError as error:
        raise data_error(
            "bad-formula",
            f"`{text}` is neither a column nor a formula: {error}",
            helps=[error.advice] if error.advice else [],
        ) from None
    if len(formula.outputs) != 1 or formula.reduces or formula.draws or not formula.inputs:
        raise data_error("bad-formula", f"`{text}` does not compute one number from the columns of one row")
    return formula


def _width(source: Mapping[str, FieldType] | None, part: str, scalar: bool) -> Dim:
    """How many numbers a column or formula gives; -1 if only the data can tell."""
    if source is None:
        if not part.isidentifier():
            _formula(part)
        return 1 if scalar else -1
    if part not in source:
        for name in _inputs(part, source):
            if column_type(source, name).shape != (1,):
                _refuse_kind(column_type(source, name), name, (0,))
        return 1
    _refuse_kind(source[part], part, (0, 1))
    shape = source[part].shape
    return -1 if shape is None else product(shape)


def _refuse_kind(column: FieldType, name: str, ranks: tuple[int, ...]) -> None:
    if column.kind == "text":
        return  # told with file, row and cell once the data are looked at
    if column.kind not in ("number", "category", "index") or (
        column.shape is not None and len(column.shape) not in ranks
    ):
        raise data_error("wrong-kind", f"`{name}` is {column}, and `number` takes one number or one list a row")


def _compute(table: Table, part: str) -> Array:
    import numpy as np

    if part in table.columns:
        return table.columns[part]
    from netspec.compiler.formula import evaluate

    formula = _formula(part)
    with np.errstate(all="ignore"):
        given = [table.columns[name].reshape(table.rows).astype(np.float64) for name in formula.inputs]
        (result,) = evaluate(formula, given, "float64")
    values: Array = np.broadcast_to(np.asarray(result, dtype=np.float64), (table.rows,))
    bad = ~np.isfinite(values.astype(np.float32))
    if bad.any():
        row = int(np.argmax(bad))
        where = ", ".join(f"`{name}` is {x[row]:g}" for name, x in zip(formula.inputs, given, strict=True))
        raise data_error("not-finite", f"{table.place(row)}: `{part}` is {values[row]:g} where {where}")
    return values


def _logarithm(table: Table, part: str, values: Array) -> Array:
    import numpy as np

    bad = ~(values > 0).all(axis=1)
    if bad.any():
        row = int(np.argmax(bad))
        helps = [f'`number: "log1p({part})"` takes the logarithm of one more']
        raise data_error(
            "not-finite", f"{table.place(row)}, `{part}`: {values[row].min():g} has no logarithm", helps=helps
        )
    result: Array = np.log(values.astype(np.float64))
    return result


def refuse_not_finite(table: Table, name: str) -> None:
    """Raise at the first value of a column that is missing, infinite, or too large for float32."""
    import numpy as np

    column = table.columns[name]
    if column.dtype.kind != "f":
        return
    # A sum is finite only if every number is, and costs no array of flags.
    with np.errstate(all="ignore"):
        if column.dtype == np.float32 and np.isfinite(column.sum(dtype=np.float64)):
            return
        bad = ~np.isfinite(column.astype(np.float32, copy=False))
    if not bad.any():
        return
    row = int(np.argmax(bad.reshape(len(column), -1).any(axis=1)))
    value = column[row].reshape(-1)[int(np.argmax(bad[row].reshape(-1)))]
    place = f"{table.place(row)}, column `{name}`"
    if np.isnan(value):
        helps = ["fill the cell", "or say what stands in for it: `missing: median`, or `missing: drop` for the row"]
        raise data_error("missing-value", f"{place}: no value", helps=helps)
    raise data_error("not-finite", f"{place}: {value:g} is not a number that float32 holds")


def refuse_text(table: Table, name: str) -> None:
    from netspec.data.sources.csv import parse_number

    if table.types[name].kind != "text":
        return
    for row, cell in enumerate(table.columns[name].tolist()):
        if parse_number(cell) is None and cell:
            message = f"{table.place(row)}, column `{name}`: `{cell}` is not a number"
            helps = [
                f"`{{category: {name}}}` makes classes of text, `{{one_hot: {name}}}` numbers",
                f'if it stands for a missing number, say so in the source: `csv: {{missing: "{cell}"}}`',
            ]
            raise data_error("text-in-number", message, helps=helps)
    raise data_error("missing-value", f"the column `{name}` is empty in every row")


def _refuse_nearly_numeric(table: Table, name: str) -> None:
    """A column of numbers with a `?` in it must not drop out of ``"*"`` in silence."""
    from netspec.data.sources.csv import parse_number

    if table.types[name].kind == "text":
        cells = table.columns[name].tolist()
        if 2 * sum(parse_number(cell) is not None for cell in cells) > len(cells):
            refuse_text(table, name)
