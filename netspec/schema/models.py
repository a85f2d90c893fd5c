"""Strict models as JSON Schema: their fields with descriptions, defaults and limits, and where `${}` may stand."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from pydantic import BaseModel

from netspec.declared import Declared
from netspec.docstrings import read

Schema: TypeAlias = dict[str, Any]

INTERPOLATED: Final[Schema] = {"$ref": "#/$defs/interpolated"}
"""A value that `${}` works out, of whatever type."""

# Words of a JSON Schema that say what a value is, beside those that tell of it.
_TELLING: Final = ("description", "markdownDescription", "default", "examples")


def told(text: str) -> Schema:
    """A description, for editors that show Markdown and for those that do not."""
    plain = re.sub(r"`+", "", text)
    is_plain = re.search(r"[`*_<+$\\{}\[\]]", text) is None  # where it is not, editors would escape it
    return {"description": plain, **({} if is_plain else {"markdownDescription": text})}


def keys(meanings: Mapping[str, str], values: Mapping[str, Schema], *required: str) -> Schema:
    """A map with the keys of a table, each with its meaning there and the values it takes.

    Raises:
        KeyError: if ``values`` speaks of a key that is none.
    """
    if lost := values.keys() - meanings.keys():
        raise KeyError(f"no table of keys has {sorted(lost)}")
    properties = {key: {**told(meaning), **values.get(key, {})} for key, meaning in meanings.items()}
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        **({"required": list(required)} if required else {}),
    }


def any_of(*schemas: Schema) -> Schema:
    """What one of ``schemas`` takes."""
    flat: list[Schema] = []
    for schema in schemas:
        flat += schema["anyOf"] if set(schema) == {"anyOf"} else [schema]
    unique = [schema for i, schema in enumerate(flat) if schema not in flat[:i]]
    return unique[0] if len(unique) == 1 else {"anyOf": unique}


class Models:
    """The models that have been described, and the maps inside them that several may take."""

    def __init__(self) -> None:
        self.inner: dict[str, Schema] = {}
        """Maps that fields take and that no family describes, by name."""

    def properties(self, model: type[BaseModel]) -> tuple[dict[str, Schema], list[str]]:
        """The fields as properties, and those that are required."""
        found = self._of(model)
        return found["properties"], found.get("required", [])

    def map(self, model: type[BaseModel]) -> Schema:
        """The model as a map."""
        properties, required = self.properties(model)
        return _map(properties, required)

    def _of(self, model: type[BaseModel]) -> Schema:
        made = model.model_json_schema(by_alias=True)
        places = _places(made.pop("$defs", {}), model)
        for name, (place, schema) in places.items():
            if place == name:
                self.inner[name] = _described(schema, places)
        ref = made.get("$ref", "").rpartition("/")[2]  # a model that holds itself
        return {**(self.inner[ref] if ref else _described(made, places))}


def _map(properties: dict[str, Schema], required: list[str]) -> Schema:
    found: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**found, "required": required} if required else found


def _places(defs: Mapping[str, Schema], model: type[BaseModel]) -> dict[str, tuple[str, Schema]]:
    """Where the schema of each model inside ``model`` stands: that of a family under the family's name."""
    families = {family.__name__: family.family for family in _families(Declared)}
    return {name: (families.get(name, name), schema) for name, schema in defs.items()}


def _families(base: type[Declared]) -> list[type[Declared]]:
    found = [kind for kind in base.__subclasses__() if "kinds" in vars(kind)]
    return found + [family for kind in base.__subclasses__() for family in _families(kind)]


def _described(schema: Schema, places: Mapping[str, tuple[str, Schema]]) -> Schema:
    """A map as pydantic describes it, in our words; what may be interpolated is opened for it."""
    properties = {name: _property(given, places) for name, given in schema.get("properties", {}).items()}
    described = told(inspect.cleandoc(schema["description"])) if "description" in schema else {}
    return {**described, **_map(properties, schema.get("required", []))}


def _property(schema: Schema, places: Mapping[str, tuple[str, Schema]]) -> Schema:
    value = {key: part for key, part in schema.items() if key not in (*_TELLING, "title", "main")}
    found = told(schema["description"]) if "description" in schema else {}
    default = schema.get("default")
    if default is not None and default not in ({}, []):
        found["default"] = default
    if "examples" in schema:
        found["examples"] = schema["examples"]
    return {**found, **_value(value, places)}


def _value(schema: Schema, places: Mapping[str, tuple[str, Schema]]) -> Schema:
    """What a value may be, `${}` included."""
    if not schema.keys() - {"title"}:
        return {}
    if "$ref" in schema:
        place, _ = places[schema["$ref"].rpartition("/")[2]]
        return {"$ref": f"#/$defs/{place}"}
    if "anyOf" in schema:
        parts = [_value(part, places) for part in schema["anyOf"] if part != {"type": "null"}]
        return any_of(*parts)
    own = {key: part for key, part in schema.items() if key not in ("title", "default")}
    for key in ("items", "additionalProperties"):
        if isinstance(own.get(key), dict):
            own[key] = _value(own[key], places)
    if "prefixItems" in own:
        own["prefixItems"] = [_value(part, places) for part in own["prefixItems"]]
    types = own.get("type", [])
    is_text = "string" in ([types] if isinstance(types, str) else types) and not own.keys() & {
        "enum",
        "const",
        "pattern",
    }
    return own if is_text else any_of(own, INTERPOLATED)


def examples_of(kind: type[Declared]) -> dict[str, list[Any]]:
    """Values that the example of a kind gives its fields."""
    import yaml

    text = read(kind).example
    found: dict[str, list[Any]] = {}
    for given in _named(yaml.safe_load(text) if text else None, kind.kind):
        main = kind.main_field()
        fields = given if isinstance(given, dict) else {main: given} if main else {}
        for name, value in fields.items():
            if value not in found.setdefault(name, []):
                found[name].append(value)
    return found


def _named(value: Any, kind: str) -> list[Any]:
    """What stands behind the key ``kind`` anywhere below ``value``."""
    if isinstance(value, list):
        return [found for part in value for found in _named(part, kind)]
    if not isinstance(value, dict):
        return []
    here = [value[kind]] if kind in value else []
    return here + [found for part in value.values() for found in _named(part, kind)]
