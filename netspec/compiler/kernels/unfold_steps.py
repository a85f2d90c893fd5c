"""The windows of a sequence as rows, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netspec.compiler.kernels.kernel import Kernel

WORDS = (
    "source", "source_row", "limit", "target", "target_row", "rows", "step_rows", "steps", "windows", "columns", "taps",
    "before", "gap",
)  # fmt: skip


def unfold_steps_kernel(*, turned: bool) -> Kernel:
    """What `UnfoldSteps` computes; split on rows of the target."""

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.unfold_steps_emit import emit_fold_steps, emit_unfold_steps

        return emit_fold_steps() if turned else emit_unfold_steps()

    name = "fold_steps" if turned else "unfold_steps"
    return Kernel(name, name.replace("_", " "), build)


def unfold_steps_words(
    source: Sequence[int],
    limit: int,
    target: Sequence[int],
    rows: int,
    step_rows: int,
    steps: int,
    windows: int,
    columns: int,
    taps: Sequence[int],
) -> list[int]:
    """The argument words; sides are ``(address, bytes from a row to the next)``, ``columns`` those of one tap.

    ``taps`` are how many there are, the steps in front of the first, and from one to the next.
    """
    return [*source, limit, *target, rows, step_rows, steps, windows, columns, *taps]
