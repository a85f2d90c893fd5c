"""Families of kinds as JSON Schema: an item is a name, or one key that holds the kind's fields or its main field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from netspec.catalog.layers import Layer
from netspec.declared import Declared
from netspec.docstrings import read
from netspec.schema.models import INTERPOLATED, Models, Schema, any_of, examples_of, told
from netspec.spec.items import COMMON

NO_NAME: Final = "There is no such name, or it needs fields: `name: {...}`."
"""What editors say of a name alone that is no item."""

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

    def item(self, family: type[Declared], extra: Mapping[str, Schema] = {}, *, listed: bool = False) -> Schema:
        """An item of a family, as `together` has it, kept under the family's name."""
        return self.together(family.family, {family.family: family.kinds}, extra, listed=listed)

    def together(
        self,
        name: str,
        families: Mapping[str, Mapping[str, type[Declared]]],
        extra: Mapping[str, Schema] = {},
        *,
        listed: bool = False,
    ) -> Schema:
        """An item of several families, kept as ``name``; its kinds take the keys ``extra`` beside their own.

        A name alone is an item if its kind needs no field. In a list editors propose names and keys side by side: with
        ``listed`` they are offered of a kind with a main field only the key.
        """
        places: dict[str, Schema] = {}
        alone: list[Schema] = []
        quiet: list[str] = []
        self.defs |= {f"{name}:{word}": value for word, value in extra.items()}
        common = {word: {"$ref": f"#/$defs/{name}:{word}"} for word in extra}
        for kinds in families.values():
            for key, kind in kinds.items():
                if key in places:
                    continue
                value, needs = self._kind(kind, common)
                self.defs[f"{name}.{key}"] = value
                places[key] = {"$ref": f"#/$defs/{name}.{key}"}
                if listed and "anyOf" in value:
                    quiet += [] if needs else [key]
                elif not needs:
                    alone.append({"const": key, **told(value.get("markdownDescription", "").partition("\n\n")[0])})
        if quiet:
            alone.append({"type": "string", "pattern": f"^({'|'.join(quiet)})$", "patternErrorMessage": NO_NAME})
        found = self.defs[name] = one_of(places, alone)
        return found

    def _kind(self, kind: type[Declared], extra: Mapping[str, Schema]) -> tuple[Schema, list[str]]:
        properties, required = self.models.properties(kind)
        for key, examples in examples_of(kind).items():
            if key in properties and "default" not in properties[key]:
                properties[key].setdefault("examples", examples)
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
    examples = [{name: f"the_{name}" for name in kind.reads}]
    return {**any_of(by_name, {"type": "array", "items": TEXT}, TEXT), "examples": examples}


def one_of(places: Mapping[str, Schema], alone: Sequence[Schema]) -> Schema:
    """One of the names that stand ``alone``, or a map with one key."""
    by_key: Schema = {
        "type": "object",
        "properties": dict(places),
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return any_of(*alone, by_key, INTERPOLATED)


def opened(item: Schema) -> Schema:
    """As ``item``, beside which a spec may define kinds of its own."""
    parts = [{**part, "additionalProperties": {}} if part.get("type") == "object" else part for part in item["anyOf"]]
    return any_of(*parts, TEXT)
