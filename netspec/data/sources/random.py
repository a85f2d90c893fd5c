"""Random numbers in the shape of data, to try and to time a network before its data are there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, TypeAlias

import pydantic

from netspec.data import fieldtype
from netspec.data.fieldtype import FieldType
from netspec.data.source import Source
from netspec.data.table import Place, Table, make_table
from netspec.declared import Declared, Items

Positive: TypeAlias = Annotated[int, pydantic.Field(ge=1)]


class RandomCategory(Declared):
    """Classes drawn evenly."""

    category: Positive = pydantic.Field(description="How many classes.")


class Random(Source):
    """Standard normal numbers and evenly drawn classes; there is nothing to learn in them.

    Example:
        data: {source: {random: {rows: 256, fields: {board: [19, 19, 48], move: {category: 361}}}}}
        network:
          inputs: {board: [19, 19, 48]}
          layers: [flatten, {dense: 361}]
        loss: cross_entropy
    """

    kind: ClassVar[str] = "random"
    rows: Positive = pydantic.Field(description="How many samples.")
    fields: dict[str, Items[Positive] | RandomCategory] = pydantic.Field(
        description="For each field a shape, or `{category: CLASSES}`."
    )
    seed: Annotated[int, pydantic.Field(ge=0)] = pydantic.Field(default=0, description="Another seed, other numbers.")

    def describe(self, base: Path) -> Mapping[str, FieldType]:
        return {name: _type(wanted) for name, wanted in self.fields.items()}

    def sizes(self) -> Mapping[str, int]:
        return {"train": self.rows}

    def open(self, base: Path, *, offline: bool = False) -> Table:
        import numpy as np

        types = self.describe(base)
        columns = {}
        for name, wanted in self.fields.items():
            # Keyed by name as well, so that a field keeps its numbers when another one is added before it.
            generator = np.random.Generator(np.random.PCG64([self.seed, *name.encode()]))
            if isinstance(wanted, RandomCategory):
                columns[name] = generator.integers(wanted.category, size=self.rows).astype(types[name].dtype)
            else:
                columns[name] = generator.standard_normal((self.rows, *wanted), dtype=np.float32)
        return make_table(columns, types, places=(Place("random data", 0),), origin="random data")


def _type(wanted: tuple[int, ...] | RandomCategory) -> FieldType:
    if isinstance(wanted, RandomCategory):
        return fieldtype.category(fieldtype.numbered_classes(wanted.category))
    return fieldtype.number(*wanted)
