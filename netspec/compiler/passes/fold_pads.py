"""Zeros around what a convolution reads are the convolution's own padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netspec.compiler.graph import GraphBuilder, Node, Value
from netspec.compiler.graph.rewrite import Rewrite
from netspec.compiler.ops.conv import Conv, ConvInput, ConvWeight
from netspec.compiler.ops.pad import Pad
from netspec.compiler.ops.slice import Slice
from netspec.compiler.ops.windows import Window
from netspec.tensortype import known


class FoldPad(Rewrite):
    """Turn ``conv(pad(x), w)`` into a convolution whose windows begin in the padding; likewise ``conv_weight``.

    Padding of windows costs neither memory nor multiplications, and a padded copy of 28 x 28 pixels both.
    """

    def __init__(self, root: type[Conv] | type[ConvWeight]) -> None:
        self.root = root

    def apply(self, node: Node, g: GraphBuilder) -> tuple[Value, ...] | None:
        op, (x, *others) = node.op, node.inputs
        assert isinstance(op, Conv | ConvWeight)
        pad = x.node.op
        if not (isinstance(pad, Pad) and 0 < pad.axis < x.type.rank - 1):
            return None
        windows = _wider(op.windows, pad.axis, known(pad.before), known(pad.after))
        return g.node(replace(op, windows=windows), *x.node.inputs, *others).values


class FoldSlice(Rewrite):
    """Turn a slice of ``conv_input`` into the gradient of what the slice keeps; the rest is then not computed.

    What is cut off is as if it had been padding: the gradient of a padded input.
    """

    root = Slice

    def apply(self, node: Node, g: GraphBuilder) -> Value | None:
        cut, (x,) = node.op, node.inputs
        assert isinstance(cut, Slice)
        op = x.node.op
        if not (isinstance(op, ConvInput) and 0 < cut.axis < x.type.rank - 1) or op.epilogue is not None:
            return None
        size, start, stop = (known(n) for n in (x.type.shape[cut.axis], cut.start, cut.stop))
        if start >= stop:
            return None
        space = (*op.space[: cut.axis - 1], stop - start, *op.space[cut.axis :])
        windows = _wider(op.windows, cut.axis, start, size - stop)
        return g.add(replace(op, windows=windows, space=space), *x.node.inputs)


def _wider(windows: Sequence[Window], axis: int, before: int, after: int) -> tuple[Window, ...]:
    """The windows with more padding along ``axis`` of what they slide over."""
    window = windows[axis - 1]
    made = replace(window, before=window.before + before, after=window.after + after)
    return (*windows[: axis - 1], made, *windows[axis:])
