"""The fields of a kind: what each takes, what it is by default, what it means."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import WithJsonSchema

from netspec.compiler.formula.printing import number
from netspec.declared import Declared
from netspec.tensortype import Size

Links = Mapping[str, str]
"""Where the kinds of a family are described, by the name of the family."""

_PLAIN = {bool: "`true` or `false`", int: "a whole number", float: "a number", str: "text", Any: "anything"}
_SCHEMA = {"integer": "a whole number", "number": "a number", "array": "a list of numbers", "string": "text"}
_LIMITS = ((Gt, "gt", "above"), (Ge, "ge", "at least"), (Lt, "lt", "below"), (Le, "le", "at most"))
_PLURALS = {"a whole number": "whole numbers", "a number": "numbers", "a list": "lists", "text": "texts"}


def described(model: type[BaseModel], links: Links) -> str:
    """All fields of ``model`` as a definition list, the main one first; empty if there are none."""
    main = model.main_field() if issubclass(model, Declared) else None
    parts = []
    for name, field in sorted(named_fields(model), key=lambda item: item[0] != main):
        facts = [takes(field, links), *_default(field), *(["the main field"] if name == main else [])]
        parts.append(f"`{name}`\n: *{', '.join(facts)}.*\n  {field.description}\n")
    return "\n".join(parts)


def named_fields(model: type[BaseModel]) -> Iterable[tuple[str, FieldInfo]]:
    """The fields by the names that a spec gives them."""
    return ((field.alias or name, field) for name, field in model.model_fields.items())


def default_of(kind: type[Declared]) -> str | None:
    """The default of the main field, as a spec would write it; None if it has none to show."""
    main = kind.main_field()
    field = dict(named_fields(kind)).get(main or "")
    if field is None or field.is_required() or _is_nothing(field.get_default()):
        return None
    return shown(field.get_default())


def inner_models(model: type[BaseModel]) -> dict[type[BaseModel], str]:
    """The maps that fields of ``model`` take and that no family describes, each with the field that takes it."""
    return {found: name for name, field in named_fields(model) for found in _models(field.annotation)}


def _models(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not _is_family(annotation):
            yield annotation
        return
    for part in get_args(annotation):
        yield from _models(part)


def _is_family(model: type[BaseModel]) -> bool:
    return issubclass(model, Declared) and "kinds" in vars(model)


def _is_nothing(value: Any) -> bool:
    return value is None or value in ((), {}) or isinstance(value, BaseModel)


def _default(field: FieldInfo) -> list[str]:
    if field.is_required():
        return ["required"]
    text = default_text(field)
    return [f"by default `{text}`"] if text else ["optional"]


def default_text(field: FieldInfo) -> str:
    """The default of a field, as a spec would write it; empty if it has none to show."""
    value = None if field.is_required() else field.get_default(call_default_factory=True)
    return "" if _is_nothing(value) else shown(value)


def shown(value: Any) -> str:
    """A value as a spec would write it."""
    if isinstance(value, float):
        return number(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(shown, value))}]"
    return yaml.safe_dump(value, default_flow_style=True, width=1000).strip().removesuffix("\n...")


def takes(field: FieldInfo, links: Links) -> str:
    """What a field takes, in words."""
    return _words(field.annotation, field.metadata, links)


def _words(annotation: Any, metadata: Iterable[Any], links: Links) -> str:
    for given in metadata:
        if isinstance(given, WithJsonSchema):
            return _of_schema(given.json_schema or {})
    say = _COMPOSED.get(get_origin(annotation))
    if say is not None:
        words = say(get_args(annotation), links)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        words = _of_model(annotation, links)
    else:
        words = _PLAIN[annotation]
    return words + _limits(metadata)


def _one_of(parts: tuple[Any, ...], links: Links) -> str:
    return _either([_words(part, (), links) for part in parts if part not in (types.NoneType, Size)])


def _list_of(parts: tuple[Any, ...], links: Links) -> str:
    if parts[1] is Ellipsis:
        return f"a list of {_several(_words(parts[0], (), links))}"
    return f"a list of {len(parts)}: {', '.join(_words(part, (), links) for part in parts)}"


_COMPOSED: Mapping[Any, Callable[[tuple[Any, ...], Links], str]] = {
    Annotated: lambda parts, links: _words(parts[0], parts[1:], links),
    Literal: lambda parts, links: _either([f"`{shown(choice)}`" for choice in parts]),
    Union: _one_of,
    types.UnionType: _one_of,
    tuple: _list_of,
    dict: lambda parts, links: f"a map from names to {_several(_words(parts[1], (), links))}",
}


def _of_model(model: type[BaseModel], links: Links) -> str:
    if issubclass(model, Declared) and _is_family(model):
        article = "an" if model.family[0] in "aeiou" else "a"
        page = links.get(model.family)
        return f"{article} [{model.family}]({page})" if page else f"{article} {model.family}"
    return f"a map `{{{', '.join(f'{name}: ...' for name, _ in named_fields(model))}}}`"


def _of_schema(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return _either([_of_schema(part) for part in schema["anyOf"]])
    if "enum" in schema:
        return _either([f"`{choice}`" for choice in schema["enum"]])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if kinds == ["array"] and "items" in schema:
        return f"a list of {_several(_of_schema(schema['items']))}"
    least = f" of at least {schema['minimum']}" if "minimum" in schema else ""
    return _either([_SCHEMA[kind] for kind in kinds]) + least


def _limits(metadata: Iterable[Any]) -> str:
    whole = [part for given in metadata for part in (given.metadata if isinstance(given, FieldInfo) else [given])]
    found = [
        f"{words} {number(float(getattr(given, attribute)))}"
        for given in whole
        for kind, attribute, words in _LIMITS
        if isinstance(given, kind)
    ]
    return f" {' and '.join(found)}" if found else ""


def _several(words: str) -> str:
    """The plural of what ``_words`` says, of each alternative."""
    for one, many in _PLURALS.items():
        words = re.sub(rf"(^|(?<= or )|(?<=, )){one}\b", many, words)
    return re.sub(r"^an? (\[?)(\w+)", r"\1\2s", words)


def _either(words: list[str]) -> str:
    words = list(dict.fromkeys(words))
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
