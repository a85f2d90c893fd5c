"""Pixels, 0 to 1."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import pydantic

from netspec.data import fieldtype
from netspec.data.faults import data_error
from netspec.data.field import Field, Learnt, Scaling, column_type
from netspec.data.fieldtype import FieldType

if TYPE_CHECKING:
    from netspec.data.table import Array, Pieces, Rows, Table


class Image(Field):
    """Pixels as the network sees them: 0 to 1, height, width, channels.

    Bytes stay bytes in memory and are scaled when they are read; floats must lie between 0 and 1 as they are. Images
    without an axis of channels get one.

    Example:
        {image: {of: pixels, standardize: true}}

    Errors:
        pixel-out-of-range: a number is not between 0 and 1, or not a byte
        wrong-kind: the column holds no images
    """

    kind: ClassVar[str] = "image"
    of: str = pydantic.Field(description="The column that holds the pixels.", json_schema_extra={"main": True})
    standardize: bool = pydantic.Field(
        default=False, description="Shift and scale each channel to mean 0 and deviation 1 over the training pixels."
    )

    @property
    def scaling(self) -> Scaling | None:
        return "standardize" if self.standardize else None

    def reads(self, known: Collection[str] | None) -> tuple[str, ...]:
        return (self.of,)

    def resolve(self, source: Mapping[str, FieldType] | None, unused: tuple[str, ...], scalar: bool) -> FieldType:
        if source is None:
            return FieldType("image", None, None)
        column = column_type(source, self.of)
        shape = column.shape
        if column.kind == "image" and shape is None:  # pictures whose size their files say
            return column
        if column.kind not in ("image", "number") or shape is None or len(shape) not in (2, 3):
            message = f"an image needs pixels with height and width, and `{self.of}` is {column}"
            raise data_error("wrong-kind", message)
        if column.kind == "image":
            return column
        height, width, channels = shape if len(shape) == 3 else (*shape, 1)
        return replace(fieldtype.image(height, width, channels), dtype=column.dtype)

    def fit(self, table: Pieces, train: Rows, unused: tuple[str, ...]) -> Learnt:
        return Learnt(self.resolve(table.types, unused, False), (self.of,))

    def make(self, table: Table, learnt: Learnt) -> Array:
        import numpy as np

        column = table.columns[self.of]
        if column.dtype != np.uint8:
            outside = ~((column >= 0) & (column <= 1)).reshape(table.rows, -1).all(axis=1)
            if outside.any():
                place = f"{table.place(int(np.argmax(outside)), self.of)}, column `{self.of}`"
                helps = ["store pixels as bytes, or as numbers from 0 to 1"]
                raise data_error("pixel-out-of-range", f"{place}: a pixel outside 0 to 1", helps=helps)
        return column if column.ndim == 4 else column.reshape(*column.shape, 1)
