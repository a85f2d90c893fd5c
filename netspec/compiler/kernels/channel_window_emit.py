"""The code of sums over neighbouring channels."""

from __future__ import annotations

from collections.abc import Callable

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.channel_window import WORDS
from netspec.compiler.kernels.ir import I64, LANES, Builder, Value
from netspec.compiler.kernels.streams import Words, units_of

TOGETHER = 4  # pixels side by side: a sum alone waits for each addition


def emit_channel_window() -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        words = Words(b, args)
        word = {name: words[i] for i, name in enumerate(WORDS)}
        first, stop = units_of(b, word["samples"], part, parts)

        def one_block(sample: Value, _: list[Value]) -> None:
            offset = b.mul(b.lshr(sample, I64(4)), word["block"])
            x, y = b.add(word["x"], offset), b.add(word["y"], offset)
            ir.counted(b, 0, word["channels"], [], lambda c, _: _plane(b, word, x, y, c), unroll=False)

        ir.counted(b, first, stop, [], one_block, LANES, unroll=False)

    return ir.kernel_function(body)


def _plane(b: Builder, word: dict[str, Value], x: Value, y: Value, channel: Value) -> None:
    """All pixels of one channel: the sum of the planes that its window meets, upwards."""
    begin = b.sub(channel, word["before"])
    begin = b.select(b.icmp_signed(">", begin, I64(0)), begin, I64(0))
    end = ir.minimum(b, b.add(b.add(channel, word["after"]), I64(1)), word["channels"])
    target = b.add(y, b.mul(channel, word["channel"]))

    def several(pixel: Value, count: int) -> None:
        places = [ir.product(b, b.add(pixel, I64(i)), ir.BYTES) for i in range(count)]

        def one(near: Value, now: list[Value]) -> list[Value]:
            plane = b.add(x, b.mul(near, word["channel"]))
            return [b.fadd(total, ir.load(b, b.add(plane, at))) for total, at in zip(now, places, strict=True)]

        for total, at in zip(ir.counted(b, begin, end, [ir.ZERO] * count, one, unroll=False), places, strict=True):
            ir.store(b, total, b.add(target, at))

    whole = b.and_(word["pixels"], I64(-TOGETHER))
    ir.counted(b, 0, whole, [], lambda p, _: several(p, TOGETHER), TOGETHER, unroll=False)
    ir.counted(b, whole, word["pixels"], [], lambda p, _: several(p, 1), unroll=False)
