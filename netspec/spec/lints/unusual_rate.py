"""A learning rate far from what its optimizer is used with."""

from __future__ import annotations

from collections.abc import Iterator

from netspec.spec.lints.lint import Finding, Lint, Subject


def _find(subject: Subject) -> Iterator[Finding]:
    document = subject.document
    optimizer = document.optimizer
    if optimizer is None or optimizer.usual is None or not subject.trains:
        return
    low, high = optimizer.usual
    if low <= optimizer.lr <= high:
        return
    span = document.at("optimizer", optimizer.kind, "lr") or document.at("optimizer")
    side = "small" if optimizer.lr < low else "large"
    default = type(optimizer).model_fields["lr"].default
    yield Finding(
        f"a learning rate of {_shown(optimizer.lr)} is very {side} for `{optimizer.kind}`",
        span,
        notes=(f"it is used with {_shown(low)} to {_shown(high)}; where a spec says nothing, with {_shown(default)}",),
    )


def _shown(rate: float) -> str:
    return f"{rate:g}".replace("e-0", "e-")


LINT = Lint(
    code="unusual-rate",
    meaning="The learning rate lies outside the range that its optimizer is used with.",
    why="Optimizers measure the rate in different units: what is usual for `sgd` makes `adam` diverge. Adam moves "
    "every weight by about the rate in each step, and weights begin between 0.01 and 1: above 0.1 a step replaces"
    " them, below 1e-6 a thousand steps change no third digit. `sgd` moves them by the rate times the gradient, "
    "whose size depends on the loss, so its range is wide: 1e-6 to 30. Each optimizer has its own range beside "
    "its formula.",
    find=_find,
    bad="""\
netspec: 1
data: {source: {sklearn: iris}}
network:
  inputs: {x: [4]}
  layers: [{dense: 3}]
loss: cross_entropy
optimizer: {adam: {lr: 1.5}}
train: {seed: 1}
""",
    good="""\
netspec: 1
data: {source: {sklearn: iris}}
network:
  inputs: {x: [4]}
  layers: [{dense: 3}]
loss: cross_entropy
optimizer: {adam: {lr: 0.01}}
train: {seed: 1}
""",
)
