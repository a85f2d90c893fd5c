"""What a kernel is before it is compiled: a name, a canonical text that keys the cache, and how to build it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from netspec.tensortype import DType

if TYPE_CHECKING:
    from llvmlite import ir

UNIT = 16  # rows, or columns, that always stay with one thread: sums within a unit need no agreement between threads
WORDS_PER_OPERAND = 4  # pointer, then row, middle and panel stride in bytes

Word = TypeVar("Word")


@dataclass(frozen=True)
class Kernel:
    """A compiled function's description; two with the same text are the same machine code."""

    name: str
    text: str
    build: Callable[[], Callable[..., None]] = field(compare=False, repr=False)


@dataclass(frozen=True)
class Place:
    """Where a vector stands in the logical result: element index = ``row * width + column + lane``."""

    row: ir.Value
    column: ir.Value
    width: ir.Value


Emit: TypeAlias = "Callable[[ir.IRBuilder, Sequence[ir.Value], Place], Sequence[ir.Value]]"


@dataclass(frozen=True)
class Body:
    """Straight-line arithmetic from vectors to vectors; ``cost`` is in rough cycles a vector."""

    text: str
    emit: Emit = field(compare=False, repr=False)
    cost: int = 0


@dataclass(frozen=True, repr=False)
class Operand:
    """How a kernel reads one input; converted to float32 lanes whatever its dtype.

    ``spread``: one element a row for all lanes. ``gathered``: row ``index[row]`` instead of ``row``.
    ``stepped``: a scalar of each step; the address advances with the step.
    """

    dtype: DType = "float32"
    spread: bool = False
    gathered: bool = False
    stepped: bool = False

    def __repr__(self) -> str:
        return " ".join([self.dtype, *(name for name in ("spread", "gathered", "stepped") if getattr(self, name))])


@dataclass(frozen=True, repr=False)
class Result:
    """How a kernel writes one output: whole rows, one element a row, or one scalar a step."""

    kind: Literal["rows", "spread", "stepped"] = "rows"

    def __repr__(self) -> str:
        return self.kind


def operand_words(operands: Iterable[Sequence[Word]]) -> list[Word]:
    """The words of operands one behind the other, as kernels read them.

    Raises:
        ValueError: if one has not `WORDS_PER_OPERAND`.
    """
    words: list[Word] = []
    for operand in operands:
        if len(operand) != WORDS_PER_OPERAND:
            raise ValueError(f"an operand has {WORDS_PER_OPERAND} words, got {len(operand)}")
        words += operand
    return words
