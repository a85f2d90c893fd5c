"""Pictures made larger and smaller."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from netspec.catalog.augmentations.affine import Affine, about_centre
from netspec.catalog.augmentations.kinds import Geometric, Size, between
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply


class Scale(Geometric):
    r"""The picture made $s$ times as large about its centre, with $s$ uniform on $[1 - b, 1 + b]$.

    Reference: Ciresan, Meier, Gambardella, Schmidhuber 2010, Deep, big, simple neural nets for handwritten digit
    recognition.
    """

    kind: ClassVar[str] = "scale"
    by: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.15, description="The largest change, b, as a share.", json_schema_extra={"main": True}
    )
    separate: bool = Field(default=False, description="Whether height and width change each by a number of its own.")

    def source(self, g: Scope, size: Size) -> Affine:
        down = self._inverse(g, "down")
        return about_centre(g, size, down, 0.0, 0.0, self._inverse(g, "across") if self.separate else down)

    def _inverse(self, g: Scope, draw: str) -> Value:
        return apply(g, "1 / s", s=between(g, draw, 1 - self.by, 1 + self.by))
