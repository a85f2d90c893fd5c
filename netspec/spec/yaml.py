"""Reading YAML: safely, with the place of every key and value, and with all faults at once.

The tree is built straight from the events of libyaml. Its composer recurses in C and dies on deep nesting, keeps the
last of duplicate keys in silence, and reads `1e-3` as a string and `no` as false; events have none of this, and take
half the time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from netspec.diagnostics import LINE_BREAK, Note, Report, Span
from netspec.spec.tree import Entry, List, Map, Node, Scalar, Value, is_broken, shorten

if TYPE_CHECKING:
    from yaml.error import Mark

MAX_BYTES: Final = 4_000_000
MAX_DEPTH: Final = 64
TOO_DEEP: Final = f"lists and maps are nested more than {MAX_DEPTH} deep"
MAX_NODES: Final = 200_000

# The YAML 1.2 core schema.
_NULL: Final = frozenset(["", "~", "null", "Null", "NULL"])
_BOOLEAN: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_NUMERIC_START: Final = frozenset("0123456789+-.")
_STANDARD_TAG: Final = "tag:yaml.org,2002:"
# `???` as a word of its own, not the pattern of a path. Inside braces libyaml takes a `?` for the mark of a key, so the
# parser is given as many characters in its place that nobody writes.
OPEN: Final = re.compile(r"(?<![^\s\[{,(])\?\?\?(?=[\s\]},)]|:\s|\Z)")
_STAND_IN: Final = "\ue0ff\ue0ff\ue0ff"


class _StopError(Exception):
    """Reading cannot go on; the reason is in the report."""


@dataclass(slots=True)
class _Frame:
    """A list or map that is still open."""

    line: int
    column: int
    is_map: bool
    anchor: str | None
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    merged: dict[str, Entry] = field(default_factory=dict)
    """What `<<` would bring in: that is refused, and what it holds is not missed."""
    key: Scalar | None = None
    awaits_value: bool = False
    nodes: int = 1
    height: int = 1
    end: tuple[int, int] = (0, 0)


def read_bytes(data: bytes, file: str, report: Report) -> Node | None:
    """The tree of a file's bytes; None when there is nothing to go on with, and then ``report`` says why."""
    report.sources[file] = data.decode("utf-8", "replace").removeprefix("\ufeff")
    start = Span(file, 1, 1, 1, 1)
    if len(data) > MAX_BYTES:
        report.sources[file] = ""
        report.error("too-large", f"the file has {len(data):,} bytes; a spec has at most {MAX_BYTES:,}", start)
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as fault:
        before = LINE_BREAK.split(data[: fault.start].decode("utf-8").removeprefix("\ufeff"))
        line, column = len(before), len(before[-1]) + 1
        where = Span(file, line, column, line, column + 1)
        helps = ["save the file as UTF-8"]
        report.error("not-utf8", f"the byte 0x{data[fault.start]:02x} is not UTF-8 text", where, helps=helps)
        return None
    return read_text(text, file, report)


def read_text(text: str, file: str, report: Report) -> Node | None:
    """The tree of ``text``; faults go to ``report`` under the name ``file``."""
    text = text.removeprefix("\ufeff")
    report.sources[file] = text
    if len(text) > MAX_BYTES:
        report.sources[file] = ""
        start = Span(file, 1, 1, 1, 1)
        report.error("too-large", f"the file has {len(text):,} characters; a spec has at most {MAX_BYTES:,}", start)
        return None
    return Reader(text, file, report).read()


