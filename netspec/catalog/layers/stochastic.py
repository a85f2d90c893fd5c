"""Dropout of what belongs together: whole channels, whole branches."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netspec.catalog.fields import Probability
from netspec.catalog.layers.axes import shown
from netspec.catalog.layers.layer import Layer
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.over_steps import over_lengths
from netspec.compiler.ops.plans import Spread
from netspec.compiler.ops.random import Random
from netspec.compiler.ops.route import Route
from netspec.tensortype import BATCH, Dim, ShapeError, lengths


class SpatialDropout(Layer):
    r"""In training $y_{p,c} = x_{p,c} / (1 - r)$ at all places $p$, or 0 at all of them with the probability $r$.

    Neighbouring pixels of a map say nearly the same, so that `dropout` of single ones takes nothing away; whole
    channels are dropped, each sample's own. Elsewhere $y = x$. What is dropped is a function of seed, path, step and
    place: not of threads, and the same after a resume.

    Shapes: ``[..., C] -> [..., C]``, any with axes before the channels, lengths too.

    Example:
        inputs: {image: [12, 12, 1]}
        layers: [{conv2d: {filters: 16, kernel: 5}}, {spatial_dropout: 0.2}, flatten, {dense: 10}]

    Reference: Tompson et al. 2015, Efficient object localization using convolutional networks.
    """

    kind: ClassVar[str] = "spatial_dropout"
    rate: Probability = Field(description="The share of channels dropped.", json_schema_extra={"main": True})

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        if x.type.rank < 3 and not lengths(x.type.shape[0]):
            raise ShapeError(
                f"`spatial_dropout` drops channels at all places, got {shown(x)}, which has one place",
                "`- dropout` drops single values",
            )
        if not (g.training and self.rate):
            return x
        return _dropped(g, x, self.rate, x.type.channels)


class DropPath(Layer):
    r"""In training $y = x / (1 - r)$, or all 0 with the probability $r$, for each sample; elsewhere $y = x$.

    At the end of a residual branch, before the `add`: with some samples the branch is left out, as if the network were
    less deep. What is dropped is a function of seed, path, step and sample's place in the batch: not of threads, and
    the same after a resume.

    Shapes: ``[...] -> [...]``, any.

    Example:
        inputs: {x: [8]}
        layers:
          - dense: {units: 8, activation: relu}
          - drop_path: {rate: 0.2, name: branch}
          - add: [branch, input]

    Reference: Huang et al. 2016, Deep networks with stochastic depth (which scales in prediction instead); Larsson,
    Maire & Shakhnarovich 2017, FractalNet.
    """

    kind: ClassVar[str] = "drop_path"
    rate: Probability = Field(
        description="The share of samples whose values are dropped.", json_schema_extra={"main": True}
    )

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        return _dropped(g, x, self.rate, 1) if g.training and self.rate else x


def _dropped(g: Scope, x: Value, rate: float, channels: Dim) -> Value:
    """``x`` scaled or dropped by one draw for each sample and channel, or with ``channels`` 1 for each sample."""
    keep, space = 1 - rate, x.type.shape[1:-1]
    drawn = g.add(Random("uniform", (BATCH, *((1,) * len(space)), channels)), *g.counter())
    factor = apply(g, f"where(u < {keep!r}, {1 / keep!r}, 0)", u=drawn)
    sizes = tuple(n for n in x.type.shape[1:] if isinstance(n, int))
    if space and len(sizes) == x.type.rank - 1 and not isinstance(x.type.shape[0], int):
        # Repeated over the map where samples lie in the lanes: a factor for each row would take all out of them.
        factor = g.add(Route(Spread(sizes[:-1], sizes[-1] if channels == 1 else 1), (1,) * len(space)), factor)
    factor = over_lengths(g.graph, factor, x.type.shape[0])
    # Chosen, never multiplied by a mask: 0 * inf would put NaN where a value is dropped.
    return apply(g, "where(f > 0, x * f, 0)", x=x, f=factor)
