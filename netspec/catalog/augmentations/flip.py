"""Mirrored pictures."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from netspec.catalog.augmentations.affine import Affine
from netspec.catalog.augmentations.kinds import Geometric, Size, uniform
from netspec.catalog.formulas import lower, with_numbers
from netspec.catalog.scope import Scope
from netspec.compiler.formula import parse


class Flip(Geometric):
    r"""The mirror image, with the probability ``probability``; else the picture as it is.

    Horizontal: $y_{ij} = x_{i,\, W - 1 - j}$; vertical: $y_{ij} = x_{H - 1 - i,\, j}$. Pixels are copied exactly.

    Example:
        {flip: horizontal}

    Reference: Krizhevsky, Sutskever, Hinton 2012, ImageNet classification with deep convolutional neural networks.
    """

    kind: ClassVar[str] = "flip"
    axis: Literal["horizontal", "vertical"] = Field(
        default="horizontal",
        description="What changes places: left and right, or top and bottom.",
        json_schema_extra={"main": True},
    )
    probability: Annotated[float, Field(gt=0, le=1)] = Field(default=0.5, description="Of being mirrored.")

    @property
    def copies(self) -> bool:
        return True

    def source(self, g: Scope, size: Size) -> Affine:
        last = size[1 if self.axis == "horizontal" else 0] - 1
        u, numbers = {"u": uniform(g, "")}, {"p": self.probability, "last": float(last)}
        way, start = (
            lower(g, with_numbers(parse(text, ("u", "p", "last")), numbers), u)
            for text in ("where(u < p, -1, 1)", "where(u < p, last, 0)")
        )
        if self.axis == "horizontal":
            return Affine(1.0, 0.0, 0.0, 0.0, way, start)
        return Affine(way, 0.0, start, 0.0, 1.0, 0.0)
