"""Maps made larger, blocks of channels and pixels, patches, sums of groups, rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from netspec.compiler.graph import Node
from netspec.compiler.ops.group_sum import GroupSum
from netspec.compiler.ops.lookup import Lookup
from netspec.compiler.ops.plans import Linear, Nearest, Patches, Unfold
from netspec.compiler.ops.route import Route
from netspec.export.python.expressions import Text, packed, unsupported
from netspec.export.python.forward import Forward, writes
from netspec.export.python.windows import TAPS, windows_text

REPEATED: Final = '''\
def repeated(x, factors):
    """Every position so many times along each axis."""
    for axis, factor in enumerate(factors, 1):
        x = np.repeat(x, factor, axis)
    return x
'''

INTERPOLATED: Final = '''\
def interpolated(x, factors):
    """So many times as many positions along each axis, on straight lines between the centres of what there is."""
    for axis, factor in enumerate(factors, 1):
        n = x.shape[axis]
        at = np.clip((np.arange(n * factor) + 0.5) / factor - 0.5, 0, n - 1)
        low = at.astype(int)
        share = (at - low).astype(np.float32).reshape(-1, *[1] * (x.ndim - axis - 1))
        x = (1 - share) * x.take(low, axis) + share * x.take(np.minimum(low + 1, n - 1), axis)
    return x
'''

TO_PIXELS: Final = '''\
def channels_to_pixels(x, block):
    """Each pixel's channels laid out as a block of pixels, row by row, the channels of one pixel together."""
    n, space = len(block), x.shape[1:-1]
    x = x.reshape(len(x), *space, *block, -1)
    x = x.transpose(0, *(axis for i in range(1, n + 1) for axis in (i, i + n)), 2 * n + 1)
    return x.reshape(len(x), *(size * b for size, b in zip(space, block)), -1)
'''

TO_CHANNELS: Final = '''\
def pixels_to_channels(x, block):
    """Each block of pixels laid side by side as the channels of one pixel."""
    n, space = len(block), [size // b for size, b in zip(x.shape[1:], block)]
    x = x.reshape(len(x), *(size for pair in zip(space, block) for size in pair), -1)
    x = x.transpose(0, *range(1, 2 * n, 2), *range(2, 2 * n + 1, 2), 2 * n + 1)
    return x.reshape(len(x), *space, -1)
'''

PATCHES: Final = '''\
def patches(x, windows):
    """What every window reads, side by side as the channels of one pixel."""
    read = np.stack([read for _, read in taps(x, windows)], axis=-2)
    return read.reshape(len(x), *[1] * len(windows), -1)
'''


GROUP_SUMS: Final = '''\
def group_sums(x, groups):
    """For each channel the sum over all positions and the channels of its group."""
    of_groups = x.reshape(len(x), -1, groups, x.shape[-1] // groups).sum(axis=(1, 3))
    return np.repeat(of_groups, x.shape[-1] // groups, axis=-1).reshape(len(x), *[1] * (x.ndim - 2), -1)
'''


@writes(GroupSum)
def _group_sum(at: Forward, node: Node, given: Sequence[Text]) -> Text:
    op = node.op
    assert isinstance(op, GroupSum)
    if op.terms is not None:
        raise unsupported("a fused sum", node.origin.path if node.origin else None)
    at.writer.help("group_sums", GROUP_SUMS)
    return Text(f"group_sums({given[0].text}, {op.groups})")


@writes(Lookup)
def _lookup(at: Forward, node: Node, given: Sequence[Text]) -> Text:
    table, index = given
    return Text(f"{table.inside(10)}[{index.text}]")


@writes(Route)
def _route(at: Forward, node: Node, given: Sequence[Text]) -> Text:
    op = node.op
    assert isinstance(op, Route)
    (x,) = given
    if isinstance(op.plan, Unfold):
        name, definition = ("pixels_to_channels", TO_CHANNELS) if op.turned else ("channels_to_pixels", TO_PIXELS)
    elif isinstance(op.plan, Nearest) and not op.turned:
        name, definition = "repeated", REPEATED
    elif isinstance(op.plan, Linear) and not op.turned:
        name, definition = "interpolated", INTERPOLATED
    elif isinstance(op.plan, Patches) and not op.turned:
        at.writer.help("taps", TAPS)
        at.writer.help("patches", PATCHES)
        return Text(f"patches({x.text}, {windows_text(op.plan.windows)})")
    else:
        raise unsupported(f"`{op.name}` by {op.plan}", node.origin.path if node.origin else None)
    at.writer.help(name, definition)
    return Text(f"{name}({x.text}, {packed(map(str, op.plan.factors))})")
