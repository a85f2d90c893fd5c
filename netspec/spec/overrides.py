"""``--set a.b=c``: values from the command line, put over what the files say and before anything is worked out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from netspec.diagnostics import Report, Span
from netspec.spec.tree import Entry, List, Map, Node, Scalar, describe, shorten
from netspec.spec.yaml import read_text

# Overrides are shown as a file of this name with one override a line.
FILE: Final = "--set"


def apply_overrides(root: Map, overrides: Sequence[str], report: Report) -> Map:
    """``root`` with every override put in, later ones over earlier ones."""
    shown = [" ".join(text.splitlines()) for text in overrides]
    for number, text in enumerate(shown, 1):
        root = _apply(root, text, number, report)
    if overrides:
        report.sources[FILE] = "\n".join(shown)
    return root


def _apply(root: Map, text: str, line: int, report: Report) -> Map:
    key, equals, value_text = text.partition("=")
    whole = Span(FILE, line, 1, line, len(text) + 1)
    steps = key.strip().split(".")
    if not equals or not all(step.strip() for step in steps):
        helps = ["write it as in `--set train.epochs=3`"]
        report.error("bad-override", f"`{shorten(text)}` is not KEY=VALUE", whole, helps=helps)
        return root
    value = _value(value_text, line, len(key) + 1, report)
    if value is None:
        return root
    return _put(root, steps, 0, value, Span(FILE, line, 1, line, len(key) + 1), report)


def _value(text: str, line: int, offset: int, report: Report) -> Node | None:
    """The value, as YAML, with places as if it stood where the override has it."""
    inner = Report()
    node = read_text(text, FILE, inner)

    def shift(span: Span) -> Span:
        return Span(FILE, line, span.column + offset, line, span.end_column + offset)

    for d in inner.diagnostics:
        code, message = ("null-value", "the value is empty") if d.code == "empty-spec" else (d.code, d.message)
        report.error(code, message, shift(d.span) if d.span else None, notes=d.notes, helps=d.helps)

    def moved(node: Node) -> Node:
        if isinstance(node, Scalar):
            return Scalar(node.value, shift(node.span))
        if isinstance(node, List):
            return List(tuple(map(moved, node.items)), shift(node.span))
        entries = {k: Entry(k, shift(e.key_span), moved(e.value)) for k, e in node.entries.items()}
        return Map(entries, shift(node.span))

    return None if node is None else moved(node)


def _put(root: Map, steps: list[str], depth: int, value: Node, span: Span, report: Report) -> Map:
    step = steps[depth].strip()
    if depth == len(steps) - 1:
        return root.with_value(step, value)
    below = root.get(step)
    if below is None:
        below = Map({}, span)
    if not isinstance(below, Map):
        path = ".".join(steps[: depth + 1])
        helps = [f"`--set` walks maps: set `{path}` as a whole"]
        message = f"`{shorten(path)}` is {describe(below)}, so nothing can be set in it"
        report.error("bad-override", message, span, helps=helps)
        return root
    return root.with_value(step, _put(below, steps, depth + 1, value, span, report))
