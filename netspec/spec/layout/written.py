"""A file as it is written: every scalar as its text, every collection with its style, and where each stands.

The tree of `netspec.spec.tree` is what a spec says; this one is how it says it, so that it can be printed again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias


class LayoutError(Exception):
    """What stands in the file cannot be laid out; the text says what it is."""


@dataclass(frozen=True)
class Comment:
    """A comment with its ``#``; ``column`` is where it stood, from 0."""

    text: str
    column: int


@dataclass(frozen=True)
class Leaf:
    """A scalar; ``text`` is how it is written, quotes and all, ``value`` the string that YAML reads."""

    text: str
    value: str
    start: int
    end: int
    style: str
    """What it is written in: nothing, a quote, or `|` and `>` of text blocks."""
    in_flow: bool
    anchor: str = ""

    @property
    def is_block(self) -> bool:
        return self.style in ("|", ">")


@dataclass(frozen=True)
class Alias:
    """`*name`."""

    name: str
    start: int
    end: int


@dataclass
class Branch:
    """A list or map; ``column`` is where the entries of a block stand, ``foot`` comments below the last one.

    ``is_bare`` tells the one pair of a list in brackets that has no braces: `[rmse: {target: mpg}]`.
    """

    is_map: bool
    in_flow: bool
    start: int
    end: int
    column: int
    anchor: str = ""
    is_bare: bool = False
    entries: list[Entry] = field(default_factory=list)
    foot: list[str] = field(default_factory=list)

    def entry(self, key: str) -> Entry | None:
        """The entry of a key."""
        return next((entry for entry in self.entries if entry.key is not None and key_text(entry.key) == key), None)


Written: TypeAlias = "Leaf | Alias | Branch"


@dataclass
class Entry:
    """A key with its value, or an item of a list; ``above`` holds comments and, as empty texts, blank lines.

    ``gap`` is what stands before a scalar in brackets: a blank, two of them, or the end of a line.
    """

    key: Leaf | Alias | None
    value: Written
    above: list[str] = field(default_factory=list)
    behind: list[Comment] = field(default_factory=list)
    gap: str = " "

    @property
    def start(self) -> int:
        return self.value.start if self.key is None else self.key.start


def key_text(key: Leaf | Alias) -> str:
    """What a key reads."""
    return key.value if isinstance(key, Leaf) else f"*{key.name}"


def leaves(node: Written | None) -> Iterator[Leaf]:
    """Every scalar below ``node``, keys included, in the order of the file."""
    if isinstance(node, Leaf):
        yield node
    elif isinstance(node, Branch):
        for entry in node.entries:
            if isinstance(entry.key, Leaf):
                yield entry.key
            yield from leaves(entry.value)


def read(text: str) -> Branch:
    """The collection that ``text``, which is sound YAML without tags on collections, holds.

    Raises:
        LayoutError: if it holds what cannot be printed again.
    """
    return _Reader(text).read()


class _Reader:
    """One pass over the events of a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.stack: list[Branch] = []
        self.keys: list[Leaf | Alias | None] = []
        self.root: Written | None = None

    def read(self) -> Branch:
        from yaml import events
        from yaml.cyaml import CParser  # type: ignore[attr-defined]  # PyYAML re-exports it from its extension

        parser: Any = CParser(self.text)
        event: Any
        while (event := parser.get_event()) is not None:
            kind = type(event)
            if kind is events.ScalarEvent:
                self._add(self._leaf(event))
            elif kind in (events.MappingStartEvent, events.SequenceStartEvent):
                self._open(event, kind is events.MappingStartEvent)
            elif kind in (events.MappingEndEvent, events.SequenceEndEvent):
                self._close(event)
            elif kind is events.AliasEvent:
                self._add(Alias(event.anchor, event.start_mark.index, event.end_mark.index))
            elif kind is events.DocumentStartEvent and (event.version or event.tags):
                raise LayoutError("a directive of YAML (`%...`)")
        if not isinstance(self.root, Branch):
            raise LayoutError("no map")
        return self.root

    def _leaf(self, event: Any) -> Leaf:
        start, end = event.start_mark.index, event.end_mark.index
        text = self.text[start:end]
        if event.anchor:
            text = text[1 + len(event.anchor) :].lstrip()
        if event.style in ("|", ">") and (event.anchor or event.tag):
            raise LayoutError("a text block (`|` or `>`) with an anchor or tag")
        in_flow = bool(self.stack) and self.stack[-1].in_flow
        return Leaf(text, event.value, start, end, (event.style or "").strip(), in_flow, event.anchor or "")

    def _open(self, event: Any, is_map: bool) -> None:
        if event.tag is not None:
            raise LayoutError("a tag on a list or map")
        # With an anchor the event starts there; it ends at the first entry, or behind the `-` of a list that is not
        # indented.
        end = event.end_mark
        column = end.column - (not is_map and not event.flow_style and self.text[end.index - 1 : end.index] == "-")
        is_bare = is_map and event.flow_style and self.text[end.index - 1 : end.index] != "{"
        start, anchor = event.start_mark.index, event.anchor or ""
        branch = Branch(is_map, bool(event.flow_style), start, end.index, column, anchor, is_bare)
        self._add(branch)
        self.stack.append(branch)
        self.keys.append(None)

    def _close(self, event: Any) -> None:
        branch = self.stack.pop()
        self.keys.pop()
        if branch.in_flow:
            branch.end = event.end_mark.index
        elif branch.entries:
            branch.end = branch.entries[-1].value.end

    def _add(self, node: Written) -> None:
        if not self.stack:
            self.root = node
            return
        branch = self.stack[-1]
        key = self.keys[-1]
        if not branch.is_map:
            branch.entries.append(Entry(None, node, gap=self._gap(branch, node)))
        elif key is not None:
            branch.entries.append(Entry(key, node))
            self.keys[-1] = None
        elif isinstance(node, Branch) or "\n" in self.text[node.start : node.end]:
            raise LayoutError("a key that is no single word or line")
        else:
            self.keys[-1] = node

    def _gap(self, branch: Branch, node: Written) -> str:
        """What stands before an item, as far as it is kept."""
        if not branch.in_flow or not branch.entries:
            return " "
        end = node.start
        while self.text[end - 1] == " ":
            end -= 1
        if self.text[end - 1] in "\r\n":
            return "\n"
        return "  " if isinstance(node, Leaf) and node.start - end > 1 else " "
