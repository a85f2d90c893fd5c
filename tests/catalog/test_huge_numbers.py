"""Numbers that no machine can serve: every whole number of every layer, by registry."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec import api
from netspec.catalog.layers import Layer
from netspec.declared import Declared
from netspec.docstrings import read

SECONDS = 10
"""A sound check takes some milliseconds; one that counts to a huge number never ends."""

HUGE = st.integers(10**3, 10**20) | st.sampled_from([10**8, 10**9, 2**31 - 1, 2**31, 10**12, 2**63, 10**30])


def whole_numbers(kind: type[Declared]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The fields that take whole numbers, alone or in lists, with their schemas."""
    for name, schema in kind.model_json_schema().get("properties", {}).items():
        if "integer" in str(schema):
            yield name, schema


FIELDS = [
    pytest.param(kind, name, schema, id=f"{kind.kind}-{name}")
    for kind in Layer.kinds.values()
    for name, schema in whole_numbers(kind)
]


@contextmanager
def limited() -> Iterator[None]:
    """An end to what would never have one, where the system can interrupt a process."""

    def late(*_: object) -> None:
        raise TimeoutError(f"no answer within {SECONDS} s")

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def with_number(kind: type[Declared], field: str, schema: dict[str, Any], number: int) -> str:
    """The example of a kind with that number in the place of what the example says."""
    network = yaml.safe_load(read(kind).example)
    layers = network["layers"]
    at = next(i for i, item in enumerate(layers) if item == kind.kind or (isinstance(item, dict) and kind.kind in item))
    given_fields = layers[at][kind.kind] if isinstance(layers[at], dict) else {}
    if not isinstance(given_fields, dict):
        given_fields = {kind.main_field(): given_fields}
    value: Any = number
    if schema.get("type") == "array":
        value = [[number]] if schema["items"].get("type") == "array" else [number, number]
    layers[at] = {kind.kind: {**given_fields, field: value}}
    return yaml.safe_dump({"netspec": 1, "network": network}, sort_keys=False)


@pytest.mark.parametrize(("kind", "field", "schema"), FIELDS)
@settings(max_examples=10, deadline=None)
@given(number=HUGE)
def test_validation_of_a_huge_number_ends(
    kind: type[Declared], field: str, schema: dict[str, Any], number: int
) -> None:
    spec = with_number(kind, field, schema, number)
    with limited():
        (checked,) = api.validate(["-"], stdin=spec)
    assert all(d.span is not None and len(d.message) < 500 for d in checked.diagnostics)
    if number >= 2**31:
        assert checked.errors, "a number that no kernel's 64 bits could count in bytes"
