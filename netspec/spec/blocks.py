"""Blocks as the spec defines them: parameters, inputs, ports and a list of layers that is expanded at each use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from netspec.diagnostics import Note, Report, Span, suggestion
from netspec.spec.items import COMMON, Item
from netspec.spec.tree import Entry, List, Map, Node, Scalar, describe, is_broken, shorten
from netspec.spec.validation import Place, unknown_key
from netspec.tensortype import Size

NAME: Final = re.compile(r"[A-Za-z_0-9]+", re.ASCII)
TYPES: Final = ("integer", "number", "string", "boolean", "any")
KEYS: Final[Mapping[str, str]] = {
    "params": "Its parameters by name: a type word (`integer`, `number`, `string`, `boolean`, `any`), which makes it "
    "required, or a default.",
    "inputs": "The names of what it reads, if that is more than one; else it is called `input`.",
    "outputs": "Ports: names under which values inside it can be read, `{inner: main}`.",
    "layers": "Its layers; the value of the last one is that of the block.",
}
"""What the definition of a block holds."""


@dataclass(frozen=True)
class Parameter:
    """A parameter: its type word, or its default."""

    name: str
    span: Span
    type: str | None
    default: Node | None = None


@dataclass(frozen=True)
class Block:
    """A definition; ``inputs`` is empty where the one input is called `input`."""

    name: str
    span: Span
    params: tuple[Parameter, ...]
    inputs: tuple[str, ...]
    outputs: dict[str, Scalar]
    layers: List

    @property
    def required(self) -> list[str]:
        return [p.name for p in self.params if p.default is None]

    @property
    def main(self) -> str | None:
        """The parameter that a bare value fills: the only required one, or else the only one."""
        required = self.required
        if len(required) == 1:
            return required[0]
        return self.params[0].name if not required and len(self.params) == 1 else None


def is_name(text: str) -> bool:
    """Whether a path can hold it: letters, digits and `_`, and not a number, as copies of a repeat are."""
    return NAME.fullmatch(text) is not None and not text.isdigit()


def check_name(text: object, what: str, span: Span, report: Report, reserved: tuple[str, ...] = ("input",)) -> bool:
    """Whether ``text`` can be a name; if not, it is told why."""
    if not isinstance(text, str):
        if text is not None:
            helps = ["put it in quotes"] if isinstance(text, bool) else []
            report.error("bad-name", f"{what} is text, got {describe(Scalar(text, span))}", span, helps=helps)  # type: ignore[arg-type]  # any scalar
        return False
    if text in reserved:
        report.error("bad-name", f"`{text}` is reserved", span)
        return False
    if is_name(text):
        return True
    helps = ["it is made of letters, digits and `_`, and is no number"]
    report.error("bad-name", f"{what} cannot be `{shorten(text)}`", span, helps=helps)
    return False


def read_block(entry: Entry, report: Report) -> Block | None:
    """The definition under one key of `blocks`."""
    if not check_name(entry.key, "the name of a block", entry.key_span, report):
        return None
    if not isinstance(entry.value, Map):
        if not is_broken(entry.value):
            message = f"a block is a map with `layers`, got {describe(entry.value)}"
            report.error("wrong-type", message, entry.value.span)
        return None
    before = len(report.diagnostics)
    body = entry.value
    for key, inner in body.entries.items():
        if key not in KEYS:
            place = Place(f"the block `{entry.key}`", entry.key_span)
            unknown_key(key, inner.key_span, list(KEYS), place, report)
    params = tuple(_parameter(p, report) for p in _map(body, "params", report))
    inputs = _inputs(body, report)
    outputs = {
        p.key: p.value for p in _map(body, "outputs", report) if _is_port(p, report) and isinstance(p.value, Scalar)
    }
    layers = body.get("layers")
    if layers is None:
        report.error("missing-key", f"the block `{entry.key}` needs `layers`", entry.key_span)
    elif not isinstance(layers, List):
        report.error("wrong-type", f"`layers` takes a list, got {describe(layers)}", layers.span)
    elif not layers.items:
        report.error("bad-block", f"the block `{entry.key}` has no layers", layers.span)
    if len(report.diagnostics) > before or not isinstance(layers, List):
        return None
    return Block(entry.key, entry.key_span, params, inputs, outputs, layers)


def _map(body: Map, key: str, report: Report) -> list[Entry]:
    value = body.get(key)
    if value is None:
        return []
    if isinstance(value, Map):
        return list(value.entries.values())
    report.error("wrong-type", f"`{key}` takes a map, got {describe(value)}", value.span)
    return []


def _parameter(entry: Entry, report: Report) -> Parameter:
    if entry.key in COMMON:
        message = f"no parameter may be called `{entry.key}`: every layer takes it"
        report.error("bad-name", message, entry.key_span)
    else:
        check_name(entry.key, "a parameter", entry.key_span, report)
    value = entry.value
    if isinstance(value, Scalar) and value.value in TYPES:
        return Parameter(entry.key, entry.key_span, str(value.value))
    if isinstance(value, Scalar) and isinstance(value.value, str):
        near = suggestion(value.value, TYPES) or {"int": "integer", "float": "number", "bool": "boolean"}.get(
            value.value
        )
        if near:
            helps = [f"did you mean `{near}`?"]
            report.error("bad-block", f"`{value.value}` is no type of a parameter", value.span, helps=helps)
    return Parameter(entry.key, entry.key_span, None, value)


def _inputs(body: Map, report: Report) -> tuple[str, ...]:
    value = body.get("inputs")
    if value is None:
        return ()
    if not isinstance(value, List) or not value.items:
        report.error("wrong-type", f"`inputs` takes a list of names, got {describe(value)}", value.span)
        return ()
    names: dict[str, None] = {}
    for node in value.items:
        text = node.value if isinstance(node, Scalar) else describe(node)
        if check_name(text, "an input", node.span, report):
            if str(text) in names:
                report.error("duplicate-name", f"the input `{text}` stands twice", node.span)
            names[str(text)] = None
    return tuple(names)


def _is_port(entry: Entry, report: Report) -> bool:
    if not check_name(entry.key, "a port", entry.key_span, report):
        return False
    if isinstance(entry.value, Scalar) and isinstance(entry.value.value, str):
        return True
    message = f"a port is the name of a layer in the block, got {describe(entry.value)}"
    report.error("wrong-type", message, entry.value.span)
    return False


def arguments(block: Block, item: Item, fields: Map, report: Report) -> dict[str, Node] | None:
    """The value of every parameter at one use; None when the use is wrong."""
    by_name = {p.name: p for p in block.params}
    values: dict[str, Node] = {}
    ok = True
    for key, entry in fields.entries.items():
        parameter = by_name.get(key)
        if parameter is None:
            place = Place(f"the block `{block.name}`", item.kind_span, None, tuple(COMMON))
            unknown_key(key, entry.key_span, list(by_name), place, report)
            ok = False
        elif _fits(parameter, entry.value, report):
            values[key] = entry.value
        else:
            ok = False
    for parameter in block.params:
        if parameter.name in values or parameter.name in fields.entries:
            continue
        if parameter.default is None:
            note = Note(f"the block is defined on line {block.span.line}", block.span)
            message = f"the block `{block.name}` needs `{parameter.name}`"
            report.error("missing-key", message, item.kind_span, notes=[note])
            ok = False
        else:
            values[parameter.name] = parameter.default
    return values if ok else None


def _fits(parameter: Parameter, node: Node, report: Report) -> bool:
    if is_broken(node):
        return False
    wanted = parameter.type
    if wanted is None or wanted == "any":
        return True
    value = node.value if isinstance(node, Scalar) else None
    is_number = isinstance(value, int | Size) and not isinstance(value, bool)
    fits = {
        "integer": is_number,
        "number": is_number or isinstance(value, float),
        "string": isinstance(value, str),
        "boolean": isinstance(value, bool),
    }[wanted]
    if not fits:
        words = {"integer": "a whole number", "number": "a number", "string": "text", "boolean": "`true` or `false`"}
        note = Note(f"it is declared on line {parameter.span.line}", parameter.span)
        message = f"`{parameter.name}` takes {words[wanted]}, got {describe(node)}"
        report.error("wrong-type", message, node.span, notes=[note])
    return fits
