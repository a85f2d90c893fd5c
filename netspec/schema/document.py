"""The whole schema: the sections of a spec from the tables and models that read them, with the kinds of the catalog."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from netspec.catalog.activations import Activation
from netspec.catalog.augmentations import Augmentation
from netspec.catalog.initializers import Initializer
from netspec.catalog.layers import Layer
from netspec.catalog.losses import Loss
from netspec.catalog.metrics import Metric
from netspec.catalog.optimizers import Optimizer
from netspec.catalog.schedules import Schedule
from netspec.data.field import Field
from netspec.data.section import DataSection
from netspec.data.source import Source
from netspec.schema.kinds import TEXT, Families, opened
from netspec.schema.models import INTERPOLATED, Models, Schema, any_of, keys, told
from netspec.spec import binding, blocks, cells, definitions, expectations, ignoring, items, topology
from netspec.spec.decoding import DecodeSection
from netspec.spec.document import KEYS, NAME, VERSION
from netspec.spec.lints import LINTS
from netspec.spec.network import Regularize
from netspec.spec.training import Select, Train
from netspec.spec.validation import family_of

ID: Final = f"urn:netspec:schema:{VERSION}"

_NUMBER: Final[Schema] = {"type": "number"}
_WHOLE: Final[Schema] = {"type": "integer", "minimum": 0}
_NAMES: Final[Schema] = {"type": "array", "items": TEXT}
_COMPARISON: Final[Schema] = any_of({"type": "number"}, TEXT)
_SHAPE: Final[Schema] = {"type": "array", "items": any_of({"type": "integer", "minimum": 1}, TEXT)}

OWN: Final = ("blocks", "cells", "activations", "losses", "include")
"""The sections by which a spec has kinds of its own, so that a name which is not built in may be one."""


def rendered() -> str:
    """The schema as its file holds it."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def schema() -> Schema:
    """The language as JSON Schema, draft 2020-12.

    A name that is not built in is marked where the file defines no kinds of its own and includes no others; else it may
    be one of these, and is left to `netspec validate`.
    """
    models = Models()
    families = Families(models)
    for family in (Activation, Optimizer, Schedule, Source, Field):
        families.item(family)
    families.item(Augmentation, listed=True)
    _initializer(families)
    _layer(families)
    _bound(families, "loss", Loss)
    _bound(families, "metric", Metric)
    defs = families.defs
    for name in ("activation", "layer", "loss"):
        defs[f"known {name}"], defs[name] = defs[name], opened(defs[name])
    known, any_kind = (
        _with_kinds(_strict_layer(_ref("known layer"), _ref("known activation")), _ref("known loss")),
        _with_kinds(_ref("layer"), _ref("loss")),
    )
    properties = keys(KEYS, _sections(models))["properties"]
    properties |= {key: {**properties[key], "examples": given} for key, given in _EXAMPLES.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "netspec",
        **told("A neural network for `netspec`: data, layers, loss, optimizer and training."),
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "dependentRequired": {"network": ["netspec"]},
        "if": {"required": ["network"], "not": {"anyOf": [{"required": [key]} for key in OWN]}},
        "then": known,
        "else": any_kind,
        "$defs": dict(sorted({**defs, **models.inner, **_common()}.items())),
    }


