"""The kernels of convolutions of 3 x 3 by minimal filtering: samples in the lanes, few samples in rows, weights."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.render import body
from netspec.compiler.graph.lowering import Access, Argument, Clock, Lowering, Pointer, Scratch, Split
from netspec.compiler.graph.node import Node
from netspec.compiler.kernels.kernel import Result
from netspec.compiler.kernels.winograd import (
    scratch_bytes,
    strip_of,
    tiles_of,
    widest_of,
    winograd_kernel,
    winograd_weights_kernel,
    winograd_weights_words,
    winograd_words,
)
from netspec.compiler.kernels.winograd_rows import (
    row_tiles_of,
    rows_scratch_bytes,
    strips_of,
    tile_count,
    winograd_rows_kernel,
    winograd_rows_words,
)
from netspec.compiler.ops.conv_lowering import Beside
from netspec.compiler.ops.conv_rows import BesideRows
from netspec.compiler.ops.filters import in_panels
from netspec.compiler.ops.lanes import in_lanes
from netspec.tensortype import LANES, known


def lower_winograd(lowering: Lowering, node: Node, before: Sequence[int], epilogue: Formula) -> None:
    """The results, with what follows them element by element."""
    if node.value().type.layout != LANES:
        _lower_rows(lowering, node, before, epilogue)
        return
    x, u = in_lanes(lowering, lowering.buffer(node.inputs[0])), lowering.buffer(node.inputs[1], "none")
    results = [lowering.buffer(value) for value in node.values]
    samples, (*read, ins) = x.type.shape[0], [known(n) for n in x.type.shape[1:]]
    rows, columns, outs = (known(n) for n in results[0].type.shape[1:])
    strip = strip_of(rows, columns, ins)
    tiles = tiles_of(lowering.tile, outs, strip, rows, columns)
    beside = Beside.of(lowering, node, results)
    arguments: dict[str, Argument] = {
        "x": Pointer(x),
        "x_block": x.row_stride,
        "x_channel": x.panel_stride,
        "u": Pointer(u),
        "samples": samples,
        "ins": ins,
        "outs": outs,
        "clock": Clock(),
        "scratch": Scratch(scratch_bytes(ins, strip, widest_of(tiles))),
        **beside.arguments,
    }
    pack = partial(winograd_words, read=read, before=list(before), written=(rows, columns), widest=widest_of(tiles))
    split = Split("rows", samples)
    kernel = winograd_kernel(tiles, beside.kinds, (Result(),) * len(results), body(epilogue))
    reads = [Access(x, split), Access(u), *beside.reads(split)]
    lowering.call(kernel, pack, arguments, reads, [Access(buffer, split) for buffer in results])


def _lower_rows(lowering: Lowering, node: Node, before: Sequence[int], epilogue: Formula) -> None:
    x, u = lowering.buffer(node.inputs[0]), lowering.buffer(node.inputs[1], "none")
    results = [lowering.buffer(value) for value in node.values]
    samples, (*read, ins) = x.type.shape[0], [known(n) for n in x.type.shape[1:]]
    rows, columns, outs = (known(n) for n in results[0].type.shape[1:])
    count, strips = tile_count(rows, columns), strips_of(rows, columns, ins)
    tiles = row_tiles_of(lowering.tile, outs, count, strips)
    beside = BesideRows.of(lowering, node, results)
    arguments: dict[str, Argument] = {
        "x": (Pointer(x), x.row_stride),
        "u": Pointer(u),
        "samples": samples,
        "ins": ins,
        "outs": outs,
        "clock": Clock(),
        "scratch": Scratch(rows_scratch_bytes(tiles, count, strips, ins)),
        **beside.arguments,
    }
    pack = partial(winograd_rows_words, read=read, before=list(before), written=(rows, columns))
    kernel = winograd_rows_kernel(tiles, outs, beside.kinds, (Result(),) * len(results), body(epilogue))
    split = Split("pieces", samples)
    reads = [Access(x), Access(u), *beside.reads]
    lowering.call(kernel, pack, arguments, reads, [Access(buffer, split) for buffer in results])


def lower_filter_transform(lowering: Lowering, node: Node, *, turned: bool) -> None:
    """The weights as the factors of the 16 products: panels as of direct convolution first, then their transform."""
    u = lowering.buffer(node.value(), "none")
    *_, ins, outs = (known(n) for n in node.inputs[0].type.shape)
    depth, columns = (outs, ins) if turned else (ins, outs)
    panels = in_panels(lowering, node.inputs[0], 1, backward=turned)
    arguments: dict[str, Argument] = {"panels": Pointer(panels), "u": Pointer(u), "columns": columns, "depth": depth}
    split = Split("columns", columns)
    pack = partial(winograd_weights_words, turned=turned)
    lowering.call(winograd_weights_kernel(), pack, arguments, [Access(panels, split)], [Access(u, split)])
