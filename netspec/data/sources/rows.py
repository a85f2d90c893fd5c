"""Samples written down in the spec itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, TypeAlias

import pydantic

from netspec.data import fieldtype
from netspec.data.faults import data_error
from netspec.data.fieldtype import FieldType
from netspec.data.source import Source
from netspec.data.table import Place, Table, make_table
from netspec.declared import Items

Vector: TypeAlias = Annotated[Items[float], pydantic.Field(min_length=1)]


class Rows(Source):
    """A few samples in the spec, each a map from fields to lists of numbers; all in ``train``.

    Example:
        data:
          source:
            rows:
              - {x: [0.35, 0.9], answer: [0.5]}
              - {x: [0.1, 0.2], answer: [0.1]}
        network:
          inputs: {x: [2]}
          layers: [{dense: {units: 1, activation: sigmoid}}]
        loss: squared_error

    Errors:
        unequal-columns: a row has other fields than the first, or a field of another length
    """

    kind: ClassVar[str] = "rows"
    comes_along: ClassVar[bool] = True
    rows: Annotated[Items[dict[str, Vector]], pydantic.Field(min_length=1)] = pydantic.Field(
        description="The samples; every one has the same fields.", json_schema_extra={"main": True}
    )

    def describe(self, base: Path) -> Mapping[str, FieldType]:
        first = {name: len(values) for name, values in self.rows[0].items()}
        for number, row in enumerate(self.rows, 1):
            if {name: len(values) for name, values in row.items()} != first:
                message = f"row {number} of `rows` differs from the first in its fields or their lengths"
                raise data_error("unequal-columns", message)
        return {name: fieldtype.number(length) for name, length in first.items()}

    def sizes(self) -> Mapping[str, int]:
        return {"train": len(self.rows)}

    def open(self, base: Path, *, offline: bool = False) -> Table:
        import numpy as np

        types = self.describe(base)
        columns = {name: np.array([row[name] for row in self.rows], dtype=np.float32) for name in types}
        return make_table(columns, types, places=(Place("the rows of the spec", 0),), origin="`rows`")