_EXAMPLES: Final[Mapping[str, list[Any]]] = {
    "netspec": [VERSION],
    "requires": [">=0.1"],
    "name": ["lenet5"],
    "include": ["../common/blocks.yaml"],
    "vars": [{"width": 16}],
    "blocks": [
        {
            "residual": {
                "params": {"units": "integer"},
                "layers": [{"dense": {"units": "${units}", "name": "main"}}, {"add": ["main", "input"]}],
            }
        }
    ],
    "cells": [
        {
            "elman": {
                "params": {"units": "integer"},
                "state": {"h": ["units"]},
                "weights": {"U": ["x", "units"], "W": ["units", "units"]},
                "step": {"h": "tanh(x @ U + h @ W)"},
            }
        }
    ],
    "activations": [{"squash": "1.7159 * tanh(2/3 * x)"}],
    "losses": [{"squares": "sum((output - target)**2)"}],
    "data": [{"source": "mnist", "split": {"validation": 5000}}],
    "network": [{"inputs": {"image": [28, 28, 1]}, "layers": ["flatten", {"dense": 10}]}],
    "loss": ["cross_entropy"],
    "optimizer": ["adam"],
    "schedule": ["cosine"],
    "metrics": [["accuracy"]],
    "decode": [{"input": "previous", "output": "logits"}],
    "train": [{"epochs": 20, "batch": 64}],
    "lint": [{"ignore": ["no-seed"]}],
    "expect": [{"parameters": 4810, "test": {"accuracy": ">= 0.97"}}],
}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _common() -> dict[str, Schema]:
    meaning = told("A value that `${}` works out; or `???`, in the place of one that is left open.")
    interpolated: Schema = {"type": "string", "pattern": r"\$\{|^\?\?\?$", **meaning}
    return {"interpolated": interpolated}


def _initializer(families: Families) -> None:
    """An initializer; a number is a constant, a list the very values."""
    item = families.item(Initializer)
    families.defs["initializer"] = any_of(item, _NUMBER, {"type": "array"})


def _layer(families: Families) -> None:
    """A layer, which may be an activation, with the keys that every layer takes."""
    initial: Schema = _ref("initializer")
    by_weight: Schema = {"type": "object", "additionalProperties": initial}
    values: dict[str, Schema] = {
        "name": {"type": "string", "pattern": "^[A-Za-z_0-9]+$|\\$\\{", "examples": ["encoder"]},
        "from": {**any_of(TEXT, _NAMES), "examples": ["encoder"]},
        "repeat": {**any_of(_WHOLE, INTERPOLATED), "examples": [3]},
        "share": {**any_of(TEXT, {"type": "object", "additionalProperties": TEXT}), "examples": ["left_tower"]},
        "freeze": {**any_of({"type": "boolean"}, INTERPOLATED), "default": False},
        "lr_scale": {**any_of({"type": "number", "minimum": 0}, INTERPOLATED), "default": 1},
        "init": {**any_of(initial, by_weight), "examples": ["he_normal", {"kernel": "he_normal", "bias": 0.1}]},
        "regularize": {**families.models.map(Regularize), "examples": [{"l2": 1e-4}]},
    }
    common = keys(items.COMMON, values)["properties"]
    families.together("layer", {"layer": Layer.kinds, "activation": Activation.kinds}, common, listed=True)


def _bound(families: Families, what: str, family: type[Loss | Metric]) -> None:
    """A loss or a metric, which says what it reads and what it compares that with."""
    weights: Schema = {"type": "object", "additionalProperties": any_of({"type": "number", "minimum": 0}, INTERPOLATED)}
    balanced: Schema = {"enum": ["balanced"]}
    listed: Schema = {"type": "array", "items": weights["additionalProperties"]}
    values: dict[str, Schema] = {
        "from": {**(TEXT if what == "loss" else any_of(TEXT, _NAMES)), "examples": ["logits"]},
        "target": {**TEXT, "examples": ["label"]},
        "weight": {**any_of(_NUMBER, INTERPOLATED), "default": 1},
        "sample_weight": {**TEXT, "examples": ["importance"]},
        "class_weight": any_of(balanced, weights, listed, INTERPOLATED),
    }
    meanings = binding.KEYS[what]
    extra = keys(meanings, {key: values[key] for key in values.keys() & meanings.keys()})["properties"]
    families.item(family, extra, listed=True)


