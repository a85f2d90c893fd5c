"""Printing a written spec in the canonical layout.

Blocks are indented by two, lists below their key. A flow collection stays on its line if it fits into `WIDTH` and
holds no comment, else it is opened, the outermost first; of a list of scalars lines are filled. What an item of a list
holds is closed wherever it fits, so that a layer is a line. Comments keep their column where the line leaves room, and
scalars in brackets two blanks between them, which group them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final

from netspec.diagnostics import LINE_BREAK
from netspec.spec.layout.written import Alias, Branch, Comment, Entry, LayoutError, Leaf, Written

WIDTH: Final = 120
_INDENT: Final = "  "
_NUMBER: Final = re.compile(r"[-+]?[0-9.][0-9.eE+-]*")
# Plain text that means something else, or nothing, between brackets.
_UNSAFE: Final = re.compile(r"[,\[\]{}]|^[?:-]|:$")


def printed(root: Branch) -> str:
    """The text of a whole file."""
    lines = list(_block(root, "", in_item=False))
    while lines and not lines[0]:
        lines.pop(0)
    return "\n".join(lines).rstrip("\n") + "\n"


def _block(branch: Branch, indent: str, *, in_item: bool) -> Iterator[str]:
    """The lines of a collection in block style; the list or map is not empty."""
    if not branch.entries:
        raise LayoutError("a list or map without entries that holds comments")
    for i, entry in enumerate(branch.entries):
        # A line has room for one comment: others that stood in it, as behind each of its brackets, go above it.
        more = [comment.text for comment in entry.behind[1:]]
        yield from _above([*entry.above, *more], indent, is_first=i == 0)
        yield from _entry(entry, indent, in_item=in_item)
    yield from _above(_trimmed(branch.foot), indent, is_first=False)


def _above(lines: Sequence[str], indent: str, *, is_first: bool) -> Iterator[str]:
    """Comments and blank lines, never two of these; none opens a list or map."""
    was_blank = is_first
    for line in lines:
        if line or not was_blank:
            yield indent + line if line else ""
        was_blank = not line


def _trimmed(lines: Sequence[str]) -> list[str]:
    """Without the blank lines at the end."""
    kept = list(lines)
    while kept and not kept[-1]:
        kept.pop()
    return kept


def _entry(entry: Entry, indent: str, *, in_item: bool) -> Iterator[str]:
    start = indent + ("-" if entry.key is None else _key(entry.key))
    value = entry.value
    if isinstance(value, Leaf) and value.is_block:
        yield from _text_block(value, start, indent + _INDENT, entry.behind[:1])
        return
    one = _flow(value)
    if isinstance(value, Branch) and not _is_closed(entry, value, one, start, in_item=in_item):
        in_item = in_item or entry.key is None
        yield from _opened(entry, value, start, indent, in_item=in_item)
        return
    yield _with(f"{start} {one}", entry.behind[:1])


def _is_closed(entry: Entry, branch: Branch, one: str | None, start: str, *, in_item: bool) -> bool:
    """Whether a collection stands on the line of its key; an item that is one key needs no braces."""
    if entry.key is None and branch.is_map and not branch.anchor and len(branch.entries) == 1:
        return False
    fits = one is not None and len(start) + 1 + len(one) <= WIDTH
    return fits and (branch.in_flow or in_item)


def _opened(entry: Entry, branch: Branch, start: str, indent: str, *, in_item: bool) -> Iterator[str]:
    """A list or map over several lines."""
    if branch.in_flow and _is_row(branch):
        yield from _filled(entry, branch, start, indent + _INDENT)
        return
    if branch.anchor:
        start += f" &{branch.anchor}"
    inner = list(_block(branch, indent + _INDENT, in_item=in_item))
    if entry.key is None and not branch.anchor:
        # Behind a lone `-` nothing can be said: what stood there goes above.
        yield from (indent + comment.text for comment in entry.behind[:1])
        first = next(i for i, line in enumerate(inner) if line.strip() and not line.lstrip().startswith("#"))
        yield from (indent + line.lstrip() for line in inner[:first] if line)
        yield f"{start} {inner[first].lstrip()}"
        yield from inner[first + 1 :]
        return
    yield _with(start, entry.behind[:1])
    yield from inner


def _is_row(branch: Branch) -> bool:
    """Whether it is a list of scalars, or of such lists, without comments: then its lines can be filled."""
    return (
        not branch.is_map
        and _flow(branch) is not None
        and all(not isinstance(entry.value, Branch) or _is_row(entry.value) for entry in branch.entries)
    )


def _filled(entry: Entry, branch: Branch, start: str, indent: str) -> Iterator[str]:
    """A long list: lines end where they ended, as rows of a matrix may, or where they are full."""
    yield from (indent[: -len(_INDENT)] + comment.text for comment in entry.behind[:1])
    line = f"{start} &{branch.anchor} [" if branch.anchor else f"{start} ["
    if len(line) <= WIDTH // 2:
        indent = " " * len(line)
    last = len(branch.entries) - 1
    for i, each in enumerate(branch.entries):
        word = (_flow(each.value) or "") + ("]" if i == last else ",")
        if i and (each.gap == "\n" or len(line) + len(each.gap) + len(word) > WIDTH):
            yield line
            line = indent + word
        else:
            line += each.gap + word if i else word
    yield line


def _with(line: str, comments: Sequence[Comment]) -> str:
    """A line with what is said behind it, at its column if that is free."""
    for comment in comments:
        line = line.ljust(max(comment.column, len(line) + 2)) + comment.text
    return line


def _text_block(leaf: Leaf, start: str, indent: str, comments: Sequence[Comment]) -> Iterator[str]:
    """A text behind `|` or `>`, moved as a whole."""
    head, *body = LINE_BREAK.split(leaf.text)
    mark = head.partition("#")[0].strip()
    if any(c.isdigit() for c in mark):
        raise LayoutError("a text block that names its indentation")
    depths = [len(line) - len(line.lstrip(" ")) for line in body if line.strip()]
    depth = min(depths, default=0)
    yield _with(f"{start} {mark}", comments)
    if not mark.endswith("+"):
        body = _trimmed([line.rstrip() if not line.strip() else line for line in body])
    elif body and not body[-1].strip():
        body = body[:-1]
    yield from (indent + line[depth:] if line.strip() else "" for line in body)


def _key(key: Leaf | Alias) -> str:
    return f"*{key.name} :" if isinstance(key, Alias) else f"{_anchored(key)}:"


def _flow(node: Written) -> str | None:
    """A value on one line; None if it holds a comment or a text block."""
    if isinstance(node, Alias):
        return f"*{node.name}"
    if isinstance(node, Leaf):
        return None if node.is_block else _anchored(node)
    if any(node.foot):
        return None
    parts = []
    for entry in node.entries:
        if entry.behind or any(entry.above):
            return None
        value = entry.value
        one = _between_brackets(value) if isinstance(value, Leaf) else _flow(value)
        if one is None:
            return None
        parts.append(one if entry.key is None else f"{_key(entry.key)} {one}")
    inside = "".join(
        (f",{' ' if entry.gap == chr(10) else entry.gap}" if i else "") + part
        for i, (entry, part) in enumerate(zip(node.entries, parts, strict=True))
    )
    if not node.is_bare:
        inside = f"{{{inside}}}" if node.is_map else f"[{inside}]"
    return f"&{node.anchor} {inside}" if node.anchor else inside


def _between_brackets(leaf: Leaf) -> str | None:
    """A scalar in flow style, where plain text may have to be quoted."""
    if leaf.is_block:
        return None
    text = _text(leaf)
    if not leaf.in_flow and not leaf.style and _UNSAFE.search(text) and not _NUMBER.fullmatch(text):
        text = _quoted(leaf.value)
    return f"&{leaf.anchor} {text}" if leaf.anchor else text


def _anchored(leaf: Leaf) -> str:
    return f"&{leaf.anchor} {_text(leaf)}" if leaf.anchor else _text(leaf)


def _text(leaf: Leaf) -> str:
    """A scalar as it is written, on one line, in double quotes where it is in single ones that hide nothing."""
    if LINE_BREAK.search(leaf.text):
        joined = " ".join(leaf.text.split())
        return joined if not leaf.style and joined == leaf.value else _quoted(leaf.value)
    inside = leaf.text[1:-1]
    if leaf.style == "'" and leaf.text.startswith("'") and not re.search(r"[\"'\\]", inside):
        return f'"{inside}"'
    return leaf.text


def _quoted(value: str) -> str:
    """In double quotes, with escapes for what would end a line."""
    text = json.dumps(value, ensure_ascii=False)
    return re.sub("[\x7f-\xa0\u2028\u2029\ufeff]", lambda c: f"\\u{ord(c[0]):04x}", text)
