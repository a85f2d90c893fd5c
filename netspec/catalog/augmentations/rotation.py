"""Pictures turned."""

from __future__ import annotations

from math import radians
from typing import Annotated, ClassVar

from pydantic import Field

from netspec.catalog.augmentations.affine import Affine, about_centre, affine
from netspec.catalog.augmentations.kinds import Geometric, Size, between
from netspec.catalog.scope import Scope
from netspec.compiler.ops.expressions import apply


class Rotation(Geometric):
    r"""The picture turned about its centre by an angle uniform on $[-\theta, \theta]$.

    Reference: Simard, Steinkraus, Platt 2003, Best practices for convolutional neural networks applied to visual
    document analysis (affine distortions).
    """

    kind: ClassVar[str] = "rotation"
    degrees: Annotated[float, Field(gt=0, le=180)] = Field(
        default=10.0, description="The largest angle, to either side.", json_schema_extra={"main": True}
    )

    def source(self, g: Scope, size: Size) -> Affine:
        angle = between(g, "", -radians(self.degrees), radians(self.degrees))
        cosine, sine = apply(g, "cos(t)", t=angle), apply(g, "sin(t)", t=angle)
        return about_centre(g, size, cosine, affine(g, (sine, -1.0)), sine, cosine)
