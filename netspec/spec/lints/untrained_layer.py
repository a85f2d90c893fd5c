"""Layers that an output shows and no loss trains."""

from __future__ import annotations

from collections.abc import Iterator

from netspec.spec.lints.lint import Finding, Lint, Subject


def _find(subject: Subject) -> Iterator[Finding]:
    document = subject.document
    if document.optimizer is None or not document.losses:
        return
    live = set(subject.before(b.output for b in document.losses))
    for path in list(live):
        node = subject.nodes.get(path)
        common = node.common if node else None
        live |= {ref.path for ref in common.share.values()} if common else set()
        live |= {common.owner} if common and common.owner else set()
    for node in subject.nodes.values():
        if node.path in live or not subject.has_own_weights(node.path):
            continue
        use = next(use for use in node.uses if not any(is_at(path, use.path) for path in live))
        yield Finding(
            f"no loss reads `{use.path}`: its weights stay as they begin",
            use.span,
            helps=("name it in a loss", "or say that it is meant: `freeze: true`"),
        )


def is_at(path: str, group: str) -> bool:
    """Whether a layer is the one at ``group``, or stands inside it."""
    return path == group or path.startswith(f"{group}.")


LINT = Lint(
    code="untrained-layer",
    meaning="A layer with weights leads to an output and to no loss.",
    why="Training changes only the weights that a loss depends on. A branch that is an output, and that no loss "
    "reads, gives at the end what its random weights gave at the beginning.",
    find=_find,
    bad="""\
netspec: 1
data: {source: {sklearn: iris}}
network:
  inputs: {x: [4]}
  output: [label, width]
  layers:
    - dense: {units: 16, activation: relu, name: hidden}
    - dense: {units: 3, name: label}
    - dense: {units: 1, from: hidden, name: width}
loss: {cross_entropy: {from: label}}
optimizer: adam
train: {seed: 1}
""",
    good="""\
netspec: 1
data: {source: {sklearn: iris}}
network:
  inputs: {x: [4]}
  output: [label, hidden]
  layers:
    - dense: {units: 16, activation: relu, name: hidden}
    - dense: {units: 3, name: label}
loss: {cross_entropy: {from: label}}
optimizer: adam
train: {seed: 1}
""",
)
