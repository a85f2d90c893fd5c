"""What becomes of the numbers that samples give for each channel: an epilogue over 16 channels in the lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netspec.compiler.kernels.kernel import WORDS_PER_OPERAND, Body, Operand, Result


@dataclass(frozen=True)
class ChannelEnds:
    """``epilogue`` takes ``count`` numbers of a channel and the extras, and gives the results."""

    count: int
    extras: tuple[Operand, ...]
    results: tuple[Result, ...]
    epilogue: Body

    @property
    def text(self) -> str:
        """Canonical, part of the key of the object cache."""
        extras, results = (", ".join(map(repr, part)) for part in (self.extras, self.results))
        return f"{self.count} [{extras}] -> [{results}]\n{self.epilogue.text}"


def operand_words(operands: Sequence[Sequence[int]]) -> list[int]:
    """The words of operands, one after the other.

    Raises:
        ValueError: if one has not four words.
    """
    wrong = next((operand for operand in operands if len(operand) != WORDS_PER_OPERAND), None)
    if wrong is not None:
        raise ValueError(f"an operand has {WORDS_PER_OPERAND} words, got {len(wrong)}")
    return [word for operand in operands for word in operand]
