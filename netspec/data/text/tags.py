"""Tags of named stretches of a sentence, from one scheme into another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Literal, TypeAlias

from netspec.data.faults import data_error, shown
from netspec.data.ragged import Ragged

Scheme: TypeAlias = Literal["iob2", "iobes"]

OUTSIDE: Final = "O"
PREFIXES: Final[dict[Scheme, str]] = {"iob2": "BI", "iobes": "BIES"}


def convert(tags: Ragged, scheme: Scheme, place: Callable[[int, int], str]) -> Ragged:
    """Tags in another scheme: ``B-LOC I-LOC O`` becomes ``B-LOC E-LOC O`` in iobes, a single ``B-LOC`` ``S-LOC``.

    Read are IOB1 (``I-`` begins a stretch after ``O`` or another type), IOB2 and IOBES, which look alike.

    Args:
        tags: rows with their names.
        scheme: what they become.
        place: where a token of a row stands, for messages.

    Raises:
        DataError: if a tag is neither ``O`` nor a letter of these schemes with a type.
    """
    import numpy as np

    parts = [letter_and_type(name) for name in tags.names]
    codes: dict[str, int] = {}
    values: list[int] = []
    places, begins = tags.places()
    every = tags.values[places].tolist()
    for row, (begin, length) in enumerate(zip(begins.tolist(), tags.lengths.tolist(), strict=True)):
        spans = []
        for step, code in enumerate(every[begin : begin + length]):
            part = parts[code]
            if part is None:
                raise _bad_tag(tags.names[code], place(row, step))
            spans.append(part)
        values += [codes.setdefault(name, len(codes)) for name in _written(spans, scheme)]
    lengths = tags.lengths.astype(np.int64)
    return replace(
        tags,
        values=np.array(values, dtype=np.int32),
        starts=np.cumsum(lengths) - lengths,
        names=tuple(codes),
    )


def all_tags(names: Sequence[str], scheme: Scheme) -> tuple[str, ...]:
    """Tags by their order, and behind them those of the same types that no sentence has."""
    types = dict.fromkeys(name[2:] for name in names if name != OUTSIDE)
    every = [OUTSIDE, *(f"{prefix}-{type_}" for type_ in types for prefix in PREFIXES[scheme])]
    return tuple(dict.fromkeys((*names, *every)))


def may_follow(before: str, after: str, scheme: Scheme) -> bool:
    """Whether a tag may stand behind another one."""
    (letter, type_), (next_letter, next_type) = letter_and_type(before) or ("", ""), letter_and_type(after) or ("", "")
    if next_letter in ("I", "E"):
        return letter in ("B", "I") and type_ == next_type
    return scheme == "iob2" or letter not in ("B", "I")


def may_begin(tag: str, scheme: Scheme) -> bool:
    """Whether a sentence may begin with a tag."""
    return may_follow(OUTSIDE, tag, scheme)


def may_end(tag: str, scheme: Scheme) -> bool:
    """Whether a sentence may end with a tag."""
    return may_follow(tag, OUTSIDE, scheme)


def letter_and_type(name: str) -> tuple[str, str] | None:
    """The letter and the type of a tag, two empty texts of ``O``; None if it is no tag."""
    if name == OUTSIDE:
        return "", ""
    prefix, dash, type_ = name.partition("-")
    return (prefix, type_) if dash and type_ and prefix in ("B", "I", "E", "S", "L", "U") else None


def _written(spans: Sequence[tuple[str, str]], scheme: Scheme) -> list[str]:
    found = []
    for i, (_, type_) in enumerate(spans):
        if not type_:
            found.append(OUTSIDE)
            continue
        begins = _begins(spans, i)
        ends = i + 1 == len(spans) or not spans[i + 1][1] or _begins(spans, i + 1)
        if scheme == "iob2":
            letter = "B" if begins else "I"
        else:
            letter = ("S" if ends else "B") if begins else ("E" if ends else "I")
        found.append(f"{letter}-{type_}")
    return found


def _begins(spans: Sequence[tuple[str, str]], i: int) -> bool:
    """Whether a stretch begins at a token that belongs to one."""
    prefix, type_ = spans[i]
    before, last = spans[i - 1] if i else ("", "")
    return prefix in ("B", "S", "U") or last != type_ or before in ("E", "S", "L", "U")


def _bad_tag(name: str, place: str) -> Exception:
    message = f"{place}: `{shown(name)}` is no tag"
    helps = ["a tag is `O`, or a letter and a type: `B-LOC`, `I-LOC`", "other labels need no `scheme`"]
    return data_error("unknown-class", message, helps=helps)
