"""What may stand at a path of a spec, as the shipped schema says it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from netspec.lsp.cursor import Step
from netspec.schema import text

Schema: TypeAlias = dict[str, Any]


class Choice(NamedTuple):
    """A key or a value that may stand somewhere."""

    text: str
    documentation: str
    value: Schema
    """Of a key: what it takes."""
    is_required: bool = False


@cache
def whole() -> Schema:
    """The shipped schema."""
    found: Schema = json.loads(text())
    return found


def at(path: Sequence[Step]) -> list[Schema]:
    """What a value at ``path`` may be: schemas without references and alternatives."""
    found = list(_flat(whole()))
    for step in path:
        found = [part for schema in found for part in _below(schema, step)]
    return found


def keys(path: Sequence[Step]) -> list[Choice]:
    """The keys of the map at ``path``."""
    return _unique(choice for schema in at(path) for choice in keys_of(schema))


def keys_of(schema: Schema) -> Iterator[Choice]:
    """The keys of one map."""
    required = schema.get("required", ())
    for name, value in schema.get("properties", {}).items():
        yield Choice(name, describe(value), value, name in required)


def values(path: Sequence[Step]) -> list[Choice]:
    """The values that are listed for ``path``."""
    return _unique(choice for schema in at(path) for choice in _values_of(schema))


def is_map(schema: Schema) -> bool:
    """Whether nothing but a map may stand there."""
    parts = [part for part in _flat(schema) if "anyOf" not in part]
    return all(part.get("type") == "object" for part in parts)


def describe(schema: Schema) -> str:
    """What a schema tells of its value, with its default."""
    parts = [_told(schema)]
    default = schema.get("default")
    if default is not None:
        parts.append(f"By default `{json.dumps(default)}`.")
    return "\n\n".join(part for part in parts if part)


def of_key(path: Sequence[Step]) -> str:
    """What the key at the end of ``path`` means."""
    if not path or isinstance(path[-1], int):
        return ""
    return next((choice.documentation for choice in keys(path[:-1]) if choice.text == path[-1]), "")


def of_kind(family: str, kind: str) -> str:
    """What a kind that is built in does, with its example."""
    return _told(whole()["$defs"].get(f"{family}.{kind}", {}))


def _told(schema: Schema) -> str:
    own = schema.get("markdownDescription") or schema.get("description")
    if own:
        return str(own)
    return _told(_defined(schema["$ref"])) if "$ref" in schema else ""


def _values_of(schema: Schema) -> Iterator[Choice]:
    if "const" in schema:
        yield Choice(str(schema["const"]), _told(schema), schema)
    for value in schema.get("enum", ()):
        yield Choice(str(value), "", schema)
    if schema.get("type") == "boolean":
        yield from (Choice(word, "", schema) for word in ("true", "false"))


def _unique(choices: Iterator[Choice]) -> list[Choice]:
    found: dict[str, Choice] = {}
    for choice in choices:
        found.setdefault(choice.text, choice)
    return list(found.values())


def _defined(ref: str) -> Schema:
    found: Schema = whole()["$defs"][ref.rpartition("/")[2]]
    return found


def _flat(schema: Schema) -> Iterator[Schema]:
    """A schema and its alternatives, without references."""
    if "$ref" in schema:
        yield from _flat({**_defined(schema["$ref"]), **{k: v for k, v in schema.items() if k != "$ref"}})
        return
    yield schema
    for word in ("anyOf", "allOf"):
        for part in schema.get(word, ()):
            yield from _flat(part)
    for word in ("then", "else"):
        if word in schema:
            yield from _flat(schema[word])


def _below(schema: Schema, step: Step) -> Iterator[Schema]:
    found = None
    if isinstance(step, int):
        listed = schema.get("prefixItems", ())
        found = listed[step] if step < len(listed) else schema.get("items")
    else:
        found = schema.get("properties", {}).get(step, schema.get("additionalProperties"))
    if isinstance(found, dict):
        yield from _flat(found)
