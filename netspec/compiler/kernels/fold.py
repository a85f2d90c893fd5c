"""Fold kernels: ``results[c] = epilogue(fold over rows of prologue(operands[r, c]), extras[c])``.

Each column is one chain over the rows, upwards, so its bits do not depend on the split. The gradient of a bias with
its optimizer is one fold; so are the statistics of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from netspec.compiler.kernels.kernel import Body, Kernel, Operand, Result, operand_words
from netspec.compiler.kernels.rows import Reduction, Word, panel_shift

HEADER = 5  # words before those of the operands, the extras and the results


@dataclass(frozen=True)
class Fold:
    """The static description of a fold: all that its code depends on."""

    operands: tuple[Operand, ...]
    prologue: Body
    kinds: tuple[Reduction, ...]
    extras: tuple[Operand, ...]
    results: tuple[Result, ...]
    epilogue: Body

    @property
    def text(self) -> str:
        """Canonical, the key of the object cache."""
        signature = " ".join(str(list(part)) for part in (self.operands, self.extras, self.results))
        return f"fold {', '.join(self.kinds)} {signature}\n{self.prologue.text}\n{self.epilogue.text}"


def fold_kernel(
    operands: tuple[Operand, ...],
    prologue: Body,
    kinds: tuple[Reduction, ...],
    extras: tuple[Operand, ...],
    results: tuple[Result, ...],
    epilogue: Body,
) -> Kernel:
    """The kernel of a fold over ``(rows, middle)``; split on columns.

    ``prologue`` takes the operands and gives one vector for each of ``kinds``; ``epilogue`` takes
    ``[*folded, *extras]`` and gives one vector for each result, which may lie where an extra lies. A stepped result
    takes the first column only.

    Raises:
        ValueError: if an operand is gathered or a result has one element a row.
    """
    if any(operand.gathered for operand in (*operands, *extras)):
        raise ValueError("a fold gathers nothing")
    if any(result.kind == "spread" for result in results):
        raise ValueError("a fold has no rows left to write one element for")
    fold = Fold(operands, prologue, kinds, extras, results, epilogue)

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.fold_emit import emit_fold

        return emit_fold(fold)

    return Kernel(f"fold_{'_'.join(kinds)}_{len(operands)}x{len(extras)}x{len(results)}", fold.text, build)


def fold_words(
    clock: Word,
    rows: Word,
    columns: Word,
    operands: Sequence[Sequence[Word]],
    extras: Sequence[Sequence[Word]],
    results: Sequence[Sequence[Word]],
    middle: Word | int = 1,
    panel_width: int = 0,
) -> list[Word | int]:
    """The argument words of a fold; words may be symbolic, strides are in bytes.

    Each operand is ``(pointer, row, middle, panel stride)``; panel stride 0 says that its rows are not cut into panels.
    Extras and results are one row: only their pointer and panel stride count.

    Raises:
        ValueError: if an operand has not four words.
    """
    words: list[Word | int] = [clock, rows, middle, columns, panel_shift(panel_width)]
    return [*words, *operand_words((*operands, *extras, *results))]
