"""Sums over neighbouring channels, with 16 samples in the lanes: what local response normalisation divides by."""

from __future__ import annotations

from collections.abc import Callable

from netspec.compiler.kernels.kernel import Kernel

WORDS = ("x", "y", "block", "channel", "samples", "pixels", "channels", "before", "after")


def channel_window_kernel() -> Kernel:
    """The kernel; split on rows."""

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.channel_window_emit import emit_channel_window

        return emit_channel_window()

    return Kernel("channel_window", "channel windows", build)


def channel_window_words(
    x: int, y: int, block: int, channel: int, samples: int, pixels: int, channels: int, before: int, after: int
) -> list[int]:
    """The argument words; both sides have the same strides, in bytes, from a block and from a channel to the next."""
    return [x, y, block, channel, samples, pixels, channels, before, after]
