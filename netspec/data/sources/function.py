"""Functions of one variable, for networks that approximate them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import pydantic

from netspec.data import fieldtype
from netspec.data.faults import data_error
from netspec.data.fieldtype import FieldType
from netspec.data.source import Source
from netspec.data.table import Place, Table, make_table

if TYPE_CHECKING:
    from netspec.compiler.formula import Formula
    from netspec.data.table import Array


class Function(Source):
    """Points of a function: fields ``x [1]`` and ``y [1]``, all in ``train``.

    The formula is one of ``x``, and knows ``pi``; bounds are numbers or formulas of ``pi``.

    Example:
        data: {source: {function: {formula: "sin(x)", from: "-pi", to: pi, rows: 200}}}
        network:
          inputs: {x: [1]}
          layers: [{dense: {units: 16, activation: tanh}}, {dense: 1}]
        loss: mse

    Errors:
        bad-formula: a formula cannot be parsed, or knows more than `x` (a bound: more than `pi`)
        out-of-range: `from` does not lie below `to`
        not-finite: the formula has no finite value at one of the points, which is told
    """

    kind: ClassVar[str] = "function"
    comes_along: ClassVar[bool] = True
    formula: str = pydantic.Field(description="What `y` is, as a formula of `x`.")
    start: float | str = pydantic.Field(alias="from", description="The least `x`.")
    stop: float | str = pydantic.Field(alias="to", description="The largest `x`.")
    rows: Annotated[int, pydantic.Field(ge=2)] = pydantic.Field(description="How many points.")
    spacing: Literal["even", "random"] = pydantic.Field(
        default="even", description="Points at even distances with both ends, or drawn evenly between them."
    )
    noise: Annotated[float, pydantic.Field(ge=0)] = pydantic.Field(
        default=0.0, description="The deviation of normal noise that is added to `y`."
    )
    seed: Annotated[int, pydantic.Field(ge=0)] = pydantic.Field(
        default=0, description="Another seed, other random points and noise."
    )

    def describe(self, base: Path) -> Mapping[str, FieldType]:
        formula = _parse(self.formula)
        others = [name for name in formula.inputs if name not in ("x", "pi")]
        if others:
            raise data_error("bad-formula", f"`{self.formula}` is a function of `x` and cannot know `{others[0]}`")
        for key, bound in (("from", self.start), ("to", self.stop)):
            if isinstance(bound, str) and set(_parse(bound).inputs) - {"pi"}:
                raise data_error("bad-formula", f"`{key}` is a number or a formula of `pi`, got `{bound}`")
        if not isinstance(self.start, str) and not isinstance(self.stop, str):
            _refuse_empty(self.start, self.stop)  # a formula waits for the data: only NumPy evaluates one
        return {"x": fieldtype.number(1), "y": fieldtype.number(1)}

    def sizes(self) -> Mapping[str, int]:
        return {"train": self.rows}

    def open(self, base: Path, *, offline: bool = False) -> Table:
        import numpy as np

        types = self.describe(base)
        place = Place(f"`{self.formula}`", 0)
        start, stop = _bound(self.start), _bound(self.stop)
        _refuse_empty(start, stop)
        generator = np.random.Generator(np.random.PCG64(self.seed))
        drawn = np.sort(generator.uniform(start, stop, self.rows))
        x = np.linspace(start, stop, self.rows) if self.spacing == "even" else drawn
        y = _values(self.formula, x)
        bad = ~np.isfinite(y.astype(np.float32))
        if bad.any():
            row = int(np.argmax(bad))
            raise data_error("not-finite", f"{place.name(row)}: y is {y[row]:g} where x is {x[row]:g}")
        y = y + self.noise * generator.standard_normal(self.rows)
        columns = {"x": x[:, None].astype(np.float32), "y": y[:, None].astype(np.float32)}
        return make_table(columns, types, places=(place,), origin=place.file)


def _parse(text: str) -> Formula:
    from netspec.compiler.formula import FormulaError, parse

    try:
        formula = parse(text)
    except FormulaError as error:
        helps = [error.advice] if error.advice else []
        raise data_error("bad-formula", f"`{text}` is no formula: {error}", helps=helps) from None
    if len(formula.outputs) != 1 or formula.reduces or formula.draws:
        raise data_error("bad-formula", f"`{text}` does not compute one number from one number")
    return formula


def _bound(value: float | str) -> float:
    from netspec.compiler.formula import evaluate_scalar

    return float(evaluate_scalar(_parse(value), {"pi": math.pi})[0]) if isinstance(value, str) else value


def _refuse_empty(start: float, stop: float) -> None:
    if not start < stop:
        raise data_error("out-of-range", f"`from` must lie below `to`, got {start:g} and {stop:g}")


def _values(text: str, x: Array) -> Array:
    import numpy as np

    from netspec.compiler.formula import evaluate

    formula = _parse(text)
    given = [x if name == "x" else np.float64(math.pi) for name in formula.inputs]
    with np.errstate(all="ignore"):
        (y,) = evaluate(formula, given, "float64")
    values: Array = np.broadcast_to(np.asarray(y, dtype=np.float64), x.shape)
    return values
