"""Mean and variance of each channel over samples and places.

Each block of 16 samples gives its own mean and sum of squared deviations, found in two passes over what is then in the
cache; the blocks are joined in their order. So the bits depend on nothing but the numbers, a large mean costs no
digits, and the owner of a block needs nobody else's samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from netspec.compiler.kernels.channel_ends import ChannelEnds
from netspec.compiler.kernels.kernel import Kernel, operand_words

Lies: TypeAlias = Literal["lanes", "rows"]
"""How samples lie: 16 of them in the lanes, a plane for each channel; or a row each, channels running fastest."""

BLOCK_WORDS = ("x", "step", "inner", "samples", "pixels", "channels", "partials", "partial", "second")
JOIN_WORDS = ("samples", "pixels", "channels", "clock", "partials", "partial", "second")


def block_moments_kernel(lies: Lies) -> Kernel:
    """The kernel that leaves mean and squared deviations of every block; split on rows."""

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.moments_emit import emit_block_moments

        return emit_block_moments(lies)

    return Kernel(f"moments_{lies}", f"moments of blocks of 16 samples in {lies}", build)


def block_moments_words(
    x: int, step: int, inner: int, samples: int, pixels: int, channels: int, partials: int, partial: int, second: int
) -> list[int]:
    """The argument words; strides in bytes.

    Args:
        x: Where the samples begin.
        step: From a block to the next in lanes, from a sample to the next in rows.
        inner: From a channel to the next in lanes, from a pixel to the next in rows.
        samples: How many.
        pixels: Places of a sample.
        channels: How many.
        partials: Where the blocks' results go: means, and ``second`` bytes on the squared deviations.
        partial: From the results of a block to those of the next.
        second: A whole number of vectors.
    """
    return [x, step, inner, samples, pixels, channels, partials, partial, second]


def joined_moments_kernel(ends: ChannelEnds) -> Kernel:
    """The kernel that joins the blocks' results to mean and variance; split on channels."""

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.moments_emit import emit_joined_moments

        return emit_joined_moments(ends)

    return Kernel("moments_joined", f"moments joined {ends.text}", build)


def joined_moments_words(
    samples: int,
    pixels: int,
    channels: int,
    clock: int,
    partials: int,
    partial: int,
    second: int,
    extras: Sequence[Sequence[int]],
    results: Sequence[Sequence[int]],
) -> list[int]:
    """The argument words: as those of blocks; operands are ``(pointer, 0, 0, 0)``, a float32 for each channel."""
    words = [samples, pixels, channels, clock, partials, partial, second]
    return words + operand_words([*extras, *results])
