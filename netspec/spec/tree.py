"""A spec as read: an immutable tree in which every key and every value knows where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from netspec.diagnostics import Span
from netspec.tensortype import Size

# A scalar whose fault has been reported already holds None: what reads it stays silent, so one fault is one diagnostic.
Value: TypeAlias = "str | int | float | bool | Size | None"


class Scalar(NamedTuple):
    """A string, a number or a boolean."""

    value: Value
    span: Span


class List(NamedTuple):
    """Values in order."""

    items: tuple[Node, ...]
    span: Span


class Entry(NamedTuple):
    """One key of a map."""

    key: str
    key_span: Span
    value: Node


class Map(NamedTuple):
    """Keys and values; their order never means anything except in messages."""

    entries: Mapping[str, Entry]
    span: Span

    def get(self, key: str) -> Node | None:
        entry = self.entries.get(key)
        return entry.value if entry else None

    def without(self, *keys: str) -> Map:
        return Map({key: entry for key, entry in self.entries.items() if key not in keys}, self.span)

    def with_value(self, key: str, value: Node) -> Map:
        """The map with ``key`` set; an existing key keeps its place."""
        old = self.entries.get(key)
        return Map({**self.entries, key: Entry(key, old.key_span if old else value.span, value)}, self.span)


Node: TypeAlias = Scalar | List | Map
NOTHING: Final = Map({}, Span("", 1, 1, 1, 1))


def plain(node: Node) -> Any:
    """The value without its places: strings, numbers, lists and dicts."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, List):
        return [plain(item) for item in node.items]
    return {key: plain(entry.value) for key, entry in node.entries.items()}


def is_broken(node: Node) -> bool:
    """Whether it stands for a value whose fault has been reported."""
    return isinstance(node, Scalar) and node.value is None


def scalars(node: Node) -> Iterator[Scalar]:
    """Every scalar value below and at ``node``, in the order of the file."""
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, List):
        for item in node.items:
            yield from scalars(item)
    else:
        for entry in node.entries.values():
            yield from scalars(entry.value)


def from_plain(value: Any, span: Span) -> Node:
    """Plain data as a tree, all of it at one place."""
    if isinstance(value, Mapping):
        return Map({str(key): Entry(str(key), span, from_plain(v, span)) for key, v in value.items()}, span)
    if isinstance(value, list | tuple):
        return List(tuple(from_plain(v, span) for v in value), span)
    return Scalar(value, span)


def describe(node: Node) -> str:
    """What a value is, for messages: ``a list``, ``the number 3``, ``the text `relu` ``."""
    if isinstance(node, List):
        return "a list" if node.items else "an empty list"
    if isinstance(node, Map):
        return "a map" if node.entries else "an empty map"
    value = node.value
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, str):
        return f"the text `{shorten(value)}`"
    return f"the number {value}"


def shorten(text: str, limit: int = 40) -> str:
    """``text`` on one line and not longer than ``limit``, for a message."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."
