"""Row kernels: for each row of a ``(rows, middle)`` domain, a few sweeps over its columns.

A sweep computes vectors of columns and stores them, or reduces them over the columns to a *row value* that later sweeps
read, spread over the lanes. Softmax with its gradient is three sweeps (largest, sum of exponentials, result), an
elementwise map one, dropout one, the gather of a batch one.

Reductions are 16 partial sums in the lanes and a fixed tree over these, so their bits depend on nothing but the row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

from netspec.compiler.kernels.kernel import UNIT, Body, Kernel, Operand, Result, operand_words

HEADER = 9  # words before those of the operands and the results
ROW_MAJOR = 30  # shift of a panel wider than any row

Reduction: TypeAlias = Literal["sum", "max", "min"]
Action: TypeAlias = "tuple[Literal['store'], int] | Reduction | Literal['keep']"
Word = TypeVar("Word")


@dataclass(frozen=True)
class Sweep:
    """One pass over the columns of a row.

    ``body`` takes ``[*operands, *row values so far]`` and gives a vector for each of ``actions``: ``("store", i)``
    writes result ``i``, the name of a reduction makes the next row value. A sweep that is taken ``once`` a row sees the
    spread operands and the row values only (others are zero), 16 rows in its lanes: its vectors are row values
    (``"keep"``) or are stored as spread or stepped results.
    """

    body: Body
    actions: tuple[Action, ...]
    once: bool = False

    @property
    def text(self) -> str:
        """Canonical, part of the key of the object cache."""
        actions = ", ".join(action if isinstance(action, str) else f"store {action[1]}" for action in self.actions)
        return f"{'once' if self.once else 'columns'} -> {actions}\n{self.body.text}"


def rows_kernel(operands: tuple[Operand, ...], sweeps: tuple[Sweep, ...], results: tuple[Result, ...]) -> Kernel:
    """The kernel that runs `sweeps` on every row; split on rows.

    Sweeps run in order: an operand that is also a result is read as it is when its sweep runs, so a parameter may be
    updated in place, and a later sweep may read back what an earlier one stored.

    Raises:
        ValueError: if an action and its result do not fit.
    """
    for sweep in sweeps:
        for action in sweep.actions:
            _check(action, sweep.once, results)

    def build() -> Callable[..., None]:
        from netspec.compiler.kernels.rows_emit import emit_rows

        return emit_rows(operands, sweeps, results)

    read, written = (", ".join(map(repr, part)) for part in (operands, results))
    text = "\n".join([f"rows [{read}] -> [{written}]", *(sweep.text for sweep in sweeps)])
    kind = "gather" if any(operand.gathered and not operand.spread for operand in operands) else "rows"
    return Kernel(f"{kind}_{len(operands)}x{len(sweeps)}x{len(results)}", text, build)


def _check(action: Action, once: bool, results: tuple[Result, ...]) -> None:
    if not isinstance(action, str):
        whole = results[action[1]].kind == "rows"
        if whole is once:
            raise ValueError(f"a sweep {'once a row' if once else 'over columns'} cannot store {results[action[1]]}")
    elif once is not (action == "keep"):
        raise ValueError(f"a sweep {'once a row' if once else 'over columns'} cannot `{action}`")


def panel_shift(panel_width: int) -> int:
    """The logarithm of the columns of a panel; 0 columns stand for rows that are not cut into panels.

    Raises:
        ValueError: if the width is not a power of two of at least 16.
    """
    if panel_width == 0:
        return ROW_MAJOR
    if panel_width < 16 or panel_width & (panel_width - 1):
        raise ValueError(f"panels are 16, 32, ... columns wide, not {panel_width}")
    return panel_width.bit_length() - 1


def rows_words(
    clock: Word,
    rows: Word,
    columns: Word,
    operands: Sequence[Sequence[Word]],
    results: Sequence[Sequence[Word]],
    middle: Word | int = 1,
    panel_width: int = 0,
    index: Word | int = 0,
    batch: Word | int = 0,
    index_length: Word | int = 0,
    unit: int = UNIT,
) -> list[Word | int]:
    """The argument words of a row kernel; words may be symbolic, strides are in bytes.

    Operands and results are ``(pointer, row, middle, panel stride)``; panel stride 0 says that the rows of this one are
    not cut into panels. Gathered operands take row ``index[step * batch + row]`` of ``index_length`` int64; memory that
    is read needs 16 elements to spare at its end. ``unit`` rows stay with one thread.

    Raises:
        ValueError: if an operand has not four words.
    """
    words: list[Word | int] = [clock, rows, middle, columns, panel_shift(panel_width), index, batch, index_length, unit]
    return [*words, *operand_words((*operands, *results))]
