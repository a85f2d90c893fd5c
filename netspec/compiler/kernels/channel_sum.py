"""Sums over samples and pixels, for each channel, with 16 samples in the lanes: gradients of biases, and of all else
that channels share.

Each block of 16 samples is summed by itself, so that its owner waits for nobody; then the blocks are added in their
order. What is summed are formulas, several in one sweep: the gradients of a scale and a bias read memory once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from netspec.compiler.kernels.channel_ends import ChannelEnds
from netspec.compiler.kernels.kernel import Body, Kernel, Operand, operand_words

BLOCK_WORDS = ("samples", "pixels", "channels", "clock", "partials", "partial", "following")
JOIN_WORDS = ("samples", "channels", "clock", "partials", "partial", "following")


@dataclass(frozen=True)
class BlockSums:
    """What is summed: ``terms`` takes the operands, of which those that are spread are numbers of a channel."""

    operands: tuple[Operand, ...]
    terms: Body
    count: int

    @property
    def text(self) -> str:
        """Canonical, the key of the object cache."""
        return f"channel sums of blocks [{', '.join(map(repr, self.operands))}] -> {self.count}\n{self.terms.text}"


def block_sums_kernel(operands: tuple[Operand, ...], terms: Body, count: int) -> Kernel:
    """The kernel that leaves the ``count`` sums of every block; split on rows."""
    sums = BlockSums(operands, terms, count)

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.channel_sum_emit import emit_block_sums

        return emit_block_sums(sums)

    return Kernel(f"channel_sum_{len(operands)}x{count}", sums.text, build)


def block_sums_words(
    samples: int,
    pixels: int,
    channels: int,
    clock: int,
    partials: int,
    partial: int,
    following: int,
    operands: Sequence[Sequence[int]],
) -> list[int]:
    """The argument words; strides in bytes.

    Args:
        samples: How many.
        pixels: Places of a sample.
        channels: How many.
        clock: The step counters.
        partials: Where the sums of blocks go, a row of all channels for each.
        partial: From the sums of a block to those of the next.
        following: From one sum of a block to the next one, a whole number of vectors.
        operands: ``(pointer, block, channel, 0)`` of each.
    """
    return [samples, pixels, channels, clock, partials, partial, following, *operand_words(operands)]


def joined_sums_kernel(ends: ChannelEnds) -> Kernel:
    """The kernel that adds the blocks; split on channels."""

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.channel_sum_emit import emit_joined_sums

        return emit_joined_sums(ends)

    return Kernel("channel_sum_joined", f"channel sums joined {ends.text}", build)


def joined_sums_words(
    samples: int,
    channels: int,
    clock: int,
    partials: int,
    partial: int,
    following: int,
    extras: Sequence[Sequence[int]],
    results: Sequence[Sequence[int]],
) -> list[int]:
    """The argument words: as those of blocks; operands are ``(pointer, 0, 0, 0)``, a float32 for each channel."""
    return [samples, channels, clock, partials, partial, following, *operand_words([*extras, *results])]
