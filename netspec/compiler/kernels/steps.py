"""Rows of differing length side by side, step by step, and how long rows are."""

from __future__ import annotations

from collections.abc import Callable

from netspec.compiler.kernels.kernel import Kernel
from netspec.tensortype import DType

WORDS = (
    "values", "value_row", "starts", "lengths", "gaps", "index", "clock", "target", "target_row", "rows", "step_rows",
    "features",
)  # fmt: skip
LENGTH_WORDS = ("lengths", "index", "clock", "target", "rows")


def steps_kernel(dtype: DType, *, gaps: bool, batch: bool) -> Kernel:
    """``target[t*R + r] = values[starts[i] + t]`` while ``t < lengths[i]``, else 0; split on rows of the target.

    Args:
        dtype: Of the values; whole numbers are written as int32.
        gaps: Whether each row leaves out a value.
        batch: Whether the index is int64 and that of all steps of a run; else it is int32.
    """

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.steps_emit import emit_steps

        return emit_steps(dtype, gaps=gaps, batch=batch)

    return Kernel("steps", f"steps {dtype}{' gaps' * gaps}{' batch' * batch}", build)


def steps_words(
    values: int,
    value_row: int,
    starts: int,
    lengths: int,
    gaps: int,
    index: int,
    clock: int,
    target: int,
    target_row: int,
    rows: int,
    step_rows: int,
    features: int,
) -> list[int]:
    """The argument words: addresses, bytes from a row to the next; rows of the target, and of each step."""
    return [values, value_row, starts, lengths, gaps, index, clock, target, target_row, rows, step_rows, features]


def lengths_kernel(*, batch: bool) -> Kernel:
    """``target[r] = lengths[index[r]]`` as float32; split on rows. ``batch`` as in `steps_kernel`."""

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.steps_emit import emit_lengths

        return emit_lengths(batch=batch)

    return Kernel("lengths", f"lengths{' batch' * batch}", build)


def lengths_words(lengths: int, index: int, clock: int, target: int, rows: int) -> list[int]:
    """The argument words: addresses and the number of rows."""
    return [lengths, index, clock, target, rows]
