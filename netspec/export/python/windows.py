"""Convolutions, pooling and sums over neighbours as loops over the taps of their windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from netspec.compiler.graph import Node
from netspec.compiler.ops.channel_window import ChannelWindow
from netspec.compiler.ops.conv import Conv, ConvInput
from netspec.compiler.ops.pool import Pool
from netspec.compiler.ops.take import Take
from netspec.compiler.ops.windows import Share, Window
from netspec.export.python.expressions import Text, packed, unsupported
from netspec.export.python.forward import Forward, writes

TAPS: Final = '''\
def taps(x, windows, fill=0):
    """What every window reads at each of its taps; a window is extent, stride, dilation, padding before and after."""
    x = np.pad(x, [(0, 0), *(w[3:] for w in windows), (0, 0)], constant_values=fill)
    for tap in np.ndindex(*(w[0] for w in windows)):
        cuts = []
        for t, (extent, stride, dilation, *_), size in zip(tap, windows, x.shape[1:]):
            count = (size - (extent - 1) * dilation - 1) // stride + 1
            cuts.append(slice(t * dilation, t * dilation + (count - 1) * stride + 1, stride))
        yield tap, x[(slice(None), *cuts)]
'''

CONV: Final = '''\
def conv(x, w, windows, groups=1):
    """The sum over taps of what is read times the weights there; each group of channels reads its own."""
    def product(a, b):
        pairs = zip(np.split(a, groups, axis=-1), np.split(b, groups, axis=-1))
        return np.concatenate([left @ right for left, right in pairs], axis=-1)

    return sum(product(read, w[tap]) for tap, read in taps(x, windows))
'''

CONV_TRANSPOSE: Final = '''\
def conv_transpose(y, w, windows, space, groups=1):
    """Every value spread over a window of the output, whose sizes are in space; the gradient of conv by its input."""
    def product(a, b):
        pairs = zip(np.split(a, groups, axis=-1), np.split(b, groups, axis=-1))
        return np.concatenate([left @ right.T for left, right in pairs], axis=-1)

    room = [n + before + after for n, (*_, before, after) in zip(space, windows)]
    x = np.zeros((len(y), *room, w.shape[-2] * groups), np.float32)
    for tap in np.ndindex(*(window[0] for window in windows)):
        cuts = [
            slice(t * dilation, t * dilation + (count - 1) * stride + 1, stride)
            for t, (_, stride, dilation, *_), count in zip(tap, windows, y.shape[1:])
        ]
        x[(slice(None), *cuts)] += product(y, w[tap])
    return x[(slice(None), *(slice(before, before + n) for n, (*_, before, _) in zip(space, windows)))]
'''

LARGEST: Final = '''\
def max_pool(x, windows):
    """The largest of each window."""
    return np.maximum.reduce([read for _, read in taps(x, windows, -np.inf)])
'''

MEAN: Final = '''\
def mean_pool(x, windows):
    """The mean of each window, over what is no padding."""
    met = sum(read for _, read in taps(np.ones_like(x[:1, ..., :1]), windows))
    return sum(read for _, read in taps(x, windows)) / np.maximum(met, 1)
'''

TAKEN: Final = '''\
def taken(x, places):
    """Elements of the last axis by their places, zero where a place is -1."""
    places = np.array(places)
    return np.where(places < 0, np.float32(0), x[..., places])
'''

NEAR: Final = '''\
def near(x, before, after):
    """The sums over neighbouring channels, as far as there are such."""
    wide = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(before, after)])
    return sum(wide[..., i : i + x.shape[-1]] for i in range(before + after + 1))
'''

ADAPTIVE: Final = '''\
def adaptive_pool(x, counts, how):
    """np.max or np.mean of windows that cover each axis evenly, so many along each."""
    for axis, count in enumerate(counts, 1):
        n = x.shape[axis]
        bounds = [(i * n // count, -(-(i + 1) * n // count)) for i in range(count)]
        x = np.stack([how(x.take(range(*bound), axis), axis=axis) for bound in bounds], axis)
    return x
'''


@writes(Conv)
def _conv(at: Forward, node: Node, given: Sequence[Text]) -> Text:
    op = node.op
    assert isinstance(op, Conv)
    if op.epilogue is not None:
        raise unsupported("a fused convolution", None)
    at.writer.help("taps", TAPS)
    at.writer.help("conv", CONV)
    groups = f", groups={op.groups}" if op.groups > 1 else ""
    return Text(f"conv({given[0].text}, {given[1].text}, {windows_text(op.windows)}{groups})")


@writes(ConvInput)
def _conv_transpose(at: Forward, node: Node, given: Sequence[Text]) -> Text:
    op = node.op
    assert isinstance(op, ConvInput)
    if op.epilogue is not None:
        raise unsupported("a fused convolution", None)
    at.writer.help("conv_transpose", CONV_TRANSPOSE)
    groups = f", groups={op.groups}" if op.groups > 1 else ""
    space = packed(map(str, op.space))
    return Text(f"conv_transpose({given[0].text}, {given[1].text}, {windows_text(op.windows)}, {space}{groups})")


@writes(Pool)
def _pool(at: Forward, node: Node, given: Sequence[Text]) -> Text:
    op = node.op
    assert isinstance(op, Pool)
    counts = [window.count for window in op.windows if isinstance(window, Share)]
    windows = [window for window in op.windows if isinstance(window, Window)]
    if counts and windows:
        raise unsupported("pooling by two kinds of windows", node.origin.path if node.origin else None)
    if counts:
        at.writer.help("adaptive_pool", ADAPTIVE)
        how = "np.max" if op.kind == "max" else "np.mean"
        return Text(f"adaptive_pool({given[0].text}, {packed(map(str, counts))}, {how})")
    name, definition = ("max_pool", LARGEST) if op.kind == "max" else ("mean_pool", MEAN)
    at.writer.help("taps", TAPS)
    at.writer.help(name, definition)
    return Text(f"{name}({given[0].text}, {windows_text(windows)})")


@writes(ChannelWindow)
def _channel_window(at: Forward, node: Node, given: Sequence[Text]) -> Text:
    assert isinstance(node.op, ChannelWindow)
    at.writer.help("near", NEAR)
    return Text(f"near({given[0].text}, {node.op.before}, {node.op.after})")


@writes(Take)
def _take(at: Forward, node: Node, given: Sequence[Text]) -> Text:
    assert isinstance(node.op, Take)
    at.writer.help("taken", TAKEN)
    return Text(f"taken({given[0].text}, {packed(map(str, node.op.places))})")


def windows_text(windows: Sequence[Window]) -> str:
    """Windows as the definitions here take them."""
    return packed(f"({w.extent}, {w.stride}, {w.dilation}, {w.before}, {w.after})" for w in windows)