class Reader:
    """One pass over the events of one file."""

    def __init__(self, text: str, file: str, report: Report) -> None:
        self.text, self.file, self.report = text, file, report
        self.stack: list[_Frame] = []
        self.anchors: dict[str, tuple[Node, int, int]] = {}
        self.nodes = 0
        self.root: Node | None = None

    def read(self) -> Node | None:
        from yaml.cyaml import CParser  # type: ignore[attr-defined]  # PyYAML re-exports it from its extension
        from yaml.error import YAMLError

        try:
            self._walk(CParser(OPEN.sub(_STAND_IN, self.text) if "???" in self.text else self.text))
        except _StopError:
            return None
        except (YAMLError, UnicodeEncodeError) as fault:
            self._syntax(fault)
            return None
        if self.root is None or is_broken(self.root):
            self.report.diagnostics = [d for d in self.report.diagnostics if d.code != "null-value"]
            self.report.error("empty-spec", "the file holds nothing", Span(self.file, 1, 1, 1, 1))
            return None
        return self.root

    def _walk(self, parser: Any) -> None:
        from yaml.events import (
            AliasEvent,
            DocumentStartEvent,
            MappingEndEvent,
            MappingStartEvent,
            ScalarEvent,
            SequenceEndEvent,
            SequenceStartEvent,
        )

        documents = 0
        while (event := parser.get_event()) is not None:
            kind = type(event)
            if kind is ScalarEvent:
                self._scalar(event)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                self._open(event, kind is MappingStartEvent)
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                self._close(event)
            elif kind is AliasEvent:
                self._alias(event)
            elif kind is DocumentStartEvent:
                documents += 1
                if documents > 1:
                    where = self._span(event.start_mark, event.end_mark)
                    self._stop("yaml-syntax", "a second document starts here; a spec is one document", where)

    def _span(self, start: Mark, end: Mark) -> Span:
        return Span(self.file, start.line + 1, start.column + 1, end.line + 1, end.column + 1)

    def _stop(self, code: str, message: str, span: Span) -> None:
        self.report.error(code, message, self._inside(span))
        raise _StopError

    def _inside(self, span: Span) -> Span:
        """``span`` moved to where the file still has text: libyaml's marks may lie behind its last line."""
        lines = LINE_BREAK.split(self.text)
        while len(lines) > 1 and not lines[-1]:
            lines.pop()
        if span.line > len(lines):
            column = len(lines[-1]) + 1
            return Span(self.file, len(lines), column, len(lines), column)
        column = min(span.column, len(lines[span.line - 1]) + 1)
        return span._replace(column=column, end_column=max(column, span.end_column))

    # --- events ---

    def _scalar(self, event: Any) -> None:
        start, end = event.start_mark, event.end_mark
        span = Span(self.file, start.line + 1, start.column + 1, end.line + 1, end.column + 1)
        value: Value = event.value
        tag = event.tag
        is_key = bool(self.stack) and self.stack[-1].is_map and not self.stack[-1].awaits_value
        if _STAND_IN in event.value:
            self._left_open(span, is_key=is_key)
            value = None
        elif tag is None:
            if event.implicit[0] and not is_key:
                value = self._resolve(event.value, span)
        elif tag != _STANDARD_TAG + "str":
            self._unknown_tag(tag, span)
            value = None
        self._add(Scalar(value, span), event.anchor, 1, 1, (span.end_line, span.end_column))

    def _left_open(self, span: Span, *, is_key: bool) -> None:
        """An exercise: what stands here is to be found by the reader."""
        keys = [frame.key for frame in self.stack if frame.is_map and frame.key is not None and frame.awaits_value]
        what = f"`{shorten(str(keys[-1].value))}`" if keys else "a value"
        if is_key:
            what = "a key"
        elif keys and not self.stack[-1].is_map:
            what = f"an item of {what}"
        helps = ["put what belongs there in the place of `???`"]
        self.report.error("left-open", f"{what} is left for you to fill in", span, helps=helps)

    def _unknown_tag(self, tag: str, span: Span) -> None:
        name = "!!" + tag.removeprefix(_STANDARD_TAG) if tag.startswith(_STANDARD_TAG) else tag
        helps = ["leave it out: the kind of a value is seen from how it is written"]
        self.report.error("unknown-tag", f"specs have no tags, got `{shorten(name)}`", self._inside(span), helps=helps)

    def _resolve(self, text: str, span: Span) -> Value:
        """A plain scalar under the YAML 1.2 core schema."""
        if text and text[0] not in _NUMERIC_START:
            return None if text in _NULL and self._null(span) else _BOOLEAN.get(text, text)
        if text in _NULL:
            self._null(span)
            return None
        if _INTEGER.fullmatch(text):
            return self._integer(text, span)
        if _FLOAT.fullmatch(text):
            number = float(text)
            if number - number == 0:
                return number
        elif not _NOT_FINITE.fullmatch(text):
            return text
        self.report.error("not-a-number", f"`{shorten(text)}` is not a finite number", span)
        return None

    def _integer(self, text: str, span: Span) -> int | None:
        number = int(text, 0 if text.startswith(("0o", "0x")) else 10) if len(text) <= 40 else 1 << 63
        if abs(number) < 1 << 63:
            return number
        self.report.error("out-of-range", f"`{shorten(text)}` does not fit into 64 bits", span)
        return None

    def _null(self, span: Span) -> bool:
        frame = self.stack[-1] if self.stack else None
        helps = ["leave the key out to get its default"]
        if frame is not None and frame.is_map and frame.key is not None:
            message = f"`{shorten(str(frame.key.value))}` has no value"
            self.report.error("null-value", message, frame.key.span, helps=helps)
        else:
            helps = [] if frame is None else ["leave the item out"]
            self.report.error("null-value", "there is no value here", self._inside(span), helps=helps)
        return True

    def _open(self, event: Any, is_map: bool) -> None:
        mark = event.start_mark
        if len(self.stack) >= MAX_DEPTH:
            where = Span(self.file, mark.line + 1, mark.column + 1, mark.line + 1, mark.column + 2)
            self._stop("too-deep", TOO_DEEP, where)
        if event.tag is not None and event.tag != _STANDARD_TAG + ("map" if is_map else "seq"):
            self._unknown_tag(event.tag, self._span(mark, event.end_mark))
        frame = _Frame(mark.line + 1, mark.column + 1, is_map, event.anchor)
        frame.end = (event.end_mark.line + 1, event.end_mark.column + 1)
        if event.anchor is not None:
            self.anchors.pop(event.anchor, None)
        self.stack.append(frame)

    def _close(self, event: Any) -> None:
        frame = self.stack.pop()
        mark = event.end_mark
        # The end of a block list or map is where the next thing starts; what it holds ends sooner.
        is_flow = (event.start_mark.line, event.start_mark.column) != (mark.line, mark.column)
        end_line, end_column = (mark.line + 1, mark.column + 1) if is_flow else frame.end
        span = Span(self.file, frame.line, frame.column, end_line, end_column)
        node: Node = Map({**frame.merged, **frame.entries}, span) if frame.is_map else List(tuple(frame.items), span)
        if frame.is_map and frame.nodes > 1 and not (frame.entries or frame.merged):
            node = Scalar(None, span)  # every key of it was refused
        self._add(node, frame.anchor, frame.nodes, frame.height, (end_line, end_column))

    def _alias(self, event: Any) -> None:
        span = self._span(event.start_mark, event.end_mark)
        known = self.anchors.get(event.anchor)
        if known is None:
            is_open = any(frame.anchor == event.anchor for frame in self.stack)
            name = shorten(event.anchor)
            message = f"`*{name}` stands inside what it names" if is_open else f"there is no anchor `&{name}` above"
            self.report.error("bad-alias", message, span)
            known = (Scalar(None, span), 1, 1)
        node, nodes, height = known
        if len(self.stack) + height > MAX_DEPTH:
            self._stop("too-deep", f"with this alias, lists and maps are nested more than {MAX_DEPTH} deep", span)
        self._add(node, None, nodes, height, (span.end_line, span.end_column))

    def _add(self, node: Node, anchor: str | None, nodes: int, height: int, end: tuple[int, int]) -> None:
        """Put a finished node where it belongs."""
        if anchor is not None:
            self.anchors[anchor] = (node, nodes, height)
        self.nodes += 1
        if not self.stack:
            self.root = node
            return
        frame = self.stack[-1]
        frame.nodes += nodes
        frame.end = end
        if height >= frame.height:
            frame.height = height + 1
        if frame.nodes > MAX_NODES:
            message = f"there are more than {MAX_NODES:,} values here"
            self._stop("too-large", message, Span(self.file, frame.line, frame.column, frame.line, frame.column + 1))
        if not frame.is_map:
            frame.items.append(node)
        elif not frame.awaits_value:
            frame.key = self._key(node)
            frame.awaits_value = True
        else:
            frame.awaits_value = False
            if frame.key is not None:
                self._entry(frame, frame.key, node)

    def _key(self, node: Node) -> Scalar | None:
        if not isinstance(node, Scalar):
            what = "list" if isinstance(node, List) else "map"
            self.report.error("bad-key", f"a {what} cannot be a key", self._inside(node.span))
            return None
        if is_broken(node):
            return None  # told already
        text = str(node.value).lower() if isinstance(node.value, bool) else str(node.value)
        if text == "":
            self.report.error("bad-key", "a key is empty", self._inside(node.span))
            return None
        if "${" in text:
            self.report.error("bad-key", "`${}` cannot stand in a key", node.span)
            return None
        return Scalar(text, node.span)

    def _entry(self, frame: _Frame, key: Scalar, value: Node) -> None:
        name = str(key.value)
        first = frame.entries.get(name)
        if name == "<<":
            helps = ["use `include`, a block, or write the keys out"]
            self.report.error("bad-key", "`<<` merges maps in YAML 1.1 only", key.span, helps=helps)
            frame.merged.update(value.entries if isinstance(value, Map) else {})
        elif first is not None:
            note = Note(f"the first is on line {first.key_span.line}", first.key_span)
            self.report.error("duplicate-key", f"`{shorten(name)}` stands twice in one map", key.span, notes=[note])
        else:
            frame.entries[name] = Entry(name, key.span, value)

    def _syntax(self, fault: Exception) -> None:
        """What libyaml complains of, in our words, at its place."""
        mark = getattr(fault, "problem_mark", None) or getattr(fault, "context_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark else self._place(getattr(fault, "position", 0))
        span = self._inside(Span(self.file, line, column, line, column + 1))
        lines = LINE_BREAK.split(self.text)
        before = lines[line - 1][: column + 1] if line <= len(lines) else ""
        found = before[column - 1 : column]
        problem = getattr(fault, "problem", None) or getattr(fault, "reason", None) or "it cannot be read"
        if "nesting depth" in problem:
            # libyaml, as PyYAML 6.0.4 brings it, reads ahead for a key, and has a limit of its own: 1,000.
            self.report.error("too-deep", TOO_DEEP, span)
            return
        if found == "\t":
            helps = ["indent with spaces"]
            self.report.error("yaml-syntax", "a tab stands where YAML takes only spaces", span, helps=helps)
            return
        notes = []
        start = getattr(fault, "context_mark", None)
        if start is not None and getattr(fault, "context", None) and start.line + 1 != line:
            notes = [f"{fault.context}, which starts on line {start.line + 1}"]  # type: ignore[attr-defined]  # a MarkedYAMLError
        helps = ["quote the text"] if found and found in ("@", "`", "%", "&", "*", "!") else []
        if "${" in before:
            helps = ["quote `${...}` inside brackets and braces"]
            self._forget_line(line)
        self.report.error("yaml-syntax", f"this is not YAML: {problem}", span, notes=notes, helps=helps)

    def _forget_line(self, line: int) -> None:
        """Drop what was found on a line that turned out to be no YAML."""
        found = self.report.diagnostics
        found[:] = [d for d in found if d.span is None or (d.span.file, d.span.line) != (self.file, line)]

    def _place(self, position: int) -> tuple[int, int]:
        before = LINE_BREAK.split(self.text[: max(0, position)])
        return len(before), len(before[-1]) + 1
