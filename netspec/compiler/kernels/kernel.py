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
    ``stepped``: a scalar of each step; the address advances with the step. ``lanes``, with ``spread``: one vector a row
    for all columns, a number for each lane.
    """

    dtype: DType = "float32"
    spread: bool = False
    gathered: bool = False
    stepped: bool = False
    lanes: bool = False

    def __repr__(self) -> str:
        flags = ("spread", "gathered", "stepped", "lanes")
        return " ".join([self.dtype, *(name for name in flags if getattr(self, name))])


@dataclass(frozen=True, repr=False)
class Result:
    """How a kernel writes one output: whole rows, one element a row, or one scalar a step."""

    kind: Literal["rows", "spread", "stepped"] = "rows"

    def __repr__(self) -> str:
        return self.kind


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What a kernel does with its sums before it stores them: ``epilogue`` takes ``[*sums, *extras]`` to results."""

    extras: tuple[Operand, ...]
    results: tuple[Result, ...]
    epilogue: Body

    @property
    def ending(self) -> str:
        """Canonical, the end of the kernel's text."""
        extras, results = (", ".join(map(repr, part)) for part in (self.extras, self.results))
        return f"[{extras}] -> [{results}]\n{self.epilogue.text}"

    def check(self, what: str) -> None:
        """Whether whole rows are written, and what is read of them is float32 in order.

        Raises:
            ValueError: if not, of the kernel ``what``.
        """
        if any(result.kind != "rows" for result in self.results):
            raise ValueError(f"{what} writes whole rows")
        if any(extra.gathered or extra.dtype != "float32" for extra in self.extras):
            raise ValueError(f"{what} gathers nothing and reads float32")


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
