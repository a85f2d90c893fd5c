"""``${}``: values of `vars`, of a block's parameters and of the data's sizes, put where the spec names them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from netspec.diagnostics import Report, Span, suggestion
from netspec.spec.arithmetic import InterpolationError, Result, evaluate
from netspec.spec.tree import Entry, List, Map, Node, Scalar, shorten
from netspec.spec.yaml import MAX_NODES
from netspec.tensortype import Size

MAX_TEXT: Final = 100_000
_PIECE: Final = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_SIZE: Final = re.compile(r"data\.([A-Za-z_0-9]+)\.size")


class _UnknownNameError(InterpolationError):
    """A name that cannot be seen from here."""


@dataclass
class Budget:
    """How many values lists and maps may still put in the place of ``${}``: a few lines could ask for billions."""

    left: int = MAX_NODES
    _sizes: dict[int, tuple[Node, int]] = field(default_factory=dict)

    def spend(self, node: Node) -> bool:
        """Whether there is room for one more ``node``."""
        self.left -= self._size(node)
        return self.left >= 0

    def _size(self, node: Node) -> int:
        if isinstance(node, Scalar):
            return 1
        known = self._sizes.get(id(node))
        if known is not None:
            return known[1]
        below = node.items if isinstance(node, List) else [entry.value for entry in node.entries.values()]
        count = 1 + sum(map(self._size, below))
        self._sizes[id(node)] = node, count  # the node too, or another could get its id
        return count


@dataclass
class Environment:
    """What ``${}`` can see: names with their values, and the sizes of the data.

    ``what`` says what the names are, for messages. ``size`` gives the size of a field of the data, None for no such
    field. ``hidden`` are names that exist elsewhere, each with the reason why they cannot be seen here.
    """

    names: dict[str, Node]
    report: Report
    what: str = "`vars`"
    size: Callable[[str], int | Size | None] | None = None
    fields: Iterable[str] = ()
    hidden: dict[str, str] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    _open: list[str] = field(default_factory=list)
    _done: dict[str, Node] = field(default_factory=dict)

    def settle(self, given: Mapping[str, Node]) -> None:
        """Take values that have been worked out already; what looks like ``${}`` in them is text."""
        self._done.update(given)

    def check(self) -> None:
        """Work out every name, so that what is wrong with one that nothing reads is told too."""
        for node in self.names.values():
            self.resolve(node)

    def resolve(self, node: Node) -> Node:
        """``node`` with every ``${}`` worked out; unchanged parts are the same objects."""
        if isinstance(node, Scalar):
            has_piece = isinstance(node.value, str) and "${" in node.value
            return self._scalar(node) if has_piece else node
        if isinstance(node, List):
            items = tuple(map(self.resolve, node.items))
            same = all(map(_is, items, node.items))
            return node if same else List(items, node.span)
        values = {key: self.resolve(entry.value) for key, entry in node.entries.items()}
        if all(values[key] is entry.value for key, entry in node.entries.items()):
            return node
        entries = {key: Entry(key, entry.key_span, values[key]) for key, entry in node.entries.items()}
        return Map(entries, node.span)

    def _scalar(self, node: Scalar) -> Node:
        text = str(node.value)
        alone = _PIECE.fullmatch(text)
        if alone is not None and alone[1] is not None:
            return self._alone(alone[1], node.span)
        parts, end, is_sound = [], 0, True
        for match in _PIECE.finditer(text):
            parts.append(text[end : match.start()])
            end = match.end()
            if match[1] is not None:
                value = self._value(match[1], node.span)
                is_sound = is_sound and value is not None
                parts.append("" if value is None else _shown(value))
            elif match[0] == "${":
                helps = ["write `$${` for a plain `${`"]
                self.report.error("bad-interpolation", "a `${` without its `}`", node.span, helps=helps)
                return Scalar(None, node.span)
            else:
                parts.append("${")
        if not is_sound:
            return Scalar(None, node.span)
        whole = "".join(parts) + text[end:]
        if len(whole) > MAX_TEXT:
            self.report.error("too-large", f"this text would have {len(whole):,} characters", node.span)
            return Scalar(None, node.span)
        return Scalar(whole, node.span)

    def _alone(self, inner: str, span: Span) -> Node:
        """A scalar that is nothing but ``${}`` keeps the type of its value, be it a list or a map."""
        name = inner.strip()
        if name in self.names:
            try:
                known = self._node(name)
            except InterpolationError:
                known = None
            if isinstance(known, List | Map):
                if self.budget.spend(known):
                    return known
                self.report.error("too-large", f"with `{name}` there are more than {MAX_NODES:,} values", span)
                return Scalar(None, span)
        value = self._value(inner, span)
        return Scalar(value, span)

    def _value(self, inner: str, span: Span) -> Result | None:
        try:
            return evaluate(inner, lambda name: self._known(name, span))
        except InterpolationError as fault:
            message = f"`${{{shorten(inner)}}}`: {fault}"
            self.report.error("bad-interpolation", message, span, helps=[fault.advice] if fault.advice else [])
            return None

    def _known(self, name: str, span: Span) -> Result | None:
        """The value of a name; of one that does not exist it is told, and it has none."""
        try:
            return self._lookup(name)
        except _UnknownNameError as fault:
            self.report.error("unknown-variable", str(fault), span, helps=[fault.advice] if fault.advice else [])
            return None

    def _lookup(self, name: str) -> Result | None:
        if name in self.names:
            node = self._node(name)
            if not isinstance(node, Scalar):
                raise InterpolationError(f"`{name}` is a {'list' if isinstance(node, List) else 'map'}, not a number")
            return node.value
        match = _SIZE.fullmatch(name)
        if match is not None and self.size is not None:
            value = self.size(match[1])
            if value is not None:
                return value
            near = suggestion(match[1], self.fields)
            raise _UnknownNameError(f"the data have no field `{match[1]}`", f"did you mean `{near}`?" if near else None)
        raise self._unknown(name)

    def _unknown(self, name: str) -> _UnknownNameError:
        if name in self.hidden:
            return _UnknownNameError(f"`{name}` cannot be seen here", self.hidden[name])
        if name.startswith("data."):
            advice = None if self.size is None else "of the data, `${}` knows `data.FIELD.size`"
            return _UnknownNameError(f"`{name}` cannot be used here", advice)
        near = suggestion(name, self.names)
        known = ", ".join(f"`{n}`" for n in list(self.names)[:8])
        advice = f"did you mean `{near}`?" if near else f"{self.what} are {known}" if known else None
        return _UnknownNameError(f"there is no `{shorten(name)}` in {self.what}", advice)

    def _node(self, name: str) -> Node:
        """The value of a name, in which ``${}`` may stand too."""
        done = self._done.get(name)
        if done is not None:
            return done
        if name in self._open:
            raise InterpolationError(f"`{name}` needs itself: {' > '.join((*self._open, name))}")
        self._open.append(name)
        try:
            result = self._done[name] = self.resolve(self.names[name])
        finally:
            self._open.pop()
        return result


def _is(a: object, b: object) -> bool:
    return a is b


def _shown(value: Result) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
