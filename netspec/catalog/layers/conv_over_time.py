"""Convolution along a length that differs from sample to sample."""

from __future__ import annotations

from netspec.catalog.layers.axes import last_length
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.unfold_steps import UnfoldSteps
from netspec.tensortype import ShapeError


def windows_over_time(g: Scope, layer: str, x: Value, kernel: Value, padding: tuple[int, int], dilation: int) -> Value:
    """``[T, in]`` convolved with ``kernel [k, in, out]``: ``[T + padding - (k - 1) * dilation, out]``.

    What windows meet behind the end of a sample is 0, as outside; a sample that is shorter than a window has one.
    """
    steps, rows = last_length(layer, x)
    taps, channels, filters = kernel.type.shape
    assert isinstance(taps, int)
    unfold = UnfoldSteps(taps, steps, rows, *padding, dilation)
    flat = g.add(Reshape((taps * channels, filters)), kernel)
    return g.add(Contract(), g.add(unfold, x, g.steps(x)), flat)


def padding_over_time(layer: str, padding: object, span: int) -> tuple[int, int]:
    """How many steps are added in front and behind, for windows of ``span`` steps.

    Raises:
        ShapeError: if all windows of some samples would lie outside.
    """
    if padding == "same":
        return (span - 1) // 2, span - 1 - (span - 1) // 2
    if isinstance(padding, tuple):
        if len(padding) != 1:
            raise ShapeError(f"`{layer}` slides over 1 axis, but `padding` has {len(padding)} pairs")
        ((before, after),) = padding
    else:
        before = after = padding if isinstance(padding, int) else 0
    if max(before, after) >= span:
        raise ShapeError(
            f"`{layer}` has windows of {span} in {max(before, after)} of padding alone",
            "keep `padding` below the window",
        )
    return before, after
