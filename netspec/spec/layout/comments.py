"""Comments: where they are in a text, and what each belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from netspec.diagnostics import LINE_BREAK
from netspec.spec.layout.written import Branch, Comment, Entry, LayoutError, Leaf, leaves

_BETWEEN = re.compile(r"(?:\s|[-?:,\[\]{}.]|&[^\s,\[\]{}]+|\*[^\s,\[\]{}]+)*")


@dataclass(frozen=True)
class _Found:
    """A comment or, as an empty text, a blank line; ``is_own`` says that nothing stands before it in its line."""

    text: str
    offset: int
    column: int
    is_own: bool


def attach(root: Branch, text: str) -> None:
    """Put every comment of ``text`` to the entry or collection of ``root`` that it speaks of.

    Raises:
        LayoutError: if something is neither a value nor a comment.
    """
    for found in _comments(root, text):
        entry = None if found.is_own else _beside(root, found.offset)
        if entry is None:
            _lines(root, found).append(found.text)
        else:
            entry.behind.append(Comment(found.text, found.column))


def _comments(root: Branch, text: str) -> Iterator[_Found]:
    """Comments and blank lines in the order of the file; whatever is outside of scalars and begins with `#` is one."""
    position = 0
    for leaf in leaves(root):
        yield from _between(text, position, leaf.start)
        position = leaf.end
        if leaf.is_block:
            yield from _header(leaf, text)
    yield from _between(text, position, len(text))


def _between(text: str, start: int, end: int) -> Iterator[_Found]:
    """Those of a stretch without scalars."""
    position = start
    for part in re.finditer(r"#[^\r\n\x85\u2028\u2029]*|(?<=\n)[ \t]*(?=\r?\n)", text[start:end]):
        where = start + part.start()
        if where < position:
            continue
        _check(text[position:where])
        position = start + part.end()
        line = _line_start(text, where)
        is_own = not text[line:where].strip(" \t")
        yield _Found(part[0].rstrip(), where, where - line, is_own)
    _check(text[position:end])


def _line_start(text: str, offset: int) -> int:
    return max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1


def _check(rest: str) -> None:
    if not _BETWEEN.fullmatch(rest):
        raise LayoutError(f"`{rest.strip()[:20]}` outside of values and comments")


def _header(leaf: Leaf, text: str) -> Iterator[_Found]:
    """The comment behind the `|` or `>` of a text block."""
    head = LINE_BREAK.split(leaf.text, maxsplit=1)[0]
    mark, hash_, words = head.partition("#")
    if hash_:
        where = leaf.start + len(mark)
        yield _Found(f"#{words}".rstrip(), where, where - _line_start(text, where), is_own=False)


def _lines(branch: Branch, found: _Found) -> list[str]:
    """Where a comment with a line of its own goes: above an entry, or at the foot of a collection.

    A comment below the last entry of a block belongs to it if it stands as far to the right as its entries.
    """
    i = _last_before(branch, found.offset)
    if i < 0:
        return branch.entries[0].above if branch.entries else branch.foot
    inner = branch.entries[i].value
    if isinstance(inner, Branch) and inner.entries:
        is_inside = found.offset < inner.end
        is_below = not inner.in_flow and bool(found.text) and found.column >= inner.column > branch.column
        if is_inside or is_below:
            return _lines(inner, found)
    return branch.entries[i + 1].above if i + 1 < len(branch.entries) else branch.foot


def _beside(branch: Branch, offset: int) -> Entry | None:
    """The entry that a comment at the end of a line speaks of: what ends in that line, or begins with it."""
    i = _last_before(branch, offset)
    if i < 0:
        return None
    entry = branch.entries[i]
    inner = entry.value
    if not isinstance(inner, Branch) or (inner.in_flow and offset >= inner.end):
        return entry
    return _beside(inner, offset) or entry


def _last_before(branch: Branch, offset: int) -> int:
    return next((i for i in range(len(branch.entries) - 1, -1, -1) if branch.entries[i].start < offset), -1)
