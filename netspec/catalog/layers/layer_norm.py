"""Normalisation of each sample by itself: over all of it, over groups of channels, over each channel."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from netspec.catalog.fields import AboveZero, Positive
from netspec.catalog.initializers import Ones, Zeros
from netspec.catalog.layers.axes import fixed, shown
from netspec.catalog.layers.layer import Layer
from netspec.catalog.layers.windows import divisors
from netspec.catalog.scope import Scope
from netspec.compiler.formula import parse
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply, lower_formula
from netspec.compiler.ops.group_sum import GroupSum
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.stop_gradient import StopGradient
from netspec.tensortype import Dim, ShapeError, product

_STANDARDIZED = "d = x - mean(x); d / sqrt(mean(d * d) + {epsilon!r})"


class LayerNorm(Layer):
    r"""$y = s \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + b$ with mean and variance of one sample, at one step.

    They are over all fixed axes of the sample, or over its channels alone, at each place: for ``[C]`` and ``[T, C]``
    that is the same. Training and prediction compute the same thing, and no sample depends on others.

    Shapes: ``[...] -> [...]``, any; each place of length axes by itself.

    Weights: ``scale``, from ones, and ``bias``, from zeros, for each of the values that are normalised together: for
    ``[H, W, C]`` of that shape over the sample, ``[C]`` over the channels.

    Example:
        inputs: {x: [64]}
        layers: [{dense: 32}, layer_norm, relu, {dense: 10}]

    Reference: Ba, Kiros & Hinton 2016, Layer normalization.
    """

    kind: ClassVar[str] = "layer_norm"
    over: Literal["sample", "channels"] = Field(
        default="sample", description="What is normalised together: all fixed axes, or the last one alone."
    )
    epsilon: AboveZero = Field(default=1e-5, description="Added to the variance.")
    scale: bool = Field(default=True, description="Whether there is a learned scale.")
    bias: bool = Field(default=True, description="Whether there is a learned bias.")

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        axes = fixed(self.kind, x)
        together = axes if self.over == "sample" else axes[-1:]
        if product(together) == 1:
            raise ShapeError(f"`layer_norm` takes the variance of each sample, and in {shown(x)} that is one number")
        flat = g.add(Reshape((*x.type.shape[: x.type.rank - len(together)], product(together))), x)
        y = g.add(Reshape(x.type.shape), _standardized(g, flat, self.epsilon))
        return learned(g, y, together, scale=self.scale, bias=self.bias)


class GroupNorm(Layer):
    r"""$y = s_c \frac{x - \mu_g}{\sqrt{\sigma_g^2 + \epsilon}} + b_c$ with mean and variance of a group of channels.

    They are over the channels of a group and all places of the fixed axes before them, of one sample at one step.
    Training and prediction compute the same thing, and no sample depends on others.

    Shapes: ``[...] -> [...]``, any; the last axis are the channels, in ``groups`` of neighbours.

    Weights: ``scale`` ``[C]``, from ones; ``bias`` ``[C]``, from zeros.

    Example:
        inputs: {image: [8, 8, 1]}
        layers: [{conv2d: {filters: 16, kernel: 3}}, {group_norm: 4}, relu, flatten, {dense: 10}]

    Reference: Wu & He 2018, Group normalization.
    """

    kind: ClassVar[str] = "group_norm"
    groups: Positive = Field(description="Groups of channels.", json_schema_extra={"main": True})
    epsilon: AboveZero = Field(default=1e-5, description="Added to the variance.")
    scale: bool = Field(default=True, description="Whether there is a learned scale.")
    bias: bool = Field(default=True, description="Whether there is a learned bias.")

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        return grouped(g, self, x, self.groups)


class InstanceNorm(Layer):
    r"""$y = s_c \frac{x - \mu_c}{\sqrt{\sigma_c^2 + \epsilon}} + b_c$ with mean and variance of a channel of a sample.

    They are over all places of the fixed axes before the channels, of one sample at one step. Training and prediction
    compute the same thing. (PyTorch leaves scale and bias out unless it is asked for them.)

    Shapes: ``[..., C] -> [..., C]`` with fixed axes before the channels.

    Weights: ``scale`` ``[C]``, from ones; ``bias`` ``[C]``, from zeros.

    Example:
        inputs: {image: [8, 8, 1]}
        layers: [{conv2d: {filters: 16, kernel: 3}}, instance_norm, relu, flatten, {dense: 10}]

    Reference: Ulyanov, Vedaldi & Lempitsky 2016, Instance normalization: the missing ingredient for fast stylization.
    """

    kind: ClassVar[str] = "instance_norm"
    epsilon: AboveZero = Field(default=1e-5, description="Added to the variance.")
    scale: bool = Field(default=True, description="Whether there is a learned scale.")
    bias: bool = Field(default=True, description="Whether there is a learned bias.")

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        *places, channels = fixed(self.kind, x)
        if product(places) == 1:
            raise ShapeError(
                f"`instance_norm` takes the variance of each channel over its places, and {shown(x)} has one",
                "`layer_norm` takes it over the channels, `batch_norm` over the samples",
            )
        return grouped(g, self, x, channels)


def grouped(g: Scope, layer: GroupNorm | InstanceNorm, x: Value, groups: Dim) -> Value:
    """``x`` with each group of channels of each sample standardized, and a scale and bias for each channel.

    Raises:
        ShapeError: if the channels do not divide into groups, or a group is a single number.
    """
    *places, channels = fixed(layer.kind, x)
    if not isinstance(channels, int) or not isinstance(groups, int):
        raise ShapeError(f"`{layer.kind}` acts on channels of known number, got {shown(x)}")
    if channels % groups:
        raise ShapeError(
            f"`{layer.kind}` has {groups} groups, into which {channels} channels do not divide",
            f"{channels} channels divide into {divisors(channels)}",
        )
    each = channels // groups
    if product([*places, each]) == 1:
        raise ShapeError(
            f"`{layer.kind}` takes the variance of each group, and each of {groups} groups of {shown(x)} is one number",
            "take fewer groups",
        )
    rows, space = x.type.shape[0], product(places)
    if space == 1:
        flat = g.add(Reshape((rows, groups, each)), x)
        y = g.add(Reshape(x.type.shape), _standardized(g, flat, layer.epsilon))
    else:
        y = _standardized_maps(g, x, groups, product([*places, each]), layer.epsilon)
    return learned(g, y, (channels,), scale=layer.scale, bias=layer.bias)


def _standardized_maps(g: Scope, x: Value, groups: int, count: Dim, epsilon: float) -> Value:
    """``x`` with the mean 0 and the variance 1 over the ``count`` values of each group of channels of a sample.

    Mean and variance are numbers for each channel of a sample, so that maps stay as convolutions leave them. The
    variance does not change with the mean it is taken around, to first order: that path of the gradient is zero.
    """
    mean = apply(g, f"s / {count}", s=g.add(GroupSum(groups), x))
    around = apply(g, "(x - m) * (x - m)", x=x, m=g.add(StopGradient(), mean))
    root = apply(g, f"1 / sqrt(v / {count} + {epsilon!r})", v=g.add(GroupSum(groups), around))
    return apply(g, "(x - m) * r", x=x, m=mean, r=root)


def _standardized(g: Scope, x: Value, epsilon: float) -> Value:
    """``x`` with the mean 0 and the variance 1 along the last axis."""
    formula = parse(_STANDARDIZED.format(epsilon=epsilon), ("x",))
    (made,) = lower_formula(g, formula, {"x": x})
    return made


def learned(g: Scope, y: Value, shape: tuple[Dim, ...], *, scale: bool, bias: bool) -> Value:
    """``y`` times a scale of that shape plus a bias, as far as they are wanted."""
    if scale:
        y = apply(g, "y * s", y=y, s=g.parameter("scale", shape, Ones()))
    return apply(g, "y + b", y=y, b=g.parameter("bias", shape, Zeros())) if bias else y
