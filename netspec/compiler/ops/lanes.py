"""What lowering ops over windows shares: buffers with samples in the lanes, and the way there and back."""

from __future__ import annotations

from netspec.compiler.graph.lowering import Access, Argument, Buffer, Lowering, Pointer, Split
from netspec.compiler.graph.op import UnsupportedError
from netspec.compiler.kernels.lanes import Direction, lanes_kernel, lanes_words
from netspec.compiler.ops.stretch import relay
from netspec.compiler.ops.windows import VECTOR
from netspec.tensortype import LANES, TensorType, known, product


def in_lanes(lowering: Lowering, buffer: Buffer) -> Buffer:
    """The buffer with samples in the lanes: itself, or a copy."""
    if buffer.type.layout == LANES:
        return buffer
    made = lowering.temporary(buffer.type.with_layout(LANES))
    copy_lanes(lowering, "in", _in_vectors(lowering, buffer), made)
    return made


def copy_lanes(lowering: Lowering, direction: Direction, rows: Buffer, lanes: Buffer) -> None:
    """Copy between the two layouts; rows that are written need room for whole vectors."""
    samples, *space, channels = lanes.type.shape
    arguments: dict[str, Argument] = {
        "rows": Pointer(rows),
        "row": rows.row_stride,
        "lanes": Pointer(lanes),
        "block": lanes.row_stride,
        "samples": samples,
        "pixels": product(space),
        "channels": channels,
        "plane": lanes.panel_stride,
    }
    split = Split("rows", samples)
    source, target = (rows, lanes) if direction == "in" else (lanes, rows)
    lowering.call(lanes_kernel(direction), lanes_words, arguments, [Access(source, split)], [Access(target, split)])


def out_of_lanes(lowering: Lowering, lanes: Buffer, target: Buffer) -> None:
    """Copy what lies in lanes to where it is wanted as rows."""
    features = product(target.type.shape[1:]) * 4
    vectors = -(-known(features) // VECTOR) * VECTOR
    made = target
    if known(target.row_stride) < vectors:
        flat = TensorType("float32", (target.type.shape[0], product(target.type.shape[1:])))
        made = lowering.temporary(flat, "vectors")
    copy_lanes(lowering, "out", made, lanes)
    if made is not target:
        relay(lowering, made, target)


def result_in_lanes(lowering: Lowering, target: Buffer) -> Buffer:
    """Where a kernel writes in lanes what is wanted as ``target``."""
    return target if target.type.layout == LANES else lowering.temporary(target.type.with_layout(LANES))


def _in_vectors(lowering: Lowering, buffer: Buffer) -> Buffer:
    if buffer.type.layout.kind != "rows" or buffer.type.dtype != "float32":
        raise UnsupportedError(f"windows slide over float32 in rows or lanes, not over {buffer.type}")
    return buffer
