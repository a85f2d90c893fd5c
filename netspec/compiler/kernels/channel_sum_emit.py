"""The code of sums over samples and pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.channel_ends import ChannelEnds
from netspec.compiler.kernels.channel_ends_emit import emit_channel_ends
from netspec.compiler.kernels.channel_sum import BLOCK_WORDS, JOIN_WORDS, BlockSums
from netspec.compiler.kernels.ir import I32, I64, LANES, Builder, Value
from netspec.compiler.kernels.kernel import WORDS_PER_OPERAND, Place
from netspec.compiler.kernels.streams import Words, across, lanes_below, step_of, units_of

CHAINS = 4  # sums side by side: an addition takes four cycles, and two can begin in each


def emit_block_sums(sums: BlockSums) -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        words = Words(b, args)
        word = {name: words[i] for i, name in enumerate(BLOCK_WORDS)}
        streams = [
            [words[len(BLOCK_WORDS) + WORDS_PER_OPERAND * i + k] for k in range(3)] for i in range(len(sums.operands))
        ]
        step = step_of(b, word["clock"], thread) if any(o.stepped for o in sums.operands) else I64(0)
        first, stop = units_of(b, word["samples"], part, parts)

        def one_block(sample: Value, _: list[Value]) -> None:
            block = b.lshr(sample, I64(4))
            mask = lanes_below(b, ir.minimum(b, b.sub(word["samples"], sample), I64(LANES)))
            target = b.add(word["partials"], b.mul(block, word["partial"]))
            starts = [b.add(pointer, b.mul(block, stride)) for pointer, stride, _ in streams]

            def one_channel(channel: Value, _: list[Value]) -> None:
                places = []
                for operand, start, (_, _, stride) in zip(sums.operands, starts, streams, strict=True):
                    place = b.add(start, b.mul(channel, stride))
                    places.append(b.add(place, ir.product(b, step, 4)) if operand.stepped else place)
                for i, total in enumerate(_summed(b, sums, places, word["pixels"])):
                    # A lane past the last sample repeats it and does not count.
                    value = across(b, b.select(mask, total, ir.ZERO))
                    place = b.add(b.add(target, ir.product(b, word["following"], i)), b.shl(channel, I64(2)))
                    ir.store(b, b.extract_element(value, I32(0)), place)

            ir.counted(b, 0, word["channels"], [], one_channel, unroll=False)

        ir.counted(b, first, stop, [], one_block, LANES, unroll=False)

    return ir.kernel_function(body)


def _summed(b: Builder, sums: BlockSums, places: Sequence[Value], pixels: Value) -> list[Value]:
    """The sums over the pixels of one channel, in each lane: several chains, which a tree adds."""
    spread = [
        ir.broadcast(b, place) if operand.spread or operand.stepped else None
        for operand, place in zip(sums.operands, places, strict=True)
    ]
    chains = max(1, CHAINS // sums.count)

    def terms(pixel: Value) -> Sequence[Value]:
        offset = ir.product(b, pixel, ir.BYTES)
        vectors = [
            ir.load(b, b.add(place, offset)) if known is None else known
            for known, place in zip(spread, places, strict=True)
        ]
        return sums.terms.emit(b, vectors, Place(I64(0), I64(0), I64(0)))

    def several(pixel: Value, now: list[Value]) -> list[Value]:
        made = [term for i in range(chains) for term in terms(b.add(pixel, I64(i)))]
        return [b.fadd(total, term) for total, term in zip(now, made, strict=True)]

    def single(pixel: Value, now: list[Value]) -> list[Value]:
        return [b.fadd(total, term) for total, term in zip(now, terms(pixel), strict=True)]

    whole = b.and_(pixels, I64(-chains))
    totals = ir.counted(b, 0, whole, [ir.ZERO] * (chains * sums.count), several, chains, unroll=False)
    totals[: sums.count] = ir.counted(b, whole, pixels, totals[: sums.count], single, unroll=False)
    while len(totals) > sums.count:
        half = len(totals) // 2
        totals = [b.fadd(one, other) for one, other in zip(totals[:half], totals[half:], strict=True)]
    return totals


def emit_joined_sums(ends: ChannelEnds) -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def made(b: Builder, word: dict[str, Value], offset: Value) -> Sequence[Value]:
        def one_block(sample: Value, now: list[Value]) -> list[Value]:
            at = b.add(b.add(word["partials"], offset), b.mul(b.lshr(sample, I64(4)), word["partial"]))
            found = [ir.load(b, b.add(at, ir.product(b, word["following"], i))) for i in range(ends.count)]
            return [b.fadd(total, one) for total, one in zip(now, found, strict=True)]

        return ir.counted(b, 0, word["samples"], [ir.ZERO] * ends.count, one_block, LANES, unroll=False)

    return emit_channel_ends(ends, JOIN_WORDS, made)
