"""Kernels of convolutions: what outputs and input gradients, which are one kernel, and weight gradients call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.parse import parse
from netspec.compiler.formula.render import body
from netspec.compiler.graph.lowering import Access, Argument, Buffer, Clock, Lowering, Pack, Pointer, Scratch, Split
from netspec.compiler.graph.node import Node, Value
from netspec.compiler.graph.op import UnsupportedError
from netspec.compiler.kernels.conv import conv_kernel, conv_words, scratch_bytes, tiles_of
from netspec.compiler.kernels.conv_weight import Tiles, conv_weight_kernel, conv_weight_words, sums_bytes
from netspec.compiler.kernels.conv_weight_tiles import choose_weight_tiles
from netspec.compiler.kernels.fold import fold_kernel, fold_words
from netspec.compiler.kernels.kernel import UNIT, Kernel, Operand, Result
from netspec.compiler.kernels.windows import Axis
from netspec.compiler.kernels.winograd_gradient import gradient_fits, winograd_gradient_kernel, winograd_gradient_words
from netspec.compiler.kernels.winograd_gradient import scratch_bytes as scratch_of_gradient
from netspec.compiler.ops.conv_rows import lower_conv_rows
from netspec.compiler.ops.filters import ITEM, View, contiguous, in_panels, view_of
from netspec.compiler.ops.lanes import in_lanes
from netspec.compiler.ops.stretch import relay
from netspec.compiler.ops.windows import VECTOR, space_steps
from netspec.tensortype import LANES, TensorType, known, product

BLOCKS_SHARE = 2  # a block's weights are few where twice as many are still no more than its samples' numbers


def lower_conv(
    lowering: Lowering, node: Node, axes: Sequence[Axis], groups: int, epilogue: Formula, *, backward: bool
) -> None:
    """The output of a convolution, or the gradient of its input, with what follows it element by element."""
    if node.value().type.layout != LANES:
        lower_conv_rows(lowering, node, axes, groups, epilogue, backward=backward)
        return
    x = in_lanes(lowering, lowering.buffer(node.inputs[0]))
    results = [lowering.buffer(value) for value in node.values]
    samples, *read, ins = x.type.shape
    *written, outs = (known(n) for n in results[0].type.shape[1:])
    panels = in_panels(lowering, node.inputs[1], groups, backward=backward)
    beside = Beside.of(lowering, node, results)
    taps = [axis.backward() if backward else axis.forward() for axis in axes]
    kernel = conv_kernel(
        tiles_of(lowering.tile, outs // groups, groups, taps),
        tuple(axis.extent for axis in axes),
        beside.kinds,
        (Result(),) * len(results),
        body(epilogue),
    )
    arguments: dict[str, Argument] = {
        "x": Pointer(x),
        "x_block": x.row_stride,
        "x_channel": x.panel_stride,
        "x_steps": space_steps([known(n) for n in read]),
        "w": Pointer(panels),
        "samples": samples,
        "ins": known(ins) // groups,
        "outs": outs // groups,
        "groups": groups,
        "clock": Clock(),
        "scratch": Scratch(scratch_bytes(written[-1], outs // groups)),
        **beside.arguments,
    }
    pack = partial(
        conv_words,
        axes=taps,
        extents=[axis.extent for axis in axes],
    )
    split = Split("rows", samples)
    reads = [Access(x, split), Access(panels), *beside.reads(split)]
    lowering.call(kernel, pack, arguments, reads, [Access(buffer, split) for buffer in results])


@dataclass(frozen=True)
class Beside:
    """What the epilogue of a convolution reads beside the sums, and what it writes, samples in the lanes."""

    extras: tuple[tuple[Buffer, View], ...]
    results: tuple[Buffer, ...]

    @classmethod
    def of(cls, lowering: Lowering, node: Node, results: Sequence[Buffer]) -> Beside:
        extras = tuple(_extra(lowering, value, results[0].type) for value in node.inputs[2:])
        return cls(extras, tuple(results))

    @property
    def kinds(self) -> tuple[Operand, ...]:
        return tuple(Operand(spread=view in ("channel", "number"), stepped=view == "step") for _, view in self.extras)

    @property
    def arguments(self) -> dict[str, Argument]:
        return {
            "extras": [_address(buffer, view) for buffer, view in self.extras],
            "results": [_address(buffer, "whole") for buffer in self.results],
        }

    def reads(self, split: Split) -> list[Access]:
        return [Access(buffer, split if view == "whole" else None) for buffer, view in self.extras]


def lower_conv_weight(lowering: Lowering, node: Node, axes: Sequence[Axis], groups: int, epilogue: Formula) -> None:
    """The gradient of the weights, with the optimizer that follows it.

    Where the weights are few beside what they are multiplied with, each block of 16 samples makes sums of its own,
    which are then added in order: they cost less than to read the samples of all blocks again.
    """
    x, y = (in_lanes(lowering, lowering.buffer(value)) for value in node.inputs[:2])
    wanted = [lowering.buffer(value, "none") for value in node.values]
    results = [b if b.contiguous else lowering.temporary(b.type) for b in wanted]
    extras = [_extra(lowering, value, wanted[0].type) for value in node.inputs[2:]]
    if any(view == "channel" for _, view in extras):
        raise UnsupportedError("`conv_weight` takes extras of its own shape, or numbers")
    weights = known(product(wanted[0].type.shape))
    read = UNIT * sum(known(product(buffer.type.shape[1:])) for buffer in (x, y))
    call = _WeightCall(lowering, x, y, axes, groups, known(wanted[0].type.shape[-1]), epilogue)
    if BLOCKS_SHARE * weights <= read:
        call.by_blocks(weights, extras, results)
    else:
        call.by_weights(weights, extras, results)
    for made, target in zip(results, wanted, strict=True):
        if made is not target:
            relay(lowering, made, target)


@dataclass(frozen=True)
class _WeightCall:
    """A weight gradient of ``x`` and the cotangent ``y``, both with samples in the lanes."""

    lowering: Lowering
    x: Buffer
    y: Buffer
    axes: Sequence[Axis]
    groups: int
    outs: int
    epilogue: Formula

    def by_weights(self, weights: int, extras: Sequence[tuple[Buffer, View]], results: Sequence[Buffer]) -> None:
        """Threads own tiles of weights, which are not the rows or columns of anything else."""

        def address(buffer: Buffer, view: View) -> tuple[Pointer, int, int, int]:
            return (Pointer(buffer), self.outs * ITEM, 0, VECTOR) if view == "whole" else (Pointer(buffer), 0, 0, 0)

        operands = tuple(Operand(spread=view == "number", stepped=view == "step") for _, view in extras)
        kernel = conv_weight_kernel(self._tiles, operands, (Result(),) * len(results), body(self.epilogue))
        arguments = self._arguments() | {
            "extras": [address(buffer, view) for buffer, view in extras],
            "results": [address(buffer, "whole") for buffer in results],
        }
        split = Split("columns", weights)
        reads = [Access(self.x), Access(self.y), *(Access(buffer, split) for buffer, _ in extras)]
        self.lowering.call(kernel, self._pack, arguments, reads, [Access(buffer, split) for buffer in results])

    def by_blocks(self, weights: int, extras: Sequence[tuple[Buffer, View]], results: Sequence[Buffer]) -> None:
        """Threads own samples, and then weights while they add what blocks came to."""
        samples = self.x.type.shape[0]
        lines = -(-weights // UNIT)
        sums = self.lowering.temporary(TensorType("float32", (samples, 1, lines), LANES))
        split = Split("rows", samples)
        kernel, pack, arguments = self._sums_of_blocks((Pointer(sums), self.outs * ITEM, sums.row_stride, VECTOR))
        reads = [Access(self.x, split), Access(self.y, split)]
        self.lowering.call(kernel, pack, arguments, reads, [Access(sums, split)])
        operands = tuple(Operand(spread=view != "whole", stepped=view == "step") for _, view in extras)
        fold = fold_kernel(
            (Operand(),), body(parse("x", ("x",))), ("sum",), operands, (Result(),) * len(results), body(self.epilogue)
        )
        folded: dict[str, Argument] = {
            "clock": Clock(),
            "rows": samples,
            "columns": weights,
            "operands": [(Pointer(sums), sums.row_stride, 0, 0)],
            "extras": [(Pointer(buffer), 0, 0, 0) for buffer, _ in extras],
            "results": [(Pointer(buffer), 0, 0, 0) for buffer in results],
        }
        own = Split("columns", weights)
        reads = [Access(sums), *(Access(buffer, own if view == "whole" else None) for buffer, view in extras)]
        self.lowering.call(fold, _fold_of_blocks, folded, reads, [Access(buffer, own) for buffer in results])

    def _sums_of_blocks(self, made: Argument) -> tuple[Kernel, Pack, dict[str, Argument]]:
        """How each block of 16 samples makes sums of its own: by minimal filtering, or tap by tap."""
        ins = known(self.x.type.channels)
        if gradient_fits(self.axes, self.groups, ins, self.outs):
            scratch = Scratch(scratch_of_gradient(ins, self.outs))
            pack = partial(winograd_gradient_words, axes=self.axes)
            arguments = self._operands() | {"scratch": scratch, "made": made}
            return winograd_gradient_kernel(self.lowering.tile), pack, arguments
        plain = conv_weight_kernel(self._tiles, (), (Result(),), body(parse("acc", ("acc",))), by_block=True)
        return plain, self._pack, self._arguments() | {"results": [made]}

    @property
    def _tiles(self) -> Tiles:
        ins = known(self.x.type.channels) // self.groups
        return choose_weight_tiles(self.lowering.tile, ins, self.outs // self.groups, self.groups, self.axes[-1])

    @property
    def _pack(self) -> Pack:
        return partial(conv_weight_words, self._tiles, axes=list(self.axes))

    def _arguments(self) -> dict[str, Argument]:
        return self._operands() | {
            "groups": self.groups,
            "clock": Clock(),
            "sums": Scratch(sums_bytes(self._tiles, self.axes[-1].extent)),
        }

    def _operands(self) -> dict[str, Argument]:
        return {
            "x": Pointer(self.x),
            "x_block": self.x.row_stride,
            "x_channel": self.x.panel_stride,
            "y": Pointer(self.y),
            "y_block": self.y.row_stride,
            "y_channel": self.y.panel_stride,
            "samples": self.x.type.shape[0],
            "ins": known(self.x.type.channels) // self.groups,
            "outs": self.outs,
        }


def _fold_of_blocks(rows: int, **arguments: Any) -> Sequence[int]:
    return fold_words(rows=-(-rows // UNIT), **arguments)


def _extra(lowering: Lowering, value: Value, result: TensorType) -> tuple[Buffer, View]:
    buffer = lowering.buffer(value)
    view = view_of(buffer, result)
    if view == "whole":
        of_samples = not isinstance(result.shape[0], int)
        return (in_lanes if of_samples else contiguous)(lowering, buffer), view
    return buffer, view


def _address(buffer: Buffer, view: View) -> tuple[Pointer, int, int, int]:
    if view == "whole":
        return Pointer(buffer), known(buffer.row_stride), known(buffer.panel_stride), 0
    return Pointer(buffer), 0, ITEM if view == "channel" else 0, 0
