"""Pictures with a hole."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from netspec.catalog.augmentations.kinds import Pixelwise, one_of
from netspec.catalog.fields import Pair
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.reshape import Reshape
from netspec.tensortype import BATCH, known


class Cutout(Pixelwise):
    r"""A square of the picture put out, its middle at any pixel, so that a part of it may lie outside.

    Reference: DeVries, Taylor 2017, Improved regularization of convolutional neural networks with cutout.
    """

    kind: ClassVar[str] = "cutout"
    size: Pair = Field(default=(8, 8), description="Height and width of the hole.", json_schema_extra={"main": True})
    fill: Annotated[float, Field(ge=0, le=1)] = Field(default=0.0, description="What it is filled with, 0 to 1.")

    def change(self, g: Scope, image: Value, top: float) -> Value:
        _, *shape = (known(n) if isinstance(n, int) else 0 for n in image.type.shape)
        height, width, channels = shape
        flat = g.add(Reshape((BATCH, height * width * channels)), image)
        down, across = (
            g.add(Reshape((BATCH, 1)), apply(g, f"r - {reach // 2}", r=one_of(g, draw, n)))
            for draw, n, reach in zip(("down", "across"), (height, width), self.size, strict=True)
        )
        # Halves, so that no quotient comes near a whole number.
        row = f"floor((column() + 0.5) / {width * channels})"
        column = f"floor((column() + 0.5 - {width * channels} * i) / {channels})"
        inside = f"i >= r and i < r + {self.size[0]} and j >= s and j < s + {self.size[1]}"
        text = f"i = {row}; j = {column}; where({inside}, {self.fill * top!r}, x)"
        return g.add(Reshape(image.type.shape), apply(g, text, x=flat, r=down, s=across))
