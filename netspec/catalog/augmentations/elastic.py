"""Pictures distorted as by a trembling hand."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor, pi, sqrt
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from netspec.catalog.augmentations.kinds import Distorting, Size
from netspec.catalog.fields import AboveZero
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.random import Random
from netspec.tensortype import BATCH, ShapeError, TensorType

if TYPE_CHECKING:
    from netspec.catalog.augmentations.kinds import Array

LARGEST = 1 << 24
"""Numbers of the table of splines: 64 MB."""

MEAN_SQUARE = 151 / 315
"""The mean over all places of the sum of the squares of cubic B-splines a knot apart."""


class Elastic(Distorting):
    r"""Each pixel moved by a smooth random field: $y_q = x_{q + d(q)}$ with $d = \alpha\, (g_\sigma * u)$.

    Simard's field is uniform noise $u$ on $[-1, 1]$ at every pixel, smoothed by a Gaussian of deviation $\sigma$. Here
    the noise is at the knots of cubic B-splines, $\sqrt{3}\sigma$ pixels apart, which have the Gaussian's variance,
    with a factor that makes the field's deviation that of Simard's, $\alpha / (2 \sqrt{3 \pi}\, \sigma)$ (1.4 pixels).
    For a picture of 28 x 28 that is 49 draws and a product with a table, down and across.

    Pixels are interpolated, together with those that shift, turn or scale the picture before it in the list.

    Example:
        {elastic: {alpha: 34, sigma: 4}}

    Reference: Simard, Steinkraus, Platt 2003, Best practices for convolutional neural networks applied to visual
    document analysis.
    """

    kind: ClassVar[str] = "elastic"
    alpha: AboveZero = Field(
        default=34.0, description="How strongly pixels are moved.", json_schema_extra={"main": True}
    )
    sigma: AboveZero = Field(default=4.0, description="How smooth the field is, in pixels.")

    def size_after(self, size: Size) -> Size:
        if self._knots(size) * size[0] * size[1] > LARGEST:
            raise ShapeError(
                f"`elastic` with a sigma of {self.sigma} is too fine for pictures of {size[0]} x {size[1]}",
                "a larger `sigma` moves larger pieces alike, and takes less",
            )
        return size

    def displacement(self, g: Scope, size: Size) -> tuple[Value, Value]:
        knots = self._knots(size)
        table = g.graph.input(f"{g.path}/splines", TensorType("float32", (knots, size[0] * size[1])), "constant")
        draws = [g.add(Random("uniform", (BATCH, knots)), *g.counter(draw)) for draw in ("down", "across")]
        down, across = (g.add(Contract(), apply(g, "2 * u - 1", u=u), table) for u in draws)
        return down, across

    def constants(self, size: Size) -> Mapping[str, Array]:
        """What each knot adds to the displacement of each pixel."""
        import numpy as np

        factor = self.alpha / (2 * sqrt(pi) * self.sigma) / MEAN_SQUARE
        down, across = (self._splines(n) for n in size)
        table = factor * down[:, None, :, None] * across[None, :, None, :]
        return {"splines": np.ascontiguousarray(table.reshape(self._knots(size), -1), np.float32)}

    def _splines(self, pixels: int) -> Array:
        """The cubic B-splines of all knots along an axis, ``[knots, pixels]``."""
        import numpy as np

        count = self._along(pixels)
        places = (np.arange(pixels) - (pixels - 1) / 2) / self._spacing + (count - 1) / 2
        t = np.abs(places[None] - np.arange(count)[:, None])
        return np.where(t < 1, 2 / 3 - t * t + t * t * t / 2, np.where(t < 2, (2 - t) ** 3 / 6, 0.0))

    @property
    def _spacing(self) -> float:
        return sqrt(3) * self.sigma

    def _along(self, pixels: int) -> int:
        """The knots whose splines reach into a picture."""
        return floor((pixels - 1) / self._spacing) + 4

    def _knots(self, size: Size) -> int:
        return self._along(size[0]) * self._along(size[1])
