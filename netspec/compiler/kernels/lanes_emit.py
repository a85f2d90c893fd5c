"""The code of the copies between rows and lanes: blocks of 16 samples x 16 features, transposed in registers."""

from __future__ import annotations

from collections.abc import Callable

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.ir import I64, LANES, Builder, Value
from netspec.compiler.kernels.lanes import WORDS, Direction
from netspec.compiler.kernels.streams import Words
from netspec.compiler.kernels.transpose_emit import transposed


def emit_lanes(direction: Direction) -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        words = Words(b, args)
        word = {name: words[i] for i, name in enumerate(WORDS)}
        blocks = b.lshr(b.add(word["samples"], I64(LANES - 1)), I64(4))
        first, stop = (b.udiv(b.mul(p, blocks), parts) for p in (part, b.add(part, I64(1))))
        ir.counted(b, first, stop, [], lambda n, _: _block(b, direction, word, n), unroll=False)

    return ir.kernel_function(body)


def _block(b: Builder, direction: Direction, word: dict[str, Value], block: Value) -> None:
    """16 samples, 16 features at a time; a feature is one channel of one pixel, channels running faster."""
    features = b.mul(word["pixels"], word["channels"])
    last = b.sub(word["samples"], I64(1))
    samples = [b.add(b.shl(block, I64(4)), I64(i)) for i in range(LANES)]
    rows = [b.add(word["rows"], b.mul(ir.minimum(b, i, last), word["row"])) for i in samples]
    lanes = b.add(word["lanes"], b.mul(block, word["block"]))
    plane = word["plane"]
    final = b.sub(features, I64(1))

    def following(place: Value, channel: Value) -> tuple[Value, Value]:
        """The place of the next feature in lanes, and its channel: the next channel, or the first of the next pixel."""
        later = b.add(channel, I64(1))
        wraps = b.icmp_signed("==", later, word["channels"])
        back = b.sub(I64(ir.BYTES), b.mul(channel, plane))
        return b.add(place, b.select(wraps, back, plane)), b.select(wraps, I64(0), later)

    def one(feature: Value, values: list[Value]) -> list[Value]:
        place, channel = values
        places = []
        for i in range(LANES):
            places.append(place)
            place_after, channel_after = following(place, channel)
            ends = b.icmp_signed(">=", b.add(feature, I64(i)), final)  # past the last feature it is taken again
            place, channel = b.select(ends, place, place_after), b.select(ends, channel, channel_after)
        offset = b.shl(feature, I64(2))
        if direction == "in":
            made = transposed(b, [ir.load(b, b.add(row, offset)) for row in rows])
            for to, value in reversed(list(zip(places, made, strict=True))):
                ir.store(b, value, to)
        else:
            made = transposed(b, [ir.load(b, at) for at in places])
            for row, value in reversed(list(zip(rows, made, strict=True))):
                ir.store(b, value, b.add(row, offset))
        return [place, channel]

    ir.counted(b, 0, features, [lanes, I64(0)], one, LANES, unroll=False)
