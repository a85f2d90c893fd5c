"""Dropout behind the last weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from netspec.catalog.layers import Activate
from netspec.spec.lints.lint import Finding, Lint, Subject

_DROPS: Final = ("dropout", "spatial_dropout")
_PASSES: Final = ("flatten", "reshape")


def _find(subject: Subject) -> Iterator[Finding]:
    for binding in subject.document.losses:
        node = subject.nodes.get(binding.output.path) if binding.output else None
        while node is not None and node.layer is not None and len(node.inputs) == 1:
            if node.layer.kind in _DROPS and getattr(node.layer, "rate", None):
                yield Finding(
                    f"`{node.path}` drops values of what `{binding.kind}` reads, where no layer can learn of it",
                    node.span,
                    helps=("put it before the last layer that has weights, or leave it out",),
                )
            elif not (isinstance(node.layer, Activate) or node.layer.kind in _PASSES):
                break
            node = subject.nodes.get(node.inputs[0].path)


LINT = Lint(
    code="dropout-of-output",
    meaning="Dropout stands between the last layer with weights and the loss.",
    why="Dropout makes the layers behind it learn to do without single values. Behind the last weights there are "
    "none: scores are set to 0 at random, and what the loss then says of them is noise.",
    find=_find,
    bad="""\
netspec: 1
data: {source: {sklearn: iris}}
network:
  inputs: {x: [4]}
  layers: [{dense: {units: 16, activation: relu}}, {dense: 3}, {dropout: 0.5}]
loss: cross_entropy
optimizer: adam
train: {seed: 1}
""",
    good="""\
netspec: 1
data: {source: {sklearn: iris}}
network:
  inputs: {x: [4]}
  layers: [{dense: {units: 16, activation: relu}}, {dropout: 0.5}, {dense: 3}]
loss: cross_entropy
optimizer: adam
train: {seed: 1}
""",
)
