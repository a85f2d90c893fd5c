"""A product with one-hot rows is a lookup, whichever layer makes it, and plain steps touch the rows that were read."""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec import api

SPEC = """\
netspec: 1
cells:
  elman:
    params: {units: integer}
    state: {s: [units]}
    weights: {U: [x, units], W: [units, units]}
    step: {s: "tanh(x @ U + s @ W)"}
data:
  source: {random: {rows: 32, fields: {x: {index: 50, shape: [T]}, y: {index: 3, shape: [T]}}}}
network:
  inputs: {x: [T]}
  layers: [one_hot, LAYER, {dense: 3}]
loss: {cross_entropy: {target: y}}
optimizer: OPTIMIZER
train: {epochs: 1, batch: 8}
"""


@pytest.mark.parametrize("layer", ["dense: 8", "rnn: 8", "lstm: 8", "gru: 8", "elman: 8"])
@pytest.mark.parametrize(
    ("optimizer", "change"), [("{sgd: 0.1}", "update_rows"), ("{sgd: {lr: 0.1, momentum: 0.9}}", "scatter_add")]
)
def test_one_hot_rows_are_looked_up(layer: str, optimizer: str, change: str, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC.replace("LAYER", layer).replace("OPTIMIZER", optimizer))
    step = api.compile(spec).program.step
    read = [node for node in step.nodes if node.op.name == "contract" and 50 in node.inputs[0].type.shape]
    assert not read, "a product over all 50 values"
    assert {"lookup", change} <= {node.op.name for node in step.nodes}
