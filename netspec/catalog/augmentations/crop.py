"""Pictures cut out of larger ones."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from netspec.catalog.augmentations.affine import Affine, affine
from netspec.catalog.augmentations.kinds import Geometric, Size, one_of
from netspec.catalog.fields import Pair
from netspec.catalog.scope import Scope
from netspec.tensortype import ShapeError


class Crop(Geometric):
    r"""A part of ``size`` of the picture, cut out anywhere after ``pad`` zeros were put on each side.

    $y_{ij} = x_{i + r - p,\, j + s - p}$ with $r$ uniform on $0, ..., H + 2p - h$ and $s$ on $0, ..., W + 2p - w$
    for a picture of $H \times W$, a part of $h \times w$ and $p$ zeros. Pixels are copied exactly. Evaluation and
    prediction see the part in the middle.

    Example:
        {crop: {size: [28, 28], pad: 4}}

    Reference: Krizhevsky, Sutskever, Hinton 2012, ImageNet classification with deep convolutional neural networks; with
    padding: Lee et al. 2015, Deeply-supervised nets.
    """

    kind: ClassVar[str] = "crop"
    once: ClassVar[bool] = True
    size: Pair | None = Field(
        default=None,
        description="Height and width of the part; by default those of the picture.",
        json_schema_extra={"main": True},
    )
    pad: Annotated[int, Field(ge=0)] = Field(default=0, description="Zeros on each side of the picture.")

    @property
    def copies(self) -> bool:
        return True

    def size_after(self, size: Size) -> Size:
        wanted = self.size or size
        padded = [n + 2 * self.pad for n in size]
        if any(w > n for w, n in zip(wanted, padded, strict=True)):
            whole = f"{padded[0]} x {padded[1]}" + (f", {self.pad} zeros on each side included" if self.pad else "")
            raise ShapeError(
                f"`crop` cuts a part of {wanted[0]} x {wanted[1]} out of pictures of {whole}",
                f"ask for `size: [{padded[0]}, {padded[1]}]` at most, or for more zeros with `pad`",
            )
        if not self.pad and wanted == size:
            raise ShapeError("`crop` cuts whole pictures out, which changes nothing", "say how far they move: `pad: 2`")
        return wanted

    def source(self, g: Scope, size: Size) -> Affine:
        moves = [
            affine(g, (one_of(g, draw, given + 2 * self.pad - wanted + 1), 1.0), (-float(self.pad), 1.0))
            for draw, given, wanted in zip(("down", "across"), size, self.size_after(size), strict=True)
        ]
        return Affine(1.0, 0.0, moves[0], 0.0, 1.0, moves[1])
