"""For each row another of its block of 16, chosen by a draw: what mixing pairs of samples calls."""

from __future__ import annotations

from collections.abc import Callable

from netspec.compiler.kernels.kernel import Kernel

WORDS = ("source", "source_row", "target", "target_row", "draws", "rows", "bytes")
GATHERED = (*WORDS, "index", "clock", "batch")


def mates_kernel(gathered: bool) -> Kernel:
    """``target[i] = source[mate of i]``, or of the rows that an index names; split on rows, which are copied bytes."""

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.mates_emit import emit_mates

        return emit_mates(gathered)

    return Kernel("mates_gathered" if gathered else "mates", f"mates{' gathered' * gathered}", build)


def mates_words(
    source: int,
    source_row: int,
    target: int,
    target_row: int,
    draws: int,
    rows: int,
    size: int,
    index: int = 0,
    clock: int = 0,
) -> list[int]:
    """The argument words: addresses, bytes from a row to the next, how many rows, bytes of a row.

    ``draws`` are float32 on [0, 1), one for each row. Gathered, ``index`` names the rows of the source, int64.
    """
    return [source, source_row, target, target_row, draws, rows, size, index, clock, rows]
