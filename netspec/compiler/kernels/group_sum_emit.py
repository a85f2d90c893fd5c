"""The code of sums over the pixels of each sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llvmlite import ir as llvm

from netspec.compiler.kernels import ir
from netspec.compiler.kernels.group_sum import WORDS, GroupSums
from netspec.compiler.kernels.ir import F32, I64, VEC, Builder, Value
from netspec.compiler.kernels.kernel import WORDS_PER_OPERAND, Place
from netspec.compiler.kernels.streams import Words, step_of, units_of

CHAINS = 4  # sums side by side: an addition takes four cycles, and two can begin in each


def emit_group_sum(sums: GroupSums) -> Callable[..., None]:
    """The Python function that Numba compiles."""

    def body(b: Builder, args: Value, part: Value, parts: Value, thread: Value) -> None:
        words = Words(b, args)
        word = {name: words[i] for i, name in enumerate(WORDS)}
        sides = [
            [words[len(WORDS) + WORDS_PER_OPERAND * i + k] for k in range(4)]
            for i in range(len(sums.operands) + sums.count)
        ]
        step = step_of(b, word["clock"], thread) if any(o.stepped for o in sums.operands) else I64(0)
        first, stop = units_of(b, word["units"], part, parts, word["unit"])

        def one_unit(unit: Value, _: list[Value]) -> None:
            starts = [b.add(pointer, b.mul(unit, stride)) for pointer, stride, _, _ in sides]

            def one_vector(vector: Value, _: list[Value]) -> None:
                places = [b.add(at, b.mul(vector, side[2])) for at, side in zip(starts, sides, strict=True)]
                count = len(sums.operands)
                read = [
                    b.add(place, ir.product(b, step, 4)) if operand.stepped else place
                    for operand, place in zip(sums.operands, places, strict=False)
                ]
                strides = [side[3] for side in sides[:count]]
                for total, place in zip(_summed(b, sums, read, strides, word["pixels"]), places[count:], strict=True):
                    ir.store(b, total, place)

            ir.counted(b, 0, word["vectors"], [], one_vector, unroll=False)
            with b.if_then(b.icmp_signed(">", word["each"], I64(1))):
                for at, side in zip(starts[len(sums.operands) :], sides[len(sums.operands) :], strict=True):
                    _join(b, word, at, (VEC, side[2]) if sums.lies == "lanes" else (F32, I64(4)))

        ir.counted(b, first, stop, [], one_unit, unroll=False)

    return ir.kernel_function(body)


def _summed(
    b: Builder, sums: GroupSums, places: Sequence[Value], strides: Sequence[Value], pixels: Value
) -> list[Value]:
    """The sums over the pixels of one vector, by several chains, which a tree adds."""
    spread = [
        ir.broadcast(b, place) if operand.spread or operand.stepped else None
        for operand, place in zip(sums.operands, places, strict=True)
    ]
    chains = max(1, CHAINS // sums.count)

    def terms(pixel: Value) -> Sequence[Value]:
        vectors = [
            ir.load(b, b.add(place, b.mul(pixel, stride))) if known is None else known
            for known, place, stride in zip(spread, places, strides, strict=True)
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


def _join(b: Builder, word: dict[str, Value], start: Value, items: tuple[llvm.Type, Value]) -> None:
    """Add what lies side by side for the channels of a group, and write the total to all of them."""
    kind, stride = items

    def one_group(group: Value, _: list[Value]) -> None:
        begin = b.add(start, b.mul(b.mul(group, word["each"]), stride))
        zero = llvm.Constant(F32, 0.0) if kind is F32 else ir.ZERO

        def added(channel: Value, now: list[Value]) -> list[Value]:
            return [b.fadd(now[0], ir.load(b, b.add(begin, b.mul(channel, stride)), kind))]

        (total,) = ir.counted(b, 0, word["each"], [zero], added, unroll=False)
        ir.counted(
            b,
            0,
            word["each"],
            [],
            lambda c, _: ir.store(b, total, b.add(begin, b.mul(c, stride))),
            unroll=False,
        )

    ir.counted(b, 0, word["groups"], [], one_group, unroll=False)
