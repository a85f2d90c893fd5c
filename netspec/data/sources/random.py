"""Random numbers in the shape of data, to try and to time a network before its data are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, TypeAlias

import pydantic

from netspec.data import fieldtype
from netspec.data.fieldtype import FieldType
from netspec.data.ragged import of_rows
from netspec.data.source import Source
from netspec.data.table import Place, Table, make_table
from netspec.declared import Declared, Items
from netspec.tensortype import Dim, DType, size

if TYPE_CHECKING:
    from numpy.random import Generator

    from netspec.data.ragged import Column
    from netspec.data.table import Array

Positive: TypeAlias = Annotated[int, pydantic.Field(ge=1)]
Length: TypeAlias = Annotated[str, pydantic.Field(pattern="^[A-Z][A-Za-z0-9_]*$")]


def _length_first(shape: tuple[int | str, ...]) -> tuple[int | str, ...]:
    if any(isinstance(n, str) for n in shape[1:]):
        raise ValueError("a length can only stand first")
    return shape


Shape: TypeAlias = Annotated[Items[Positive | Length], pydantic.AfterValidator(_length_first)]
"""The shape of a sample, which may begin with the name of a length."""


class RandomCategory(Declared):
    """Classes drawn evenly."""

    category: Positive = pydantic.Field(description="How many classes.")


class RandomIndex(Declared):
    """Whole numbers drawn evenly."""

    index: Positive = pydantic.Field(description="How many values a number can take.")
    shape: Shape = pydantic.Field(default=(), description="The shape of a sample.")


class Random(Source):
    """Standard normal numbers, evenly drawn classes and whole numbers; there is nothing to learn in them.

    A shape may begin with the name of a length, ``[T, 8]``: samples then have ``shortest`` to ``longest`` steps, and
    fields of one name equally many.

    Example:
        data: {source: {random: {rows: 256, fields: {board: [19, 19, 48], move: {category: 361}}}}}
        network:
          inputs: {board: [19, 19, 48]}
          layers: [flatten, {dense: 361}]
        loss: cross_entropy
    """

    kind: ClassVar[str] = "random"
    rows: Positive = pydantic.Field(description="How many samples.")
    fields: dict[str, Shape | RandomCategory | RandomIndex] = pydantic.Field(
        description="For each field a shape, `{category: CLASSES}` or `{index: VALUES, shape: SHAPE}`."
    )
    shortest: Positive = pydantic.Field(
        default=1, description="The fewest steps that a sample has, where it has a length."
    )
    longest: Positive = pydantic.Field(
        default=8, description="The most steps that a sample has, where it has a length."
    )
    seed: Annotated[int, pydantic.Field(ge=0)] = pydantic.Field(default=0, description="Another seed, other numbers.")

    @pydantic.model_validator(mode="after")
    def _is_range(self) -> Random:
        if self.shortest > self.longest:
            raise ValueError(f"`shortest`, {self.shortest}, is more than `longest`, {self.longest}")
        return self

    def describe(self, base: Path) -> Mapping[str, FieldType]:
        return {name: _type(wanted) for name, wanted in self.fields.items()}

    def sizes(self) -> Mapping[str, int]:
        return {"train": self.rows}

    def open(self, base: Path, *, offline: bool = False) -> Table:

        types = self.describe(base)
        columns: dict[str, Column] = {}
        for name, wanted in self.fields.items():
            if isinstance(wanted, RandomCategory):
                columns[name] = (
                    self._generator(name).integers(wanted.category, size=self.rows).astype(types[name].dtype)
                )
                continue
            shape = wanted.shape if isinstance(wanted, RandomIndex) else wanted
            if shape and isinstance(shape[0], str):
                lengths = self._generator(f"{shape[0]}/length").integers(self.shortest, self.longest + 1, self.rows)
                values = self._drawn(name, wanted, (int(lengths.sum()), *shape[1:]), types[name])
                columns[name] = of_rows(values, lengths)
            else:
                columns[name] = self._drawn(name, wanted, (self.rows, *shape), types[name])
        return make_table(columns, types, places=(Place("random data", 0),), origin="random data")

    def _generator(self, name: str) -> Generator:
        """Keyed by name as well, so that a field keeps its numbers when another one is added before it."""
        import numpy as np

        return np.random.Generator(np.random.PCG64([self.seed, *name.encode()]))

    def _drawn(self, name: str, wanted: object, shape: Sequence[int | str], type_: FieldType) -> Array:
        import numpy as np

        sizes = tuple(n for n in shape if isinstance(n, int))
        if isinstance(wanted, RandomIndex):
            whole: Array = self._generator(name).integers(wanted.index, size=sizes).astype(type_.dtype)
            return whole
        return self._generator(name).standard_normal(sizes, dtype=np.float32)


def _type(wanted: tuple[int | str, ...] | RandomCategory | RandomIndex) -> FieldType:
    if isinstance(wanted, RandomCategory):
        return fieldtype.category(fieldtype.numbered_classes(wanted.category))
    shape = wanted.shape if isinstance(wanted, RandomIndex) else wanted
    dims: tuple[Dim, ...] = tuple(size(n) if isinstance(n, str) else n for n in shape)
    if isinstance(wanted, RandomIndex):
        dtype: DType = "uint16" if wanted.index <= 1 << 16 else "int32"
        return FieldType("index", dims, dtype, count=wanted.index)
    return fieldtype.number(*dims)
