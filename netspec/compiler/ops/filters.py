"""What lowering convolutions shares: how weights are packed, and what goes with each element of a result."""

from __future__ import annotations

from math import prod
from typing import Literal, TypeAlias

from netspec.compiler.graph.lowering import Access, Argument, Buffer, Lowering, Pointer, Split
from netspec.compiler.graph.node import Value
from netspec.compiler.graph.op import UnsupportedError
from netspec.compiler.kernels.conv_pack import conv_pack_kernel, conv_pack_words
from netspec.compiler.kernels.kernel import UNIT
from netspec.compiler.ops.stretch import relay, steady
from netspec.tensortype import TensorType, known, product

ITEM = 4  # bytes of a float32

View: TypeAlias = Literal["whole", "channel", "number", "step"]
"""How an extra goes with each element: as one of its own, one for its channel, one for all."""


def view_of(buffer: Buffer, result: TensorType) -> View:
    """How an extra goes with each element of a convolution's result."""
    shape = buffer.type.shape
    if buffer.place == "step":
        return "step"
    if product(shape) == 1:
        return "number"
    if shape == result.shape:
        return "whole"
    if product(shape) == result.channels:
        return "channel"
    raise UnsupportedError(f"a convolution cannot read {buffer.type} beside {result}")


def contiguous(lowering: Lowering, buffer: Buffer) -> Buffer:
    """The buffer, or a copy, whose elements follow one another."""
    if buffer.contiguous:
        return buffer
    flat = lowering.temporary(buffer.type)
    relay(lowering, buffer, flat)
    return flat


def in_panels(lowering: Lowering, value: Value, groups: int, *, backward: bool) -> Buffer:
    """The weights in panels ``[column / 16][tap][depth][16]``; for an input gradient with channels swapped."""
    *extents, ins, outs = (known(n) for n in value.type.shape)
    depth, columns = (outs // groups, ins * groups) if backward else (ins, outs)
    panels = lowering.temporary(TensorType("float32", (-(-columns // UNIT), prod(extents) * depth * UNIT)))
    arguments: dict[str, Argument] = {
        "taps": prod(extents),
        "tap": ins * outs * ITEM,
        "depth": depth,
        "depth_step": ITEM if backward else outs * ITEM,
        "columns": columns,
        "per_group": ins if backward else outs,
        "column_step": outs * ITEM if backward else ITEM,
        "group_step": depth * ITEM if backward else 0,
        "slots": ins if backward else outs,
    }
    _pack(lowering, lowering.buffer(value), panels, arguments)
    return panels


def pack_filters(lowering: Lowering, source: Buffer, target: Buffer) -> None:
    """Lay weights out as filters: panels of each group begin anew, and taps of an input channel stand together."""
    *extents, ins, outs = (known(n) for n in source.type.shape)
    layout = target.type.layout
    backward, groups = layout.kind == "turned", layout.width
    each, depth = (ins, outs // groups) if backward else (outs // groups, ins)
    slots = -(-each // UNIT) * UNIT
    arguments: dict[str, Argument] = {
        "taps": depth,
        "tap": ITEM if backward else outs * ITEM,
        "depth": prod(extents),
        "depth_step": ins * outs * ITEM,
        "columns": groups * slots,
        "per_group": each,
        "column_step": outs * ITEM if backward else ITEM,
        "group_step": outs // groups * ITEM,
        "slots": slots,
    }
    _pack(lowering, source, target, arguments)


def _pack(lowering: Lowering, source: Buffer, target: Buffer, arguments: dict[str, Argument]) -> None:
    w = contiguous(lowering, steady(lowering, source))
    whole: dict[str, Argument] = {"w": Pointer(w), "panels": Pointer(target), **arguments}
    columns = arguments["columns"]
    assert isinstance(columns, int)
    writes = [Access(target, Split("columns", columns))]
    lowering.call(conv_pack_kernel(), conv_pack_words, whole, [Access(w)], writes)
