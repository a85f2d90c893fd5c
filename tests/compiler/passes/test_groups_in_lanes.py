"""Normalisation by groups leaves samples in the lanes, where the convolutions around it have them."""

from __future__ import annotations

import pytest

from netspec import api
from netspec.compiler.passes import optimize
from netspec.spec.document import load
from netspec.train.opening import open_spec

SPEC = """\
netspec: 1
name: grouped
data: {{source: {{random: {{rows: 32, fields: {{image: [6, 5, 3], label: {{category: 4}}}}}}}}}}
network:
  inputs: {{image: [6, 5, 3]}}
  layers:
    - conv2d: {{filters: 18, kernel: 3, padding: same, bias: false}}
    - {norm}
    - relu
    - conv2d: {{filters: 18, kernel: 3}}
    - {norm}
    - global_avg_pool2d
    - dense: 4
loss: cross_entropy
optimizer: {{sgd: {{lr: 0.1}}}}
train: {{batch: 17}}
"""
NORMS = ["group_norm: 1", "group_norm: 6", "instance_norm"]


@pytest.mark.parametrize("norm", NORMS)
def test_nothing_is_laid_out_anew_on_the_way(norm: str) -> None:
    program = open_spec(load(SPEC.format(norm=norm))).program
    nodes = optimize(program.step, 32).nodes
    moved = [node for node in nodes if node.op.name == "relayout" and node.inputs[0].type.rank > 2]
    places = [n for node in moved for n in node.types[0].shape[1:-1]]
    assert places.count(1) == len(places) - 2, "the image alone goes into the lanes; what has one place is small"
    assert not any(node.op.name == "transpose" and node.types[0].rank > 2 for node in nodes)


@pytest.mark.parametrize("norm", NORMS)
def test_gradients(norm: str) -> None:
    checked = api.gradcheck(SPEC.format(norm=norm), rows=17)
    assert checked.passed, checked.summary()
