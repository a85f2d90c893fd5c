"""The schema for editors: up to date, a schema, and of one mind with the reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from netspec.cli.commands.schema import command
from netspec.diagnostics import Report
from netspec.schema import text
from netspec.schema.document import rendered
from netspec.spec.tree import plain
from netspec.spec.yaml import read_text

CHECKOUT = Path(__file__).parents[2]
SCHEMA: dict[str, Any] = json.loads(text())
VALIDATOR = Draft202012Validator(SCHEMA)
HEAD = "netspec: 1\nnetwork: {inputs: {x: [4]}, layers: ["

WELL = sorted(
    path
    for folder in ("specs", "tests/spec/language", "tests/train/specs")
    for path in (CHECKOUT / folder).rglob("*.yaml")
)
# A key that nothing reads is never right, whatever else a file defines.
UNKNOWN = sorted(
    path.with_suffix(".yaml")
    for path in (CHECKOUT / "tests").rglob("err/*.out")
    if "error[unknown-key]" in path.read_text(encoding="utf-8")
)
# Their unknown keys are parameters of blocks, which are known to the spec alone.
BLOCKS = {"block_uses"}


def data_of(spec: str) -> Any:
    """A spec as plain data, as YAML 1.2 has it."""
    tree = read_text(spec, "<spec>", Report())
    assert tree is not None
    return plain(tree)


def test_shipped_schema_is_up_to_date() -> None:
    assert text() == rendered(), "write it anew: python -m netspec.schema"


def test_it_is_a_schema_of_draft_2020_12() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("path", WELL, ids=lambda path: path.relative_to(CHECKOUT).as_posix())
def test_good_spec_is_valid(path: Path) -> None:
    faults = [
        f"{fault.json_path}: {fault.message}" for fault in VALIDATOR.iter_errors(data_of(path.read_text("utf-8")))
    ]
    assert not faults


@pytest.mark.parametrize("path", UNKNOWN, ids=lambda path: path.stem)
def test_unknown_key_is_marked(path: Path) -> None:
    assert VALIDATOR.is_valid(data_of(path.read_text("utf-8"))) == (path.stem in BLOCKS)


@pytest.mark.parametrize(
    "layers",
    [
        "dens: 4",
        "dens",
        "dense",
        "dense: {units: 4, unitz: 3}",
        "dense: {units: four}",
        "dense: {units: 4, activation: rellu}",
        "relu: {units: 4}",
        "{dense: 4, name: a}",
        "conv2d: {filters: 4, kernel: 3, padding: some}",
    ],
)
def test_bad_layer_is_marked(layers: str) -> None:
    assert not VALIDATOR.is_valid(data_of(f"{HEAD}{layers}]}}"))


@pytest.mark.parametrize(
    "layers",
    [
        "flatten",
        "dense: 4",
        'dense: "${n}"',
        'dense: {units: "???", activation: "???"}',
        'dense: {units: "${2 * n}", activation: {leaky_relu: 0.1}, init: {kernel: he_normal, bias: 0.5}}',
        "add: [a, input]",
        "attention: {from: {query: a, memory: b}}",
        "dense: {units: 3, share: {kernel: a.kernel.T}, repeat: 2, freeze: true}",
    ],
)
def test_good_layer_is_valid(layers: str) -> None:
    assert VALIDATOR.is_valid(data_of(f"{HEAD}{layers}]}}"))


@pytest.mark.parametrize("section", ["blocks", "cells", "activations", "include"])
def test_names_of_the_spec_are_let_alone(section: str) -> None:
    """What is not built in may be defined there."""
    values = {"blocks": "{mine: {layers: [flatten]}}", "cells": "{mine: {step: {h: x}}}", "activations": "{mine: x}"}
    layers = "mine, {mine: 3}, {dense: {units: 2, activation: mine}}"
    assert VALIDATOR.is_valid(data_of(f"{section}: {values.get(section, 'other.yaml')}\n{HEAD}{layers}]}}"))


def test_every_key_of_every_map_is_told() -> None:
    def untold(value: Any, place: str) -> list[str]:
        if isinstance(value, list):
            return [found for i, part in enumerate(value) for found in untold(part, f"{place}/{i}")]
        if not isinstance(value, dict):
            return []
        below = [found for key, part in value.items() for found in untold(part, f"{place}/{key}")]
        keys = value.get("properties") if "additionalProperties" in value else None
        lacking = [key for key, part in (keys or {}).items() if "description" not in part and "$ref" not in part]
        return below + [f"{place}: {key}" for key in lacking]

    assert not [place for place in untold(SCHEMA, "#") if "query" not in place and "memory" not in place]
    for name in ("layer.dense", "optimizer.adam", "loss.mse", "source.csv", "layer:from"):
        assert SCHEMA["$defs"][name]["description"]


def test_command_prints_or_writes_it(tmp_path: Path) -> None:
    from click.testing import CliRunner

    printed = CliRunner().invoke(command, [])
    assert printed.exit_code == 0
    assert printed.output == text()
    out = tmp_path / "folder" / "netspec.json"
    written = CliRunner().invoke(command, ["-o", str(out)])
    assert written.exit_code == 0
    assert out.read_text(encoding="utf-8") == text()
    assert f"$schema={out.as_posix()}" in written.output


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with what its reference says."""
    found = {**SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")], **schema} if "$ref" in schema else schema
    return {**found, "$defs": SCHEMA["$defs"]}


def test_every_field_has_a_default_examples_or_choices() -> None:
    lacking, wrong = [], []
    for place, kind in SCHEMA["$defs"].items():
        fields = [part["properties"] for part in (kind, *kind.get("anyOf", ())) if "properties" in part]
        for name, given in (item for each in fields if "." in place for item in each.items()):
            field = resolved(given)
            parts = [resolved(part) for part in field.get("anyOf", [field])]
            chooses = any(part.keys() & {"const", "enum"} or part.get("type") == "boolean" for part in parts)
            shown = [*field.get("examples", ()), *([field["default"]] if "default" in field else ())]
            if not shown and not chooses:
                lacking.append(f"{place} {name}")
            wrong += [
                f"{place} {name}: {value}" for value in shown if not VALIDATOR.evolve(schema=field).is_valid(value)
            ]
    assert not lacking
    assert not wrong
