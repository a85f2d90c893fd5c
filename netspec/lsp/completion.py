"""What may be written at a place: keys and values of the language, and the names of this spec."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from netspec.lsp import grammar
from netspec.lsp.analysis import Analysis, read_sources
from netspec.lsp.cursor import MARK, Cursor, locate
from netspec.lsp.grammar import Choice
from netspec.lsp.names import Names, Reference, Symbol
from netspec.lsp.text import Text
from netspec.spec.items import COMMON

What: TypeAlias = Literal["key", "value", "name"]

_FIELD_KEYS: Final = ("target", "sample_weight")
_SPLITS: Final = ("train", "validation", "test")


@dataclass(frozen=True)
class Proposal:
    """A text that may stand between the offsets ``start`` and ``end``."""

    label: str
    insert: str
    start: int
    end: int
    what: What
    detail: str = ""
    documentation: str = ""


def complete(text: str, offset: int, file: str, known: Analysis | None) -> list[Proposal]:
    """What may stand at ``offset``; ``known`` is what was found out of the text when it could last be read."""
    cursor = locate(text, offset, file)
    if cursor is None:
        return []
    root, sources = read_sources(cursor.root, cursor.text, file)
    names = Names(root, sources)
    at = cursor.text.index(MARK)
    reference = names.at(file, at)
    found: list[Proposal] = []
    if isinstance(reference, Reference):
        found += _names(cursor, reference, known)
    if _is_expression(cursor, at):
        return found
    found += _of_data(cursor, known)
    found += _of_block(cursor, names)
    found += _of_language(cursor, Text(text).line_of(cursor.start))
    unique: dict[str, Proposal] = {}
    for proposal in found:
        unique.setdefault(proposal.label, proposal)
    return list(unique.values())


def _is_expression(cursor: Cursor, at: int) -> bool:
    line = cursor.text[:at].rpartition("\n")[2]
    return "${" in line and "}" not in line.rpartition("${")[2]


def _names(cursor: Cursor, reference: Reference, known: Analysis | None) -> Iterator[Proposal]:
    """The names that a reference could be."""
    if reference.owner is not None and known is not None:
        item = reference.owner.item
        for layer in known.layers(item.kind_span) if item is not None else ():
            for name in known.inside(layer.path):
                yield _proposal(cursor, name, "name", detail=f"of {layer.path}")
    is_item = bool(cursor.path) and isinstance(cursor.path[-1], int)
    for symbol in reference.choices:
        takes_fields = symbol.kind == "cell" or bool(symbol.inner and symbol.inner.parameters)
        yield _proposal(cursor, symbol.name, "name", _detail(symbol, known), is_key=is_item and takes_fields)


def _detail(symbol: Symbol, known: Analysis | None) -> str:
    if symbol.item is None:
        return symbol.kind
    layers = known.layers(symbol.item.kind_span) if known is not None else []
    shape = f" {layers[0].output}" if layers and layers[0].output else ""
    return f"{symbol.item.kind}{shape}"


def _of_data(cursor: Cursor, known: Analysis | None) -> Iterator[Proposal]:
    """Fields of the data, and metrics of the spec, where they are named."""
    document = known.document if known is not None else None
    if document is None:
        return
    path = cursor.path
    is_input = _takes_keys(cursor) and path == ("network", "inputs")
    if is_input or (path and path[-1] in _FIELD_KEYS):
        for name, type_ in (document.fields or {}).items():
            if name not in cursor.siblings:
                yield _proposal(cursor, name, "name", detail=f"field, {type_}", is_key=is_input)
    is_result = _takes_keys(cursor) and path[:1] == ("expect",) and path[-1] in _SPLITS
    if is_result or path[-1:] == ("metric",) or path == ("train", "select"):
        for name in ("loss", *(metric.name for metric in document.metrics if metric.is_number)):
            if name not in cursor.siblings:
                yield _proposal(cursor, name, "name", detail="metric", is_key=is_result)


def _of_block(cursor: Cursor, names: Names) -> Iterator[Proposal]:
    """The parameters of a block at one of its uses, with the keys that every layer takes; and its kinds as keys."""
    path = cursor.path
    if len(path) >= 2 and isinstance(path[-2], int) and isinstance(path[-1], str) and path[-3:-2] == ("layers",):
        block = names.defined["blocks"].get(path[-1])
        if block is not None and block.inner is not None and _takes_keys(cursor):
            for parameter in block.inner.parameters.values():
                if parameter.name not in cursor.siblings:
                    yield _proposal(cursor, parameter.name, "key", detail=f"parameter of {block.name}", is_key=True)
            for key, meaning in COMMON.items():
                if key not in cursor.siblings:
                    yield _proposal(cursor, key, "key", documentation=meaning, is_key=True)


def _takes_keys(cursor: Cursor) -> bool:
    """Whether a key may be written here: in a map, or on a line of its own where a map may begin."""
    return cursor.role == "key" or not cursor.in_line


def _of_language(cursor: Cursor, line: str) -> Iterator[Proposal]:
    """Keys and values that the schema lists."""
    path = cursor.path
    values = grammar.values(path) if cursor.role == "value" else []
    for value in values:
        yield _proposal(cursor, value.text, "value", documentation=value.documentation)
    alone = {value.text for value in values}
    keys = [key for key in grammar.keys(path) if key.text not in alone and key.text not in cursor.siblings]
    is_item = bool(path) and isinstance(path[-1], int)
    if cursor.role == "key" or is_item or not cursor.in_line:
        yield from _keys(cursor, keys, line)
    elif not cursor.in_flow:
        indent = " " * (len(line) - len(line.lstrip(" -")) + 2)
        for key in keys:
            insert = f"\n{indent}{key.text}: "
            yield Proposal(key.text, insert, cursor.start, cursor.end, "key", "", key.documentation)


def _keys(cursor: Cursor, keys: Iterable[Choice], line: str) -> Iterator[Proposal]:
    for key in sorted(keys, key=lambda choice: not choice.is_required):
        detail = "required" if key.is_required else ""
        if grammar.is_map(key.value) and not cursor.in_flow and not cursor.has_colon:
            indent = " " * (len(line) - len(line.lstrip(" -")) + 2)
            insert = f"{cursor.lead}{key.text}:\n{indent}"
            yield Proposal(key.text, insert, cursor.start, cursor.end, "key", detail, key.documentation)
        else:
            yield _proposal(cursor, key.text, "key", detail, key.documentation, is_key=True)


def _proposal(
    cursor: Cursor, text: str, what: What, detail: str = "", documentation: str = "", *, is_key: bool = False
) -> Proposal:
    colon = ": " if is_key and not cursor.has_colon else ""
    return Proposal(text, f"{cursor.lead}{text}{colon}", cursor.start, cursor.end, what, detail, documentation)
