"""Families of kinds as JSON Schema: an item is a name, or one key that holds the kind's fields or its main field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from netspec.catalog.layers import Layer
from netspec.declared import Declared
from netspec.docstrings import read
from netspec.schema.models import INTERPOLATED, Models, Schema, any_of, examples_of, told
from netspec.spec.items import COMMON

TEXT: Final[Schema] = {"type": "string"}


def documentation(kind: type[Declared]) -> Schema:
    """What a kind is, as its docstring says it, with its example."""
    said = read(kind)
    formula = getattr(kind, "formula", None)
    prose = said.prose or (f"`{formula}`" if isinstance(formula, str) else "")
    example = f"```yaml\n{said.example}\n```" if said.example else ""
    reference = f"Reference: {said.reference}" if said.reference else ""
    whole = "\n\n".join(part for part in (prose.replace("``", "`"), example, reference) if part)
    return {**told(prose.replace("``", "`")), "markdownDescription": whole} if whole else {}


class Families:
    """The kinds that have been described, under `$defs`: ``layer.dense``, and ``layer`` for an item."""

    def __init__(self, models: Models) -> None:
        self.models = models
        self.defs: dict[str, Schema] = {}

    def item(self, family: type[Declared], extra: Mapping[str, Schema] = {}) -> Schema:
        """An item of a family; its kinds take the keys ``extra`` beside their own.

        The schema is kept under the family's name. A name alone is an item, if its kind needs no field.
        """
        return self.together(family.family, {family.family: family.kinds}, extra)

    def together(
        self, name: str, families: Mapping[str, Mapping[str, type[Declared]]], extra: Mapping[str, Schema] = {}
    ) -> Schema:
        """An item that may be of several families, kept as ``name``."""
        places: dict[str, Schema] = {}
        alone: dict[str, str] = {}
        for kinds in families.values():
            for key, kind in kinds.items():
                if key in places:
                    continue
                value, needs = self._kind(kind, {word: {"$ref": f"#/$defs/{name}:{word}"} for word in extra})
                self.defs[f"{name}.{key}"] = value
                places[key] = {"$ref": f"#/$defs/{name}.{key}"}
                if not needs:
                    alone[key] = value.get("description", "").partition("\n\n")[0]
        self.defs |= {f"{name}:{word}": value for word, value in extra.items()}
        found = one_of(places, alone)
        self.defs[name] = found
        return found

    def _kind(self, kind: type[Declared], extra: Mapping[str, Schema]) -> tuple[Schema, list[str]]:
        properties, required = self.models.properties(kind)
        examples = examples_of(kind)
        properties = {
            key: {**given, **({"examples": examples[key]} if key in examples and "default" not in given else {})}
            for key, given in properties.items()
        }
        own = {**properties, **extra}
        main = kind.main_field()
        if isinstance(kind, type) and issubclass(kind, Layer):
            if kind.reads:
                own["from"] = {**told(COMMON["from"]), **_reads(kind)}
            main = "from" if kind.many else main
        fields: Schema = {"type": "object", "properties": own, "additionalProperties": False}
        if required:
            fields["required"] = required
        value = any_of(fields, *_bare(own[main])) if main else fields
        return {**documentation(kind), **value}, required


def _bare(schema: Schema) -> list[Schema]:
    """What a main field takes without its key: scalars and lists, as a map would be fields."""
    parts = schema.get("anyOf", [schema])
    kept = [part for part in parts if part.get("type") != "object"]
    return [{key: part[key] for key in part if key not in ("default", "examples")} for part in kept]


def _reads(kind: type[Layer]) -> Schema:
    """What `from` takes where a kind has names for what it reads: a map of them, or the values in this order."""
    by_name: Schema = {
        "type": "object",
        "properties": dict.fromkeys(kind.reads, TEXT),
        "required": list(kind.reads),
        "additionalProperties": False,
    }
    return any_of(by_name, {"type": "array", "items": TEXT}, TEXT)


def one_of(places: Mapping[str, Schema], alone: Mapping[str, str]) -> Schema:
    """A name alone, or a map with one key."""
    names: list[Schema] = []
    if alone:
        names = [{"enum": list(alone), "markdownEnumDescriptions": list(alone.values())}]
    by_key: Schema = {
        "type": "object",
        "properties": dict(places),
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return any_of(*names, by_key, INTERPOLATED)


def opened(item: Schema) -> Schema:
    """As ``item``, beside which a spec may define kinds of its own."""
    parts = [{**part, "additionalProperties": {}} if part.get("type") == "object" else part for part in item["anyOf"]]
    return any_of(*parts, TEXT)


def only_known(item: Schema, inside: Mapping[str, Schema] = {}) -> Schema:
    """That the kind of an item is one of those of ``item``; what its fields ``inside`` take beside."""
    by_key = next(part for part in item["anyOf"] if part.get("type") == "object")
    names = list(by_key["properties"])
    known: Schema = {"type": "object", "propertyNames": {"enum": names}}
    if inside:
        known["additionalProperties"] = {"properties": dict(inside)}
    return any_of({"enum": names}, known, INTERPOLATED)
