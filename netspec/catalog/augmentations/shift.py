"""Pictures moved."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import BeforeValidator, Field, model_validator

from netspec.catalog.augmentations.affine import Affine, Number, affine
from netspec.catalog.augmentations.kinds import Geometric, Size, between, one_of
from netspec.catalog.fields import NotNegative, pair
from netspec.catalog.scope import Scope

Reach = Annotated[
    tuple[NotNegative, NotNegative],
    BeforeValidator(pair, json_schema_input_type=NotNegative | tuple[NotNegative, NotNegative]),
]


class Shift(Geometric):
    r"""The picture moved by $(r, s)$ pixels: $y_{ij} = x_{i - r,\, j - s}$, with $r$ and $s$ uniform on $[-p, p]$.

    With ``whole`` they are whole numbers, and pixels are copied exactly; else they are interpolated.

    Example:
        {shift: {pixels: 2, whole: true}}

    Reference: LeCun et al. 1998, Gradient-based learning applied to document recognition (translated digits).
    """

    kind: ClassVar[str] = "shift"
    pixels: Reach = Field(
        description="How far at most; two numbers are down and across.", json_schema_extra={"main": True}
    )
    whole: bool = Field(default=False, description="Whether it moves by whole pixels.")

    @model_validator(mode="after")
    def _whole_reach(self) -> Self:
        if self.whole and any(reach != int(reach) for reach in self.pixels):
            raise ValueError("`whole: true` needs whole numbers of `pixels`")
        return self

    @property
    def copies(self) -> bool:
        return self.whole

    def source(self, g: Scope, size: Size) -> Affine:
        down, across = (self._moved(g, *way) for way in zip(("down", "across"), self.pixels, strict=True))
        return Affine(1.0, 0.0, down, 0.0, 1.0, across)

    def _moved(self, g: Scope, draw: str, reach: float) -> Number:
        if not reach:
            return 0.0
        if self.whole:
            return affine(g, (one_of(g, draw, 2 * int(reach) + 1), 1.0), (-float(reach), 1.0))
        return between(g, draw, -reach, reach)
