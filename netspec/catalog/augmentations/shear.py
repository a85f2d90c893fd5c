"""Pictures made slanting."""

from __future__ import annotations

from math import radians
from typing import Annotated, ClassVar

from pydantic import Field

from netspec.catalog.augmentations.affine import Affine, about_centre
from netspec.catalog.augmentations.kinds import Geometric, Size, between
from netspec.catalog.scope import Scope
from netspec.compiler.ops.expressions import apply


class Shear(Geometric):
    r"""The picture made slanting: what is upright leans by an angle uniform on $[-\phi, \phi]$.

    $y_{ij} = x_{i,\, j + (i - c) \tan\phi}$ with $c$ the row in the middle.

    Reference: LeCun et al. 1998, Gradient-based learning applied to document recognition (horizontal shearing).
    """

    kind: ClassVar[str] = "shear"
    degrees: Annotated[float, Field(gt=0, le=80)] = Field(
        default=10.0, description="The largest angle, to either side.", json_schema_extra={"main": True}
    )

    def source(self, g: Scope, size: Size) -> Affine:
        angle = between(g, "", -radians(self.degrees), radians(self.degrees))
        return about_centre(g, size, 1.0, 0.0, apply(g, "sin(t) / cos(t)", t=angle), 1.0)
