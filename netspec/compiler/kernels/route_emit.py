"""The code of weighted sums by a table."""

from __future__ import annotations

from collections.abc import Callable

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.ir import F32, I64, Builder, Value
from netspec.compiler.kernels.route import WORDS
from netspec.compiler.kernels.streams import Words

ENTRY = 16  # bytes of two words


def emit_route() -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        words = Words(b, args)
        word = {name: words[i] for i, name in enumerate(WORDS)}
        table = b.add(args, I64(8 * len(WORDS)))
        first, stop = (b.udiv(b.mul(p, word["blocks"]), parts) for p in (part, b.add(part, I64(1))))

        def one_channel(block: Value, channel: Value) -> None:
            x, y = (
                b.add(word[side], b.add(b.mul(block, word[f"{side}_block"]), b.mul(channel, word[f"{side}_channel"])))
                for side in "xy"
            )
            ir.counted(b, 0, word["places"], [table], lambda _, at: [_place(b, x, y, at[0])], unroll=False)

        def one_block(block: Value, _: list[Value]) -> None:
            ir.counted(b, 0, word["channels"], [], lambda c, _: one_channel(block, c), unroll=False)

        ir.counted(b, first, stop, [], one_block, unroll=False)

    return ir.kernel_function(body)


def _place(b: Builder, x: Value, y: Value, at: Value) -> Value:
    """One vector, by the entries from ``at`` on; gives where the next one's begin."""
    target, count = (ir.load(b, ir.at(b, at, 8 * i), I64, 8) for i in range(2))

    def one(_: Value, carried: list[Value]) -> list[Value]:
        total, entry = carried
        source = ir.load(b, entry, I64, 8)
        weight = ir.broadcast(b, ir.at(b, entry, 8), F32)
        return [ir.fma(b, weight, ir.load(b, b.add(x, source)), total), b.add(entry, I64(ENTRY))]

    total, entry = ir.counted(b, 0, count, [ir.ZERO, b.add(at, I64(ENTRY))], one, unroll=False)
    ir.store(b, total, b.add(y, target))
    return entry
