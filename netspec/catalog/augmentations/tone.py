"""Pictures in another light."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from netspec.catalog.augmentations.kinds import Pixelwise, between, of_samples
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.reduce import Reduce
from netspec.tensortype import known, product


class Brightness(Pixelwise):
    r"""$y = x + d$, cut at black and at a full pixel, with $d$ uniform on $[-b, b]$, in full pixels.

    Reference: Krizhevsky, Sutskever, Hinton 2012, ImageNet classification with deep convolutional neural networks
    (changes of intensity).
    """

    kind: ClassVar[str] = "brightness"
    by: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.2, description="The largest change, b, in full pixels.", json_schema_extra={"main": True}
    )

    def change(self, g: Scope, image: Value, top: float) -> Value:
        d = of_samples(g, between(g, "", -self.by * top, self.by * top))
        return apply(g, f"min(max(x + d, 0), {top!r})", x=image, d=d)


class Contrast(Pixelwise):
    r"""$y = m + f (x - m)$, cut at black and at a full pixel, with $m$ the mean of the picture.

    $f$ is uniform on $[1 - b, 1 + b]$.

    Reference: Howard 2013, Some improvements on deep convolutional neural network based image classification.
    """

    kind: ClassVar[str] = "contrast"
    by: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.2, description="The largest change, b, as a share.", json_schema_extra={"main": True}
    )

    def change(self, g: Scope, image: Value, top: float) -> Value:
        pixels = known(product(image.type.shape[1:]))
        total = g.add(Reduce("sum", (1, 2, 3), keepdims=True), image)
        mean = apply(g, f"s * {1 / pixels!r}", s=total)
        f = of_samples(g, between(g, "", 1 - self.by, 1 + self.by))
        return apply(g, f"min(max(m + f * (x - m), 0), {top!r})", m=mean, f=f, x=image)
