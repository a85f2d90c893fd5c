"""Batch normalisation."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from netspec.catalog.fields import AboveZero
from netspec.catalog.initializers import Ones, Zeros
from netspec.catalog.layers.axes import fixed, shown
from netspec.catalog.layers.layer import Layer
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.extent import Extent
from netspec.compiler.ops.moments import Moments
from netspec.tensortype import ShapeError, lengths, product


class BatchNorm(Layer):
    r"""$y = s\,\frac{x - \mu_c}{\sqrt{\sigma^2_c + \epsilon}} + b$ with the mean and variance of channel $c$.

    In training $\mu$ and $\sigma^2$ are those of the batch, over its samples and all places of the axes before the
    channels; $\sigma^2$ is the mean squared deviation. Everywhere else they are running statistics, which each batch
    of training moves by ``momentum`` of the way to its own: $m \leftarrow m + \text{momentum}\,(\mu - m)$. So 0.1 is
    a momentum of 0.9 in papers that weigh the old value. The running variance follows the unbiased one, of $n$ numbers
    divided by $n - 1$.

    Where several batches make a step (``train.accumulate``), each is normalised by itself and moves the running
    statistics; so is a last batch with fewer samples. With ``freeze: true`` running statistics are used in training
    too, and do not move. Layers that ``share`` them move them one after the other. ``train.average`` averages weights,
    and leaves running statistics as they are.

    Shapes: ``[...] -> [...]``, any without lengths; the last axis are the channels.

    Weights: ``scale`` ``[C]``, from ones; ``bias`` ``[C]``, from zeros. Running statistics, which are no parameters:
    ``mean`` ``[C]``, from zeros; ``variance`` ``[C]``, from ones.

    Example:
        inputs: {image: [8, 8, 1]}
        layers: [{conv2d: {filters: 16, kernel: 3, bias: false}}, batch_norm, relu, flatten, {dense: 10}]

    Reference: Ioffe & Szegedy 2015, Batch normalization: accelerating deep network training by reducing internal
    covariate shift.
    """

    kind: ClassVar[str] = "batch_norm"
    momentum: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.1, description="How far a batch moves the running statistics: the weight of the new one."
    )
    epsilon: AboveZero = Field(default=1e-5, description="Added to the variance.")
    scale: bool = Field(default=True, description="Whether there is a learned scale.")
    bias: bool = Field(default=True, description="Whether there is a learned bias.")

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        shape = (fixed(self.kind, x)[-1],)
        if lengths(x.type.shape[0]):
            raise ShapeError(
                f"`batch_norm` takes the variance over a batch, and one of {shown(x)} is filled up behind its samples",
                "`layer_norm` takes them of each place by itself",
            )
        scale = g.parameter("scale", shape, Ones()) if self.scale else None
        bias = g.parameter("bias", shape, Zeros()) if self.bias else None
        mean, variance = g.statistic("mean", shape, Zeros()), g.statistic("variance", shape, Ones())
        if g.training and not (g.is_frozen("mean") or g.is_frozen("variance")):
            g.spread = product(x.type.shape[:-1])
            mean, variance = g.graph.node(Moments(), x).values
            g.follow("mean", mean, self.momentum)
            unbiased = apply(g, "v * n / (n - 1)", v=variance, n=g.add(Extent(g.spread)))
            g.follow("variance", unbiased, self.momentum)
        return scaled(g, standardized(g, x, mean, variance, self.epsilon), scale, bias)


def standardized(g: Scope, x: Value, mean: Value, variance: Value, epsilon: float) -> Value:
    """``x`` with the mean 0 and the variance 1."""
    # The root is taken once for each variance, not once for each element.
    return apply(g, "(x - m) * r", x=x, m=mean, r=apply(g, f"1 / sqrt(v + {epsilon!r})", v=variance))


def scaled(g: Scope, y: Value, scale: Value | None, bias: Value | None) -> Value:
    """``y`` times a scale plus a bias, as far as there are any."""
    if scale is not None:
        y = apply(g, "y * s", y=y, s=scale)
    return y if bias is None else apply(g, "y + b", y=y, b=bias)
