"""How specs say windows: sizes, strides and padding, one for all axes or one for each."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd, isqrt
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from pydantic import PlainValidator, WithJsonSchema

from netspec.catalog.fields import is_whole, not_whole
from netspec.catalog.layers.axes import fixed, shown
from netspec.catalog.layers.layer import Layer
from netspec.compiler.graph import Value
from netspec.tensortype import Dim, ShapeError, known, lengths

if TYPE_CHECKING:
    from netspec.compiler.ops.windows import Window

_LISTED: Final = 24  # numbers in a message: 2,520 has 48 divisors


def _extents(value: Any) -> int | tuple[int, ...]:
    if is_whole(value, 1):
        return int(value)
    if isinstance(value, list | tuple) and value and all(is_whole(n, 1) for n in value):
        return tuple(value)
    raise not_whole("a whole number above 0, or one for each axis", value)


def _padding(value: Any) -> Any:
    if value in ("valid", "same") or is_whole(value):
        return value
    pairs = (
        isinstance(value, list | tuple)
        and value
        and all(isinstance(pair, list | tuple) and len(pair) == 2 and all(map(is_whole, pair)) for pair in value)
    )
    if pairs:
        return tuple(tuple(pair) for pair in value)
    raise not_whole("`valid`, `same`, a whole number, or [before, after] for each axis", value)


Extents: TypeAlias = Annotated[
    int | tuple[int, ...],
    PlainValidator(_extents),
    WithJsonSchema({"type": ["integer", "array"], "minimum": 1, "items": {"type": "integer", "minimum": 1}}),
]
"""A whole number for all axes, or one for each."""

Padding: TypeAlias = Annotated[
    str | int | tuple[tuple[int, int], ...],
    PlainValidator(_padding),
    WithJsonSchema(
        {"anyOf": [{"enum": ["valid", "same"]}, {"type": "integer", "minimum": 0}, {"type": "array"}]},
    ),
]
"""``valid`` (none), ``same`` (ceil(n / stride) outputs, the odd one goes after), a number, or pairs for each axis."""


def _connections(value: Any) -> tuple[tuple[int, ...], ...]:
    rows = value if isinstance(value, list | tuple) else ()
    if rows and all(isinstance(row, list | tuple) and row and all(map(is_whole, row)) for row in rows):
        return tuple(tuple(row) for row in rows)
    raise not_whole("a list of input maps, from 0, for each filter", value)


Connections: TypeAlias = Annotated[
    tuple[tuple[int, ...], ...],
    PlainValidator(_connections),
    WithJsonSchema({"type": "array", "items": {"type": "array", "items": {"type": "integer", "minimum": 0}}}),
]
"""For each filter the input maps that it reads."""


def windows_on(
    layer: str,
    sizes: Sequence[Dim],
    extents: int | tuple[int, ...],
    stride: int | tuple[int, ...],
    padding: str | int | tuple[tuple[int, int], ...],
    dilation: int | tuple[int, ...] = 1,
) -> tuple[Window, ...]:
    """The windows of a layer on axes of these sizes.

    Raises:
        ShapeError: if a list has another length than there are axes, or a window does not fit.
    """
    from netspec.compiler.ops.windows import Window

    count = len(sizes)
    each = [
        each_axis(layer, name, value, count)
        for name, value in (("kernel", extents), ("stride", stride), ("dilation", dilation))
    ]
    if isinstance(padding, tuple) and len(padding) != count:
        raise ShapeError(f"`{layer}` slides over {count} axes, but `padding` has {len(padding)} pairs")
    found = []
    for axis, (size, extent, step, gap) in enumerate(zip(sizes, *each, strict=True)):
        span = (extent - 1) * gap + 1
        if padding == "same":
            whole = max((-(-known(size) // step) - 1) * step + span - known(size), 0)
            before, after = whole // 2, whole - whole // 2
        elif isinstance(padding, tuple):
            before, after = padding[axis]
        else:
            before = after = padding if isinstance(padding, int) else 0
        if span > known(size) + before + after:
            raise ShapeError(
                f"the window of `{layer}` spans {span} of an axis that has {known(size)}"
                + (f" and {before + after} of padding" if before + after else ""),
                "make the window smaller, or say `padding: same`",
            )
        found.append(Window(extent, step, gap, before, after))
    return tuple(found)


def each_axis(layer: str, name: str, value: int | tuple[int, ...], count: int) -> tuple[int, ...]:
    """One number for each of ``count`` axes.

    Raises:
        ShapeError: if there are more or fewer.
    """
    if isinstance(value, int):
        return (value,) * count
    if len(value) != count:
        advice = "one number stands for all axes" if len(set(value)) == 1 else f"give {count}, or one for all axes"
        raise ShapeError(f"`{layer}` slides over {count} axes, but `{name}` has {len(value)} numbers", advice)
    return value


def check_groups(layer: str, groups: int, channels: int, filters: int) -> None:
    """Whether both kinds of channels divide into groups.

    Raises:
        ShapeError: if not, with the groups that would do.
    """
    for name, count in (("input channels", channels), ("filters", filters)):
        if count % groups:
            raise ShapeError(
                f"`{layer}` has {groups} groups, into which {count} {name} do not divide",
                f"{channels} input channels and {filters} filters divide into {divisors(gcd(channels, filters))}",
            )


def divisors(count: int) -> str:
    """The numbers of groups into which ``count`` divides, as a message lists them: of many the first."""
    below = [n for n in range(1, isqrt(count) + 1) if count % n == 0]
    found = sorted({*below, *(count // n for n in below)})
    rest = " or more" if len(found) > _LISTED else ""
    return " or ".join(map(str, found[:_LISTED])) + rest


def space_of(layer: str, axes: int, x: Value) -> tuple[int, ...]:
    """The fixed axes of ``x`` before its channels.

    Raises:
        ShapeError: if there are more or fewer than ``axes`` and the channels.
    """
    shape = fixed(layer, x)
    if len(shape) != axes + 1:
        space = {1: "length", 2: "height, width", 3: "depth, height, width"}[axes]
        advice = f"`- reshape: [{space}, channels]` before it gives it such a shape" if len(shape) <= axes else None
        sibling = layer.replace(f"{axes}d", f"{len(shape) - 1}d")
        if sibling != layer and sibling in Layer.kinds:
            advice = f"`{sibling}` slides over as many axes" + (f", or {advice}" if advice else "")
        found = lengths(x.type.shape[0])
        if found and len(found) + len(shape) == axes + 1:
            advice = f"windows slide over axes of known size: a number for `{found[-1]}` makes it one"
        raise ShapeError(f"`{layer}` slides over [{space}, channels], got {shown(x)}", advice)
    if any(not isinstance(n, int) for n in shape):
        raise ShapeError(f"`{layer}` slides over axes of known size, got {shown(x)}")
    return tuple(known(n) for n in shape[:-1])
