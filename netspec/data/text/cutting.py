"""Strings cut into tokens: words, characters, or words spelled in characters."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from netspec.data.ragged import Ragged, of_rows

if TYPE_CHECKING:
    from netspec.data.table import Array

Unit: TypeAlias = Literal["word", "character"]

_WORDS_AND_MARKS: Final = re.compile(r"\w+(?:[-'\u2019.]\w+)*|[^\w\s]")


class Interner:
    """Tokens as numbers, counted from 0 in the order in which they are first seen: 4 bytes for each that stands."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._values = array("i")

    def add(self, tokens: Iterable[str]) -> int:
        """Put tokens behind those that are there; how many there are now."""
        codes = self._codes
        self._values.extend([codes.setdefault(token, len(codes)) for token in tokens])
        return len(self._values)

    def take_back(self) -> None:
        """Take the last token away again."""
        self._values.pop()

    def __len__(self) -> int:
        return len(self._values)

    @property
    def names(self) -> tuple[str, ...]:
        """What the numbers stand for."""
        return tuple(self._codes)

    @property
    def values(self) -> Array:
        """The tokens that were added, ``int32[n]``."""
        import numpy as np

        return np.frombuffer(self._values, dtype=np.intc).astype(np.int32) if self._values else np.empty(0, np.int32)


def words_of(text: str, *, marks: bool) -> Sequence[str]:
    """The words of a text: what blanks stand between, or with ``marks`` words and punctuation marks by themselves."""
    return _WORDS_AND_MARKS.findall(text) if marks else text.split()


def cut(texts: Iterable[str], unit: Unit, *, marks: bool = False) -> Ragged:
    """Texts as rows of tokens."""
    return rows_of_tokens(text if unit == "character" else words_of(text, marks=marks) for text in texts)


def rows_of_tokens(rows: Iterable[Sequence[str]]) -> Ragged:
    """Rows that are cut into tokens already."""
    interner = Interner()
    ends = [interner.add(row) for row in rows]
    lengths = [stop - start for start, stop in pairwise([0, *ends])]
    return of_rows(interner.values, lengths, interner.names)


def spelled(words: Ragged) -> Ragged:
    """Rows of words as rows of words that are spelled: each of ``names`` once, in characters."""
    return replace(words, names=(), spellings=cut(words.names, "character"))


def in_lower_case(tokens: Ragged) -> Ragged:
    """The same tokens in lower case; those that then are one become one."""
    import numpy as np

    codes: dict[str, int] = {}
    new = np.array([codes.setdefault(name.lower(), len(codes)) for name in tokens.names], dtype=np.int32)
    return replace(tokens, values=new[tokens.values] if len(new) else tokens.values, names=tuple(codes))
