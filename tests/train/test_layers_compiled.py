"""Every layer of the catalog as machine code: its documented example has the gradients of finite differences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from netspec import api
from netspec.catalog.layers import Layer
from netspec.explanation.families import BY_NAME

FAMILY = BY_NAME["layer"]


def whole(kind: type[Any]) -> str:
    """The example with random data and a target for what it makes.

    A learned scale of each element goes before it, so that layers without weights have a gradient to hand on; one scale
    for all would have none before a layer that normalises.
    """
    network = yaml.safe_load(FAMILY.spec(kind))["network"]
    inputs = network["inputs"]
    indices = {name: given for name, given in inputs.items() if isinstance(given, dict)}
    if len(inputs) == 1 and not indices:
        network["layers"].insert(0, {"affine": {"per": "element", "name": "front"}})
    random = {name: {"index": given["size"], "shape": given["shape"]} for name, given in indices.items()}
    output = api.compile(yaml.safe_dump({"netspec": 1, "network": network})).summary()["layers"][-1]["output"]
    spec: dict[str, Any] = {
        "netspec": 1,
        "name": kind.kind,
        "data": {"source": {"random": {"rows": 3, "fields": {**inputs, **random, "wanted": output}}}},
        "network": network,
        "loss": "mse",
    }
    if kind.kind == "crf":  # whose value is classes: it learns by their likelihood
        spec["loss"] = "negative_log_likelihood"
        spec["data"]["source"]["random"]["fields"]["wanted"] = {"index": 5, "shape": ["T"]}
    if kind.kind == "hierarchical_softmax":  # whose tree is of the counts of classes
        spec["loss"] = "negative_log_likelihood"
        spec["data"]["source"]["random"]["fields"]["wanted"] = {"category": 5}
    return str(yaml.safe_dump(spec, sort_keys=False))


@pytest.mark.parametrize("kind", FAMILY.kinds, ids=lambda kind: kind.kind)
def test_gradients_of_every_layer(kind: type[Any], tmp_path: Path) -> None:
    assert issubclass(kind, Layer)
    checked = api.gradcheck(whole(kind))
    assert checked.rows
    assert checked.passed, checked.summary()
