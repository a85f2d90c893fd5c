"""Rows repeated step by step, and steps taken together: what goes into sequences and what is made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netspec.compiler.kernels.kernel import Kernel

WORDS = ("source", "source_row", "limit", "limit_row", "target", "target_row", "rows", "step_rows", "columns")
REDUCE_WORDS = (
    "source", "source_row", "limit", "target", "target_row", "winner", "winner_row", "rows", "steps", "columns",
)  # fmt: skip


def over_steps_kernel(where: str, *, single: bool) -> Kernel:
    """``target[t*R + r] = source[r]`` where `OverSteps` says, else 0; split on rows of the target.

    ``single``: rows of one column, of which whole vectors would be other rows' too.
    """

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.over_steps_emit import emit_over_steps

        return emit_over_steps(where, single=single)

    return Kernel("over_steps", f"over steps {where}{' single' * single}", build)


def over_steps_words(
    source: Sequence[int], limit: Sequence[int], target: Sequence[int], rows: int, step_rows: int, columns: int
) -> list[int]:
    """The argument words; sides are ``(address, bytes from a row to the next)``."""
    return [*source, *limit, *target, rows, step_rows, columns]


def reduce_steps_kernel(how: str, *, limited: bool, single: bool) -> Kernel:
    """``target[r]`` of ``source[t*R + r]`` over the steps, or those below the row's limit; split on rows.

    ``sum``, in ascending order; ``max``, which writes the step of the first winner too; ``last``.
    """

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.over_steps_emit import emit_reduce_steps

        return emit_reduce_steps(how, limited=limited, single=single)

    return Kernel(f"{how}_over_steps", f"reduce steps {how}{' limited' * limited}{' single' * single}", build)


def reduce_steps_words(
    source: Sequence[int], limit: int, target: Sequence[int], winner: Sequence[int], rows: int, steps: int, columns: int
) -> list[int]:
    """The argument words; ``rows`` of the target, ``steps`` of the source for each of them."""
    return [*source, limit, *target, *winner, rows, steps, columns]
