"""A spec in its canonical layout, which says the same and keeps every comment; or a reason why there is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from netspec.diagnostics import Report, Span, SpecError
from netspec.spec.document import KEYS
from netspec.spec.layout import comments, written
from netspec.spec.layout.printing import printed
from netspec.spec.layout.written import Branch, Entry, LayoutError
from netspec.spec.tree import Node, plain
from netspec.spec.yaml import OPEN, read_text

_TURNS: Final = 6
"""A comment that moved out of brackets lets them close the next time; then nothing is left to be done."""


_LEFT_OPEN: Final = "\ue0fe\ue0fe\ue0fe"
"""Stands for a `???` while a spec is laid out: a word as long, that is read like any other."""


def canonical(text: str, file: str) -> str:
    """``text`` laid out anew: the sections in their order, two spaces a level, what fits in a line in one line.

    Args:
        text: A spec, or a fragment that specs include.
        file: What it is called in messages.

    Raises:
        SpecError: if it is no YAML, or cannot be laid out without a change of what it says.
    """
    text = OPEN.sub(_LEFT_OPEN, text)
    before = _meaning(text, file)
    last, found = text, None
    for _ in range(_TURNS):
        try:
            root = parsed(last)
            found = _kept(text, before, _ordered(root), file) or _kept(text, before, root, file)
        except LayoutError as fault:
            raise _refused(text, file, f"it holds {fault}") from None
        if found is None or found == last:
            break
        last = found
    if found is None:
        raise _refused(text, file, "it would say something else, or lose a comment")
    return found.replace(_LEFT_OPEN, "???")


def parsed(text: str) -> Branch:
    """A text as it is written, with its comments.

    Raises:
        LayoutError: if it holds what cannot be printed again.
    """
    text = OPEN.sub(_LEFT_OPEN, text.removeprefix("\ufeff"))
    root = written.read(text)
    comments.attach(root, text)
    return root


def _meaning(text: str, file: str) -> Node:
    report = Report()
    tree = read_text(text, file, report)
    report.raise_if_failed()
    assert tree is not None
    return tree


def _kept(text: str, before: Node, root: Branch, file: str) -> str | None:
    """``root`` as text if that says what ``text`` says and has all its comments."""
    made = printed(root)
    report = Report()
    after = read_text(made, file, report)
    if after is None or report.failed or not _same(plain(before), plain(after)):
        return None
    return made if _words(parsed(text)) == _words(parsed(made)) else None


def _same(a: object, b: object) -> bool:
    """Whether two values are equal, and 1, 1.0 and true are not."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return type(a) is type(b) and a == b


def _words(branch: Branch) -> Counter[str]:
    """All comments and how often each stands."""
    found = Counter(line for line in branch.foot if line)
    for entry in branch.entries:
        found.update(line for line in entry.above if line)
        found.update(comment.text for comment in entry.behind)
        if isinstance(entry.value, Branch):
            found.update(_words(entry.value))
    return found


def _ordered(root: Branch) -> Branch:
    """The sections in the order of the language; what is unknown stays behind what it stood behind.

    The comment that the file begins with stays at its top.
    """
    if root.in_flow or not root.is_map:
        return root
    order = list(KEYS)
    ranks: list[int] = []
    for entry in root.entries:
        name = written.key_text(entry.key) if entry.key else ""
        ranks.append(order.index(name) if name in KEYS else ranks[-1] if ranks else -1)
    moved = [root.entries[i] for i in sorted(range(len(ranks)), key=ranks.__getitem__)]
    if moved and moved[0] is not root.entries[0]:
        moved = _under_head(root.entries[0], moved)
    return replace(root, entries=moved)


def _under_head(first: Entry, moved: Sequence[Entry]) -> list[Entry]:
    """``moved``, with what stood above the ``first`` entry of the file above the one that is now the first."""
    new = moved[0]
    swapped = {
        id(first): Entry(first.key, first.value, [], first.behind),
        id(new): Entry(new.key, new.value, [*first.above, *new.above], new.behind),
    }
    return [swapped.get(id(entry), entry) for entry in moved]


def _refused(text: str, file: str, why: str) -> SpecError:
    report = Report({file: text})
    span = Span(file, 1, 1, 1, 1)
    helps = ["nothing was changed"]
    report.error("cannot-format", f"the layout is left as it is: {why}", span, helps=helps)
    return SpecError(*report.diagnostics, sources={})