def _sections(models: Models) -> dict[str, Schema]:
    """What each key at the top takes."""
    layers: Schema = {"type": "array", "minItems": 1}
    return {
        "netspec": {"const": VERSION},
        "requires": TEXT,
        "name": {"type": "string", "pattern": f"^{NAME.pattern}$|\\$\\{{"},
        "include": any_of(TEXT, _NAMES),
        "vars": {"type": "object"},
        "blocks": _by_name(_block({**layers, "items": _ref("layer")})),
        "cells": _by_name(_cell()),
        "activations": _by_name(_formula()),
        "losses": _by_name(_formula()),
        "data": models.map(DataSection),
        "network": _network(layers),
        "optimizer": _ref("optimizer"),
        "schedule": _ref("schedule"),
        "metrics": _one_or_more(_ref("metric")),
        "decode": models.map(DecodeSection),
        "train": _train(models),
        "lint": keys(
            ignoring.KEYS, {"ignore": {"type": "array", "items": {"enum": sorted(lint.code for lint in LINTS)}}}
        ),
        "expect": _expect(models),
    }


def _by_name(value: Schema) -> Schema:
    return {"type": "object", "additionalProperties": value}


def _one_or_more(one: Schema) -> Schema:
    return any_of(one, {"type": "array", "items": one})


def _block(layers: Schema) -> Schema:
    kind: Schema = any_of({"enum": list(blocks.TYPES)}, {})
    values = {"params": _by_name(kind), "inputs": _NAMES, "outputs": _by_name(TEXT), "layers": layers}
    return keys(blocks.KEYS, values, "layers")


def _cell() -> Schema:
    shape: Schema = {"type": "array", "items": any_of({"type": "integer"}, TEXT)}
    values = {
        "params": {"type": "object"},
        "inputs": _NAMES,
        "state": _by_name(shape),
        "weights": _by_name(shape),
        "step": _by_name(any_of(TEXT, _NUMBER)),
        "output": TEXT,
    }
    return keys(cells.KEYS, values, "step")


def _formula() -> Schema:
    alone = any_of(TEXT, _NUMBER)
    return any_of(keys(definitions.FORMULA_KEYS, {"params": {"type": "object"}, "formula": alone}, "formula"), alone)


def _network(layers: Schema) -> Schema:
    size = any_of({"type": "integer", "minimum": 1}, TEXT)
    values: dict[str, Schema] = {
        "shape": _SHAPE,
        "kind": any_of({"enum": ["number", "index"]}, INTERPOLATED),
        "size": size,
    }
    given = any_of(_SHAPE, keys(topology.INPUT_KEYS, values, "shape"), INTERPOLATED)
    inputs = {"inputs": any_of(_by_name(given), INTERPOLATED), "output": any_of(TEXT, _NAMES), "layers": layers}
    return keys(topology.KEYS, inputs, "inputs", "layers")


def _train(models: Models) -> Schema:
    found = models.map(Train)
    select = found["properties"]["select"]
    ref = select.pop("$ref")
    by_name = {**TEXT, **told(Select.model_fields["metric"].description or "")}
    found["properties"]["select"] = {**select, **any_of(by_name, {"$ref": ref})}
    return found


def _expect(models: Models) -> Schema:
    facts: dict[str, Schema] = {key: _SHAPE if key == "output" else _COMPARISON for key in expectations.FACTS}
    results: dict[str, Schema] = dict.fromkeys(expectations.SPLITS, _by_name(_COMPARISON))
    rows: Schema = {"type": "array", "items": models.map(expectations.ExampleKeys)}
    values = {**facts, **results, "predict": keys(expectations.FACTS, facts), "examples": rows}
    return keys(expectations.KEYS, values)


def _with_kinds(layer: Schema, loss: Schema) -> Schema:
    """A spec whose layers and losses are such items."""
    layers: Schema = {"items": layer}
    return {"properties": {"network": {"properties": {"layers": layers}}, "loss": _one_or_more(loss)}}


def _strict_layer(layer: Schema, activation: Schema) -> Schema:
    """A layer that is built in, with an activation that is."""
    inside = {
        field.alias or name: activation
        for kind in Layer.kinds.values()
        for name, field in kind.model_fields.items()
        if family_of(field.annotation) is Activation
    }
    return {"allOf": [layer, {"additionalProperties": {"properties": inside}}]}
