"""Deep stacks of activations whose slopes shrink the gradient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from netspec.spec.lints.lint import Finding, Lint, Subject, activation_of

# What a gradient is multiplied by in passing: of a sigmoid its largest slope; of tanh, whose largest is 1, the mean
# over net inputs of deviation 1, and the same of softsign.
_SLOPES: Final = {"sigmoid": 1 / 4, "hard_sigmoid": 1 / 6, "tanh": 0.61, "softsign": 0.44}
_NORMS: Final = ("batch_norm", "layer_norm", "group_norm", "instance_norm")
_LEAST: Final = 1 / 100


def _find(subject: Subject) -> Iterator[Finding]:
    """Gradients take every way through a sum, so of several inputs the best counts."""
    if not subject.trains or not subject.document.losses:
        return
    passed: dict[str, tuple[float, int]] = {}
    for node in subject.nodes.values():
        ways = [passed.get(ref.path, (1.0, 0)) for ref in node.inputs]
        left, depth = max(ways, default=(1.0, 0))
        activation = activation_of(node)
        slope = _SLOPES.get(activation.kind) if activation else None
        if node.layer is not None and node.layer.kind in _NORMS:
            left, depth = 1.0, 0
        elif slope is not None and node.path not in subject.seen:
            before, left, depth = left, left * slope, depth + 1
            if before >= _LEAST > left and activation is not None:
                yield Finding(
                    f"`{node.path}` is the layer number {depth} in a row with an activation that saturates: "
                    f"less than a hundredth of a gradient comes through all of them",
                    node.span,
                    notes=(f"a `{activation.kind}` passes on about {slope:.2g} of it",),
                    helps=("use `relu` in the hidden layers", "or `batch_norm` or `layer_norm` between them"),
                )
        passed[node.path] = left, depth


LINT = Lint(
    code="saturating-stack",
    meaning="So many layers with saturating activations follow one another that hardly any gradient comes through.",
    why="The slope of a sigmoid is at most 1/4, that of tanh at usual net inputs about 0.6, and a gradient is "
    "multiplied by the slope in every layer. Where the product falls below 1/100, with 4 sigmoids or 10 tanh in a"
    " row, the first layers hardly learn. Normalisation and ways around (`add`) begin anew.",
    find=_find,
    bad="""\
netspec: 1
data: {source: {sklearn: iris}}
network:
  inputs: {x: [4]}
  layers: [{dense: {units: 16, activation: sigmoid, repeat: 6}}, {dense: 3}]
loss: cross_entropy
optimizer: adam
train: {seed: 1}
""",
    good="""\
netspec: 1
data: {source: {sklearn: iris}}
network:
  inputs: {x: [4]}
  layers: [{dense: {units: 16, activation: relu, repeat: 6}}, {dense: 3}]
loss: cross_entropy
optimizer: adam
train: {seed: 1}
""",
)
