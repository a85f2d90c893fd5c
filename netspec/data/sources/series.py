"""A table of numbers over time, as windows: some steps, and the steps that follow them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

import pydantic

from netspec.data.faults import data_error
from netspec.data.field import column_type
from netspec.data.fields.number import refuse_not_finite, refuse_text
from netspec.data.fieldtype import FieldType, number
from netspec.data.ragged import Ragged, even_rows, same_length
from netspec.data.source import Source
from netspec.data.splits import Stretches
from netspec.data.table import Place, Table, make_table
from netspec.declared import Items
from netspec.tensortype import size

if TYPE_CHECKING:
    from netspec.data.ragged import Column
    from netspec.data.table import Array


class Series(Source):
    """Windows of a time series: ``past [T, n]``, numbers of ``past`` steps, and ``future``, those that follow.

    ``future`` is ``[horizon]`` of one column and ``[horizon, m]`` of m. With ``flat``, ``past`` is its numbers side by
    side, ``[past * n]``, as dense layers read them. ``data.standardize`` scales ``past`` over the training rows, each
    of its numbers once, and where it is flat each place by itself. What is to be told is scaled by
    ``{number: {of: future, standardize: true}}``, and predictions are in its own units.

    With ``split``, a row belongs to where its ``future`` lies; its ``past`` may reach back into what trains. For rows
    to predict, a table is taken as one row, the end of it.

    Example:
        data:
          source: {series: {table: {csv: airline.csv}, columns: passengers, past: 12, flat: true, split: {test: 24}}}
          fields: {next: {number: {of: future, standardize: true}}}
          standardize: true
        network:
          inputs: {past: [12]}
          layers: [{dense: {units: 16, activation: tanh}}, {dense: 1}]
        loss: mse

    Errors:
        too-few-rows: the table, or a split of it, has fewer rows than one window
        not-finite: a number has no logarithm, and `log` asks for it
        wrong-kind: a column has no numbers, or several a row
        split-exists: `split` divides a table whose source has splits already
    """

    kind: ClassVar[str] = "series"
    table: Source = pydantic.Field(description="The source of the table, a row a step: `{csv: sales.csv}`.")
    columns: str | Annotated[Items[str], pydantic.Field(min_length=1)] = pydantic.Field(
        description="The columns of numbers that are read at each step."
    )
    target: str | Annotated[Items[str], pydantic.Field(min_length=1)] | None = pydantic.Field(
        default=None, description="Those of them that are to be told; by default all.", examples=["passengers"]
    )
    past: Annotated[int, pydantic.Field(ge=1)] = pydantic.Field(description="How many steps are read.")
    horizon: Annotated[int, pydantic.Field(ge=1)] = pydantic.Field(
        default=1, description="How many steps after them are to be told."
    )
    flat: bool = pydantic.Field(default=False, description="Whether `past` is numbers side by side, without a length.")
    every: Annotated[int, pydantic.Field(ge=1)] = pydantic.Field(
        default=1, description="How many steps lie between the windows that train or are measured."
    )
    log: bool = pydantic.Field(default=False, description="Take the natural logarithm of each number.")
    split: Stretches | None = pydantic.Field(
        default=None, description="Stretches of the table that validate and test, by time, in rows or shares."
    )

    @pydantic.model_validator(mode="after")
    def _tells_what_it_reads(self) -> Self:
        if len(set(self._names)) != len(self._names):
            raise ValueError("`columns` names one column twice")
        for name in self._targets:
            if name not in self._names:
                raise ValueError(f"`target` is of `columns`, which does not name `{name}`")
        return self

    @property
    def _names(self) -> tuple[str, ...]:
        return (self.columns,) if isinstance(self.columns, str) else self.columns

    @property
    def _targets(self) -> tuple[str, ...]:
        if self.target is None:
            return self._names
        return (self.target,) if isinstance(self.target, str) else self.target

    def describe(self, base: Path) -> Mapping[str, FieldType]:
        known = self.table.describe(base)
        for name in self._names if known is not None else ():
            column_type(known or {}, name)
        told = len(self._targets)
        return {"past": self._type, "future": number(self.horizon) if told == 1 else number(self.horizon, told)}

    @property
    def _type(self) -> FieldType:
        """What `past` is."""
        count = len(self._names)
        return number(self.past * count) if self.flat else number(size("T"), count)

    def _shaped(self, past: Ragged) -> Column:
        return past.even(self.past).reshape(len(past), -1) if self.flat else past

    def rows_of_table(self, table: Table) -> Table:
        import numpy as np

        if any(name not in table.types for name in self._names):
            return table
        values = self._values(table)
        if len(values) < self.past:
            message = f"{table.origin} has {len(values):,} rows, and {self.past} are read to tell what follows"
            raise data_error("too-few-rows", message)
        end = np.array([table.rows - 1])
        place = table.places[-1].kept(end, 0) if table.places else Place("the rows", 0)
        past = self._shaped(even_rows(values[None, len(values) - self.past :]))
        return make_table({"past": past}, {"past": self._type}, places=(place,), origin=table.origin)

    def open(self, base: Path, *, offline: bool = False) -> Table:
        import numpy as np

        table = self.table.open(base, offline=offline)
        values = self._values(table)
        cut = {name: self._rows(name, own, reach, table) for name, (own, reach) in self._stretches(table).items()}
        first = np.concatenate(list(cut.values()))
        splits, row = {}, 0
        for name, own in cut.items():
            splits[name] = range(row, row + len(own))
            row += len(own)
        past = Ragged(values, first - self.past, same_length(len(first), self.past))
        told = values[:, [self._names.index(name) for name in self._targets]]
        future = told[first[:, None] + np.arange(self.horizon)]
        columns = {"past": self._shaped(past), "future": future[..., 0] if len(self._targets) == 1 else future}
        types, places = self.describe(base), self._places(table, first)
        return make_table(columns, types, splits=splits, places=places, origin=table.origin)

    def _values(self, table: Table) -> Array:
        """The numbers of all steps, ``float32[rows, n]``."""
        import numpy as np

        columns = []
        for name in self._names:
            type_ = column_type(table.types, name)
            refuse_text(table, name)
            if type_.kind != "number" or type_.shape not in ((), (1,)):
                raise data_error(
                    "wrong-kind", f"`{name}` is {type_}, and a series has one number a step in each column"
                )
            refuse_not_finite(table, name, ("fill the cell: a series has a number at every step",))
            column = table.columns[name].reshape(table.rows).astype(np.float64)
            if self.log and not (column > 0).all():
                step = int(np.argmax(~(column > 0)))
                message = f"{table.place(step, name)}, column `{name}`: {column[step]:g} has no logarithm"
                raise data_error("not-finite", message, helps=["leave `log` out"])
            columns.append(np.log(column) if self.log else column)
        return np.stack(columns, axis=1).astype(np.float32)

    def _stretches(self, table: Table) -> dict[str, tuple[range, int]]:
        """The steps of each split that are told, and how far back the past may reach."""
        if self.split is None:
            return {name: (own, own.start) for name, own in table.splits.items()}
        if list(table.splits) != ["train"]:
            listed = ", ".join(f"`{name}`" for name in table.splits)
            message = f"`split` divides one table, and its source has the splits {listed} already"
            raise data_error("split-exists", message, helps=["leave `split` out of the source"])
        found = self.split.stretches(table.rows, table.origin, "rows")
        return {name: (own, 0) for name, own in found.items()}

    def _rows(self, name: str, own: range, reach: int, table: Table) -> Array:
        """The first step that each row of a split tells."""
        import numpy as np

        first = max(own.start, reach + self.past)
        found = np.arange(first, own.stop - self.horizon + 1, self.every, dtype=np.int64)
        if not len(found):
            window = f"{self.past} steps and {self.horizon} behind them"
            message = f"the split `{name}` of {table.origin} has {len(own):,} rows, and a window needs {window}"
            raise data_error("too-few-rows", message)
        return found

    def _places(self, table: Table, first: Array) -> tuple[Place, ...]:
        """The places of the first steps that are told."""
        import numpy as np

        ends = [*(place.first for place in table.places[1:]), table.rows]
        edges = np.searchsorted(first, [*(place.first for place in table.places), ends[-1]]).tolist()
        return tuple(
            place.kept(first[start:stop], start)
            for place, start, stop in zip(table.places, edges, edges[1:], strict=False)
            if stop > start
        )
