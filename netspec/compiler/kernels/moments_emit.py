"""The code of means and variances."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.channel_ends import ChannelEnds
from netspec.compiler.kernels.channel_ends_emit import emit_channel_ends
from netspec.compiler.kernels.ir import F32, I32, I64, LANES, Builder, Value
from netspec.compiler.kernels.moments import BLOCK_WORDS, JOIN_WORDS, Lies
from netspec.compiler.kernels.streams import Words, across, lanes_below, units_of

CHAINS = 4  # sums side by side: an addition takes four cycles, and two can begin in each
TILE = 256  # pixels, 16 KiB: the second pass finds them in the first-level cache


def emit_block_moments(lies: Lies) -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        words = Words(b, args)
        word = {name: words[i] for i, name in enumerate(BLOCK_WORDS)}
        first, stop = units_of(b, word["samples"], part, parts)
        one = _block_in_lanes if lies == "lanes" else _block_in_rows

        def each(sample: Value, _: list[Value]) -> None:
            left = ir.minimum(b, b.sub(word["samples"], sample), I64(LANES))
            block = b.lshr(sample, I64(4))
            one(b, word, sample, left, b.add(word["partials"], b.mul(block, word["partial"])))

        ir.counted(b, first, stop, [], each, LANES, unroll=False)

    return ir.kernel_function(body)


def _block_in_lanes(b: Builder, word: dict[str, Value], sample: Value, left: Value, target: Value) -> None:
    """The channels of a block one after the other; a lane past the last sample repeats it and does not count."""
    base = b.add(word["x"], b.mul(b.lshr(sample, I64(4)), word["step"]))
    mask, lanes, pixels = lanes_below(b, left), _splat(b, left), _splat(b, word["pixels"])

    def channel(c: Value, _: list[Value]) -> None:
        mean, squares = _plane(b, b.add(base, b.mul(c, word["inner"])), word["pixels"])
        middle = b.fdiv(across(b, b.select(mask, mean, ir.ZERO)), lanes)
        apart = b.fsub(mean, middle)
        squares = ir.fma(b, b.fmul(apart, apart), pixels, squares)
        place = b.add(target, b.shl(c, I64(2)))
        for value, at in (
            (middle, place),
            (across(b, b.select(mask, squares, ir.ZERO)), b.add(place, word["second"])),
        ):
            ir.store(b, b.extract_element(value, I32(0)), at)

    ir.counted(b, 0, word["channels"], [], channel, unroll=False)


def _plane(b: Builder, base: Value, pixels: Value) -> tuple[Value, Value]:
    """Mean and sum of squared deviations in each lane, tile by tile."""

    def tile(first: Value, before: list[Value]) -> list[Value]:
        end = ir.minimum(b, b.add(first, I64(TILE)), pixels)
        count = _splat(b, b.sub(end, first))
        mean = b.fdiv(_chains(b, base, first, end, b.fadd), count)

        def deviation(total: Value, x: Value) -> Value:
            apart = b.fsub(x, mean)
            return ir.fma(b, apart, apart, total)

        squares = _chains(b, base, first, end, deviation)
        share = b.fdiv(count, _splat(b, end))  # of what has been seen by now
        apart = b.fsub(mean, before[0])
        weight = b.fmul(_splat(b, first), share)
        return [
            ir.fma(b, apart, share, before[0]),
            b.fadd(before[1], ir.fma(b, b.fmul(apart, apart), weight, squares)),
        ]

    mean, squares = ir.counted(b, 0, pixels, [ir.ZERO, ir.ZERO], tile, TILE, unroll=False)
    return mean, squares


def _chains(b: Builder, base: Value, first: Value, end: Value, take: Callable[[Value, Value], Value]) -> Value:
    """The sum over pixels by `CHAINS` sums side by side, which a tree adds; what is left over goes to the first."""

    def at(pixel: Value) -> Value:
        return ir.load(b, b.add(base, ir.product(b, pixel, ir.BYTES)))

    whole = b.add(first, b.and_(b.sub(end, first), I64(-CHAINS)))
    sums = ir.counted(
        b,
        first,
        whole,
        [ir.ZERO] * CHAINS,
        lambda p, now: [take(total, at(b.add(p, I64(i)))) for i, total in enumerate(now)],
        CHAINS,
    )
    (sums[0],) = ir.counted(b, whole, end, sums[:1], lambda p, now: [take(now[0], at(p))], unroll=False)
    while len(sums) > 1:
        sums = [b.fadd(one, other) for one, other in zip(sums[::2], sums[1::2], strict=True)]
    return sums[0]


def _block_in_rows(b: Builder, word: dict[str, Value], sample: Value, left: Value, target: Value) -> None:
    """16 channels at a time, down the samples of a block and the pixels of each."""
    count = _splat(b, b.mul(left, word["pixels"]))
    base = b.add(word["x"], b.mul(sample, word["step"]))

    def panel(channel: Value, _: list[Value]) -> None:
        place = b.shl(channel, I64(2))

        def folded(start: list[Value], take: Callable[[list[Value], Value], list[Value]]) -> list[Value]:
            def one_sample(n: Value, now: list[Value]) -> list[Value]:
                row = b.add(b.add(base, place), b.mul(n, word["step"]))

                def one_pixel(p: Value, kept: list[Value]) -> list[Value]:
                    return take(kept, ir.load(b, b.add(row, b.mul(p, word["inner"]))))

                return ir.counted(b, 0, word["pixels"], now, one_pixel)

            return ir.counted(b, 0, left, start, one_sample, unroll=False)

        (total,) = folded([ir.ZERO], lambda now, x: [b.fadd(now[0], x)])
        mean = b.fdiv(total, count)

        def deviation(now: list[Value], x: Value) -> list[Value]:
            apart = b.fsub(x, mean)
            return [b.fadd(now[0], apart), ir.fma(b, apart, apart, now[1])]

        # The one chain of the mean may be thousands of numbers long: how far it is off shows in the deviations' sum.
        rest, squares = folded([ir.ZERO, ir.ZERO], deviation)
        off = b.fdiv(rest, count)
        ir.store(b, b.fadd(mean, off), b.add(target, place))
        ir.store(b, b.fsub(squares, b.fmul(rest, off)), b.add(target, b.add(place, word["second"])))

    ir.counted(b, 0, word["channels"], [], panel, LANES, unroll=False)


def emit_joined_moments(ends: ChannelEnds) -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def made(b: Builder, word: dict[str, Value], offset: Value) -> Sequence[Value]:
        whole = _splat(b, b.mul(word["samples"], word["pixels"]))

        def blocks(take: Callable[[Value, Value, Value, Value], Value]) -> Value:
            def one(sample: Value, now: list[Value]) -> list[Value]:
                left = ir.minimum(b, b.sub(word["samples"], sample), I64(LANES))
                at = b.add(b.add(word["partials"], offset), b.mul(b.lshr(sample, I64(4)), word["partial"]))
                mean, squares = ir.load(b, at), ir.load(b, b.add(at, word["second"]))
                return [take(now[0], _splat(b, b.mul(left, word["pixels"])), mean, squares)]

            (total,) = ir.counted(b, 0, word["samples"], [ir.ZERO], one, LANES, unroll=False)
            return total

        middle = b.fdiv(blocks(lambda now, count, mean, _: ir.fma(b, mean, count, now)), whole)

        def spread(now: Value, count: Value, mean: Value, squares: Value) -> Value:
            apart = b.fsub(mean, middle)
            return b.fadd(now, ir.fma(b, b.fmul(apart, apart), count, squares))

        return [middle, b.fdiv(blocks(spread), whole)]

    return emit_channel_ends(ends, JOIN_WORDS, made)


def _splat(b: Builder, count: Value) -> Value:
    """A number of things in all lanes, as float32."""
    return ir.splat(b, b.sitofp(count, F32))
