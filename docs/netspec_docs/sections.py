"""The sections of a spec: the keys of each, from the tables and models that read them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TypeAlias

from pydantic import BaseModel

from netspec.data.section import DataSection
from netspec.explanation.families import FAMILIES
from netspec.explanation.fields import described, inner_models
from netspec.spec import binding, blocks, definitions, expectations, ignoring, items, topology
from netspec.spec.document import KEYS
from netspec.spec.network import Regularize
from netspec.spec.training import Train

Keys: TypeAlias = "Mapping[str, str] | type[BaseModel]"

# Below the section that holds them: a heading and its keys.
_INNER: Mapping[str, Mapping[str, Keys]] = {
    "blocks": {"A block": blocks.KEYS},
    "activations": {"A formula": definitions.FORMULA_KEYS},
    "network": {"": topology.KEYS, "An input": topology.INPUT_KEYS, "Layer": items.COMMON, "regularize": Regularize},
    "data": {"": DataSection},
    "loss": {"": binding.KEYS["loss"]},
    "metrics": {"": binding.KEYS["metric"]},
    "train": {"": Train},
    "lint": {"": ignoring.KEYS},
    "expect": {"": expectations.KEYS, "An example": expectations.ExampleKeys},
}


def page() -> str:
    """All sections, in the order of the code."""
    links = {family.name: f"{family.page}.md" for family in FAMILIES}
    parts = []
    for key, meaning in KEYS.items():
        parts += [f"## {key}", meaning]
        parts += [f"There are these [{f.name} kinds]({f.page}.md)." for f in FAMILIES if f.name in (key, key[:-1])]
        for title, keys in _INNER.get(key, {}).items():
            parts += [*([f"### {title}"] if title else []), _keys(keys, links)]
    return "\n\n".join(parts)


def _keys(keys: Keys, links: Mapping[str, str]) -> str:
    if not isinstance(keys, type):
        return "\n".join(f"`{key}`\n: {meaning}\n" for key, meaning in keys.items())
    parts = [described(keys, links)]
    for model, name in inner_models(keys).items():
        parts += [f"### {name}", inspect.getdoc(model) or "", _keys(model, links)]
    return "\n\n".join(parts)
