"""Layers that put zeros around what they read, or cut its edges off."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Self, TypeAlias

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from netspec.catalog.fields import is_whole, not_whole, refusal
from netspec.catalog.layers.axes import fixed, shown
from netspec.catalog.layers.layer import Layer
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.pad import Pad
from netspec.compiler.ops.slice import Slice
from netspec.tensortype import Dim, ShapeError

Pair: TypeAlias = tuple[int, int]


def _is_pair(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(is_whole, value))


def _space(value: Any) -> int | tuple[Pair, ...]:
    if is_whole(value):
        return int(value)
    if isinstance(value, list | tuple) and value and all(is_whole(one) or _is_pair(one) for one in value):
        return tuple((one, one) if isinstance(one, int) else (one[0], one[1]) for one in value)
    raise not_whole("a whole number for all sides, or a number or [before, after] for each axis", value)


def _channels(value: Any) -> Pair:
    if _is_pair(value):
        return value[0], value[1]
    raise not_whole("[before, after], two whole numbers", value)


Margins: TypeAlias = Annotated[
    int | tuple[Pair, ...], PlainValidator(_space), WithJsonSchema({"type": ["integer", "array"], "minimum": 0})
]
"""A number for all sides of all axes, or one or [before, after] for each axis."""

Ends: TypeAlias = Annotated[
    Pair,
    PlainValidator(_channels),
    WithJsonSchema({"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 2, "maxItems": 2}),
]
"""Both ends of one axis."""


class Margin(Layer):
    """What padding and cropping share: amounts for both sides of each axis; ``verb`` is what is done there."""

    verb: ClassVar[str]

    space: Margins = Field(
        default=0,
        description="Positions on each side of the axes before the channels: a number for all, or for each axis a "
        "number or [before, after].",
        json_schema_extra={"main": True},
    )
    channels: Ends = Field(default=(0, 0), description="Channels: [before, after].")

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        amounts = (self.space,) if isinstance(self.space, int) else (n for pair in self.space for n in pair)
        if not any((*amounts, *self.channels)):
            raise refusal(f"`{self.kind}` by nothing does nothing")
        return self

    def build(self, g: Scope, *inputs: Value) -> Value:
        (x,) = inputs
        sides = self._sides(x, fixed(self.kind, x))
        for axis, (before, after) in enumerate(sides, start=1):
            if before or after:
                x = self.change(g, x, axis, before, after)
        return x

    @abstractmethod
    def change(self, g: Scope, x: Value, axis: int, before: int, after: int) -> Value:
        """``x`` with one axis changed."""

    def _sides(self, x: Value, shape: tuple[Dim, ...]) -> list[Pair]:
        """Both amounts of each axis of ``shape``, the channels last."""
        axes = len(shape) - 1
        if isinstance(self.space, int):
            if self.space and not axes:
                raise ShapeError(
                    f"`{self.kind}` {self.verb} axes before the channels, got {shown(x)}",
                    f"the last axis is the channels: write `channels: [{self.space}, {self.space}]`",
                )
            return [*[(self.space, self.space)] * axes, self.channels]
        if len(self.space) != axes:
            raise ShapeError(
                f"`{self.kind}` has numbers for {len(self.space)} axes before the channels, got {shown(x)}, "
                f"which has {axes}",
                "channels have a key of their own, `channels: [before, after]`" if len(self.space) > axes else None,
            )
        return [*self.space, self.channels]


class ZeroPad(Margin):
    r"""$y_{p + b} = x_p$, and 0 around it: ``before`` zeros $b$ in front of each axis and ``after`` behind it.

    A convolution that reads the result has this padding for its own, at no cost. Zeros beside the channels let a
    branch be added to one that has more of them.

    Shapes: ``[H, W, C] -> [before + H + after, before + W + after, before + C + after]``, and so with any number of
    axes; length axes before them stay.

    Example:
        inputs: {image: [28, 28, 1]}
        layers:
          - zero_pad: 2                                 # [32, 32, 1]
          - zero_pad: [0, [1, 2]]                       # [32, 35, 1]
          - zero_pad: {channels: [1, 2]}                # [32, 35, 4]

    Reference: LeCun et al. 1998, Gradient-based learning applied to document recognition (the frame of the input); He
    et al. 2016, Deep residual learning for image recognition (option A: zeros for the channels of a shortcut).
    """

    kind: ClassVar[str] = "zero_pad"
    verb: ClassVar[str] = "pads"

    def change(self, g: Scope, x: Value, axis: int, before: int, after: int) -> Value:
        return g.add(Pad(axis, before, after), x)


class Crop(Margin):
    r"""$y_p = x_{p + b}$: ``before`` positions $b$ at the front of each axis are cut off, and ``after`` at its end.

    Shapes: ``[H, W, C] -> [H - before - after, W - before - after, C - before - after]``, and so with any number of
    axes; length axes before them stay.

    Example:
        inputs: {image: [32, 32, 3]}
        layers:
          - crop: 2                                     # [28, 28, 3]
          - crop: [[4, 0], 1]                           # [24, 26, 3]
          - crop: {channels: [0, 1]}                    # [24, 26, 2]

    Reference: Ronneberger, Fischer & Brox 2015, U-Net: convolutional networks for biomedical image segmentation.
    """

    kind: ClassVar[str] = "crop"
    verb: ClassVar[str] = "cuts"

    def change(self, g: Scope, x: Value, axis: int, before: int, after: int) -> Value:
        size = x.type.shape[axis]
        if isinstance(size, int) and before + after >= size:
            raise ShapeError(
                f"`crop` cuts {before} and {after} off an axis that has {size}, which leaves nothing",
                "cut less, or less on one side: `[before, after]` for each axis",
            )
        return g.add(Slice(axis, before, size - after), x)
