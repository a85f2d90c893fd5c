"""What lowering ops that give numbers of channels shares: partial results of blocks, and the end of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from netspec.compiler.formula.formula import Formula
from netspec.compiler.formula.parse import parse
from netspec.compiler.formula.render import body
from netspec.compiler.graph.lowering import Access, Argument, Buffer, Lowering, Pack, Pointer, Split
from netspec.compiler.graph.node import Node
from netspec.compiler.kernels.channel_ends import ChannelEnds
from netspec.compiler.kernels.kernel import UNIT, Kernel, Operand, Result
from netspec.tensortype import Dim, TensorType, known

ITEM = 4  # bytes of a float32


def partials_of(lowering: Lowering, samples: Dim, channels: Dim, count: int) -> tuple[Buffer, int]:
    """Memory for ``count`` numbers of each channel from every 16 samples; and the bytes from one number to the next.

    What a block gives stands in the row of its first sample, which belongs to the block's owner.
    """
    columns = -(-known(channels) // UNIT) * UNIT
    return lowering.temporary(TensorType("float32", (samples, count * columns))), columns * ITEM


def end_channels(
    lowering: Lowering,
    node: Node,
    extras: Sequence[Buffer],
    count: int,
    epilogue: Formula | None,
    kernel: Callable[[ChannelEnds], Kernel],
    pack: Pack,
    arguments: Mapping[str, Argument],
    partials: Buffer,
) -> None:
    """Call the kernel that makes ``count`` numbers of each channel of the partial results, with its epilogue."""
    results = [lowering.buffer(value, "none") for value in node.values]
    single = [buffer.type.elements == 1 for buffer in extras]
    names = tuple(f"acc{i}" for i in range(count))
    ends = ChannelEnds(
        count,
        extras=tuple(Operand(spread=s, stepped=b.place == "step") for s, b in zip(single, extras, strict=True)),
        results=(Result(),) * len(results),
        epilogue=body(epilogue or parse(", ".join(names), names)),
    )
    operands: dict[str, Argument] = {
        "extras": [(Pointer(buffer), 0, 0, 0) for buffer in extras],
        "results": [(Pointer(buffer), 0, 0, 0) for buffer in results],
    }
    split = Split("columns", results[0].type.shape[0])
    reads = [Access(partials), *(Access(b, None if s else split) for s, b in zip(single, extras, strict=True))]
    writes = [Access(buffer, split) for buffer in results]
    lowering.call(kernel(ends), pack, {**arguments, **operands}, reads, writes)
