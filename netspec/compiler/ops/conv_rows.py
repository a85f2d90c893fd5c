"""The kernel of convolutions of few samples, which lie in rows: outputs and input gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import prod

from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.render import body
from netspec.compiler.graph.lowering import Access, Argument, Buffer, Clock, Lowering, Pointer, Split
from netspec.compiler.graph.node import Node
from netspec.compiler.graph.op import UnsupportedError
from netspec.compiler.kernels.conv_rows import choose_row_tiles, conv_rows_kernel, conv_rows_words, lengths_of
from netspec.compiler.kernels.kernel import Operand, Result
from netspec.compiler.kernels.windows import Axis
from netspec.compiler.ops.filters import ITEM, View, contiguous, view_of
from netspec.tensortype import ROWS, Dim, known


def lower_conv_rows(
    lowering: Lowering, node: Node, axes: Sequence[Axis], groups: int, epilogue: Formula, *, backward: bool
) -> None:
    """The output of a convolution, or the gradient of its input, with what follows it element by element."""
    x, results = lowering.buffer(node.inputs[0]), [lowering.buffer(value) for value in node.values]
    if x.type.layout != ROWS or x.type.dtype != "float32":
        raise UnsupportedError(f"windows slide over float32 in rows or lanes, not over {x.type}")
    samples, *space, channels = x.type.shape
    sizes, outs = [known(n) for n in space], known(results[0].type.channels)
    w = lowering.buffer(node.inputs[1])
    own = w.type.layout == ROWS  # depthwise
    if own:
        w, groups = contiguous(lowering, w), 1
    beside = BesideRows.of(lowering, node, results)
    taps = [axis.backward() if backward else axis.forward() for axis in axes]
    tiles = choose_row_tiles(lowering.tile, outs // groups, lengths_of(taps))
    kernel = conv_rows_kernel(
        tiles,
        len(axes),
        outs // groups,
        beside.kinds,
        (Result(),) * len(results),
        body(epilogue),
        own=own,
    )
    arguments: dict[str, Argument] = {
        "x": (Pointer(x), x.row_stride),
        "x_steps": [known(channels) * ITEM * prod(sizes[i + 1 :]) for i in range(len(sizes))],
        "w": Pointer(w),
        "samples": samples,
        "ins": 1 if own else known(channels) // groups,
        "outs": outs // groups,
        "groups": groups,
        "clock": Clock(),
        **beside.arguments,
    }
    pack = partial(conv_rows_words, axes=taps, extents=[axis.extent for axis in axes], tiles=tiles, own=own)
    split = Split("pieces", samples)
    reads = [Access(x), Access(w), *beside.reads]
    lowering.call(kernel, pack, arguments, reads, [Access(buffer, split) for buffer in results])


@dataclass(frozen=True)
class BesideRows:
    """What the epilogue of a convolution reads beside the sums, and what it writes, in rows."""

    extras: tuple[tuple[Buffer, View], ...]
    results: tuple[Buffer, ...]

    @classmethod
    def of(cls, lowering: Lowering, node: Node, results: Sequence[Buffer]) -> BesideRows:
        buffers = [lowering.buffer(value) for value in node.inputs[2:]]
        return cls(tuple((buffer, view_of(buffer, results[0].type)) for buffer in buffers), tuple(results))

    @property
    def kinds(self) -> tuple[Operand, ...]:
        return tuple(Operand(spread=view == "number", stepped=view == "step") for _, view in self.extras)

    @property
    def arguments(self) -> dict[str, Argument]:
        return {
            "extras": [_address(buffer, view) for buffer, view in self.extras],
            "results": [_address(buffer, "whole") for buffer in self.results],
        }

    @property
    def reads(self) -> list[Access]:
        return [Access(buffer) for buffer, _ in self.extras]


def _address(buffer: Buffer, view: View) -> tuple[Pointer, Dim, int, int]:
    """The pointer, and bytes to the next sample and pixel."""
    if view == "whole":
        return Pointer(buffer), buffer.row_stride, known(buffer.type.channels) * ITEM, 0
    return Pointer(buffer), 0, 0, 0
