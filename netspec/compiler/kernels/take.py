"""Elements of each row in another order, or zeros: how a connection table spreads its weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netspec.compiler.kernels.kernel import Kernel

WORDS = ("source", "source_row", "target", "target_row", "rows", "columns")


def take_kernel() -> Kernel:
    """``target[r, j] = source[r, places[j]]``, zero where the place is negative; split on rows."""

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.take_emit import emit_take

        return emit_take()

    return Kernel("take", "take", build)


def take_words(
    source: int, source_row: int, target: int, target_row: int, rows: int, places: Sequence[int]
) -> list[int]:
    """The argument words: addresses, bytes from a row to the next, rows; places are elements."""
    return [source, source_row, target, target_row, rows, len(places), *places]
