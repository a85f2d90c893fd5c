"""Numbers: columns, and formulas of columns."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar, Final

import pydantic

from netspec.data import fieldtype
from netspec.data.faults import data_error, shown, unknown_column
from netspec.data.field import Learnt, ScaledField, column_type
from netspec.data.fieldtype import FieldType
from netspec.data.missing import NumberRule, fill_numbers, fit_numbers, without_number
from netspec.declared import Items
from netspec.tensortype import Dim, product, show_shape

if TYPE_CHECKING:
    from netspec.compiler.formula import Formula
    from netspec.data.table import Array, Pieces, Rows, Table

_WITH_COMMA: Final = re.compile(r"[-+]?[0-9.]*(,[0-9]+)+")
_LIKE_A_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,2}[./][0-9]{1,2}[./][0-9]{2,4}")


class Number(ScaledField):
    """Columns and formulas of columns, side by side; shape ``[n]``.

    ``"*"`` is every numeric column that no field reads by name. A formula applies to each row by itself and is computed
    in float64, after missing numbers are filled.

    The logarithm, where ``log`` asks for it, is taken here, on the way into memory and in float64: ``log: true`` is the
    formula ``log(...)`` around each number, so a target that is a logarithm is predicted as one. Scaling comes after
    it and is part of the network's graph.

    Example:
        {number: {of: [weight, "weight / horsepower"], missing: median}}

    Errors:
        text-in-number: a cell holds text; its file, line and column are told
        missing-value: a cell is empty. Say under `missing` what stands in its place
        not-finite: a number is infinite or too large for float32, or a formula has no finite value in a row
        bad-formula: a formula cannot be parsed
        unknown-column: there is no column of that name
        wrong-kind: the column has neither one number nor one list of numbers a row
        wrong-shape: a row to predict holds more or fewer numbers than the training rows did
        constant-column: a number that is to be scaled is the same in every training row: leave it out
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

    @property
    def parts(self) -> tuple[str, ...]:
        return (self.of,) if isinstance(self.of, str) else self.of

    @property
    def drops(self) -> bool:
        return self.missing == "drop"

    @property
    def takes_rest(self) -> bool:
        return "*" in self.parts

    def reads(self, known: Collection[str] | None) -> tuple[str, ...]:
        names: dict[str, None] = {}
        for part in self.parts:
            if part != "*":
                names.update(dict.fromkeys(columns_of(part, known)))
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

    def fit(self, table: Pieces, train: Rows, unused: tuple[str, ...]) -> Learnt:
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
        width, wanted = sum(part.shape[1] for part in parts), learnt.type.shape
        if wanted != (width,):
            counted = f"{width} number{'s' * (width != 1)}"
            raise data_error(
                "wrong-shape", f"{table.place(0)}: {counted}, and the network reads {show_shape(wanted or ())}"
            )
        if self.log:
            parts = [_logarithm(table, part, values) for part, values in zip(learnt.columns, parts, strict=True)]
        whole = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        return whole.astype(np.float32, copy=False)

    def dropped(self, table: Table, unused: tuple[str, ...]) -> Array | None:
        if not self.drops:
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


def columns_of(part: str, known: Collection[str] | None) -> tuple[str, ...]:
    """The columns that an item of `of` reads: itself, or those of its formula.

    Raises:
        DataError: if it is neither.
    """
    return (part,) if part.isidentifier() or _is_column(part, known) else _formula(part).inputs


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
    for name in formula.inputs:
        if table.columns[name].size != table.rows:
            raise data_error(
                "wrong-shape", f"{table.place(0, name)}, column `{name}`: a formula reads one number a row"
            )
    with np.errstate(all="ignore"):
        given = [table.columns[name].reshape(table.rows).astype(np.float64) for name in formula.inputs]
        (result,) = evaluate(formula, given, "float64")
    values: Array = np.broadcast_to(np.asarray(result, dtype=np.float64), (table.rows,))
    bad = ~np.isfinite(values.astype(np.float32))
    if bad.any():
        row = int(np.argmax(bad))
        where = ", ".join(f"`{name}` is {x[row]:g}" for name, x in zip(formula.inputs, given, strict=True))
        helps = [f"a formula can stand aside: `where(CONDITION, {part}, 0)`"]
        raise data_error("not-finite", f"{table.place(row)}: `{part}` is {values[row]:g} where {where}", helps=helps)
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


NO_FIELD: Final = ("put a number there",)
_FILL: Final = ("fill the cell", "or say what stands in for it: `missing: median`, or `missing: drop` for the row")


def refuse_not_finite(table: Table, name: str, helps: Iterable[str] = _FILL) -> None:
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
    within = np.unravel_index(int(np.argmax(bad[row])), column.shape[1:])
    value = column[row][within]
    at = f" at [{', '.join(map(str, within))}]" if within else ""
    place = f"{table.place(row, name)}, column `{name}`{at}"
    if np.isnan(value):
        raise data_error("missing-value", f"{place}: no value", helps=helps)
    raise data_error("not-finite", f"{place}: {value:g} is not a number that float32 holds")


def refuse_text(table: Pieces, name: str) -> None:
    """Raise at the first cell of a column that is no number, if it is text."""
    if table.types[name].kind != "text":
        return
    for told in (_refuse_words, _refuse_quoted):
        for piece, _ in table.pieces(range(0), name):
            told(piece, name)
    origin = f" of {table.origin}" if table.origin else ""
    raise data_error("missing-value", f"the column `{name}`{origin} is empty in every row")


def _refuse_words(table: Table, name: str) -> None:
    from netspec.data.sources.csv import parse_number

    for row, cell in enumerate(table.columns[name].tolist()):
        if parse_number(cell) is None and cell:
            message = f"{table.place(row, name)}, column `{name}`: `{shown(cell)}` is not a number"
            raise data_error("text-in-number", message, helps=_what_text_can_be(name, cell))


def _refuse_quoted(table: Table, name: str) -> None:
    for row, cell in enumerate(table.columns[name].tolist()):
        if cell:
            message = f"{table.place(row, name)}, column `{name}`: the number {shown(cell)} is written as text"
            raise data_error("text-in-number", message, helps=["write the column as numbers"])


def _what_text_can_be(name: str, cell: str) -> list[str]:
    if _WITH_COMMA.fullmatch(cell):
        return ['commas are for decimals where the source says so, `csv: {decimal: ","}`, and never for thousands']
    if _LIKE_A_DATE.match(cell):
        return [f"`{{date: {name}}}` makes numbers of dates"]
    return [f"`{{category: {name}}}` makes classes of text, `{{one_hot: {name}}}` numbers"]


def _refuse_nearly_numeric(table: Pieces, name: str) -> None:
    """A column of numbers with a `?` in it must not drop out of ``"*"`` in silence."""
    from netspec.data.sources.csv import parse_number

    if table.types[name].kind != "text":
        return
    numbers = cells = 0
    for piece, _ in table.pieces(range(0), name):
        column = piece.columns[name].tolist()
        numbers, cells = numbers + sum(parse_number(cell) is not None for cell in column), cells + len(column)
    if 2 * numbers > cells:
        refuse_text(table, name)
