"""Logic gates, the first problems of every course."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

import pydantic

from netspec.data import fieldtype
from netspec.data.fieldtype import FieldType
from netspec.data.source import Source
from netspec.data.table import Place, Table, make_table

_ANSWERS: Mapping[str, str] = {
    "and": "0001",
    "or": "0111",
    "nand": "1110",
    "nor": "1000",
    "xor": "0110",
    "xnor": "1001",
    "implies": "1101",
    "not": "10",
}


class Logic(Source):
    """The truth table of a gate: ``x [2]`` (``not``: ``[1]``) and ``answer [1]``, false 0 and true 1.

    Rows stand in the order of the table, 00, 01, 10, 11, all in ``train``.

    Example:
        data: {source: {logic: xor}}
        network:
          inputs: {x: [2]}
          layers: [{dense: {units: 2, activation: sigmoid}}, {dense: {units: 1, activation: sigmoid}}]
        loss: squared_error
    """

    kind: ClassVar[str] = "logic"
    comes_along: ClassVar[bool] = True
    gate: Literal["and", "or", "nand", "nor", "xor", "xnor", "implies", "not"] = pydantic.Field(
        description="Which gate.", json_schema_extra={"main": True}
    )

    def describe(self, base: Path) -> Mapping[str, FieldType]:
        return {"x": fieldtype.number(1 if self.gate == "not" else 2), "answer": fieldtype.number(1)}

    def sizes(self) -> Mapping[str, int]:
        return {"train": len(_ANSWERS[self.gate])}

    def open(self, base: Path, *, offline: bool = False) -> Table:
        import numpy as np

        types = self.describe(base)
        answers = _ANSWERS[self.gate]
        rows = np.arange(len(answers))
        x = rows[:, None] if self.gate == "not" else np.stack([rows >> 1, rows & 1], axis=1)
        answer = np.array([[int(a)] for a in answers])
        columns = {"x": x.astype(np.float32), "answer": answer.astype(np.float32)}
        return make_table(columns, types, places=(Place(f"the table of `{self.gate}`", 0),), origin=f"`{self.gate}`")
