"""Plain tables that fit a terminal, and numbers as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

_GAP: Final = 2
_NARROWEST: Final = 6


@dataclass(frozen=True)
class Column:
    """A heading, its alignment, and whether a long cell may be cut where the terminal is narrow."""

    heading: str
    align: Literal["left", "right"] = "left"
    may_shrink: bool = False


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None = None) -> str:
    """Lines of aligned cells under their headings.

    Columns that may shrink are cut, the widest first, until lines fit ``width``; with None (a file, a pipe) nothing is
    cut and no line is wrapped. No blanks end a line.
    """
    widths = [max([len(column.heading), *(len(row[i]) for row in rows)]) for i, column in enumerate(columns)]
    shrinking = [i for i, column in enumerate(columns) if column.may_shrink]
    while width is not None and sum(widths) + _GAP * (len(widths) - 1) > width:
        widest = max(shrinking, key=lambda i: widths[i], default=None)
        if widest is None or widths[widest] <= _NARROWEST:
            break
        widths[widest] -= 1
    headings = [column.heading for column in columns]
    return "\n".join(_line(columns, widths, cells) for cells in (headings, *rows))


def _line(columns: Sequence[Column], widths: Sequence[int], cells: Sequence[str]) -> str:
    placed = []
    for column, width, cell in zip(columns, widths, cells, strict=True):
        text = cell if len(cell) <= width else cell[: width - 1] + "…"
        placed.append(text.rjust(width) if column.align == "right" else text.ljust(width))
    return (" " * _GAP).join(placed).rstrip()


def listed(begin: str, facts: Sequence[str], width: int | None = None) -> str:
    """Facts behind a beginning, with commas, in lines of ``width``; none is broken in two, and with None no line is."""
    lines = [begin]
    for i, fact in enumerate(facts):
        text = fact if i == len(facts) - 1 else f"{fact},"
        if i and width is not None and len(lines[-1]) + 1 + len(text) > width:
            lines.append(" " * len(begin))
        lines[-1] += f" {text}"
    return "\n".join(lines)


def count(value: int | str | None) -> str:
    """A number with thousands separators; a formula of what data would fix as it is."""
    return f"{value:,}" if isinstance(value, int) else value or ""


def counted(n: int, word: str) -> str:
    """1 step, 20 steps."""
    return f"{n:,} {word}{'s' * (n != 1)}"


def duration(seconds: float) -> str:
    """A time in the unit that fits: 0.4 s, 12 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def measure(value: float | None) -> str:
    """A loss or metric to four digits; what is not finite says so."""
    if value is None:
        return "not finite"
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:.3e}"
