"""Far more weights than the training rows could settle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from netspec.spec.lints.lint import Finding, Lint, Subject
from netspec.tensortype import Dim, product, size, total

_WEIGHTS_A_NUMBER: Final = 1000
_LEAST: Final = 100_000
_MADE_UP: Final = "random"  # rows to try a network out with: nothing is to be learnt from them


def _find(subject: Subject) -> Iterator[Finding]:
    document, rows = subject.document, subject.rows
    if not subject.trains or rows is None or (document.data and document.data.source.kind == _MADE_UP):
        return
    count = total(p.size for p in subject.model.parameters.values() if p.trainable)
    told = total(_numbers(subject, binding.target) for binding in document.losses)
    if not isinstance(count, int) or not isinstance(told, int) or not told:
        return
    numbers = rows["train"] * told
    if count >= _LEAST and count > _WEIGHTS_A_NUMBER * numbers:
        yield Finding(
            f"{count:,} weights are to be learnt from {rows['train']:,} rows: {count // numbers:,} for each number of "
            f"the targets",
            document.spans.get("network"),
            helps=("fewer or smaller layers", "or weights that were trained before: `--weights`, and `freeze: true`"),
        )


def _numbers(subject: Subject, target: str | None) -> Dim:
    """How many numbers, or classes, a row says; a symbol where only the data tell."""
    field = subject.model.fields.get(target or "")
    return product(field.shape) if field is not None and field.shape is not None else size("T")


LINT = Lint(
    code="few-rows",
    meaning="There are far more weights than the rows of the training split could settle.",
    why="Networks can have many more weights than rows and still be right about new ones: ten or a hundred for each "
    "number of the targets are common, with dropout, penalties or augmentation. Above a thousand, from 100,000 "
    "weights on, the rows are learnt by heart. Smaller networks, such as worked examples of one row, are left in "
    "peace.",
    find=_find,
    bad="""\
netspec: 1
data: {source: {sklearn: iris}}
network:
  inputs: {x: [4]}
  layers: [{dense: {units: 512, activation: relu, repeat: 3}}, {dense: 3}]
loss: cross_entropy
optimizer: adam
train: {seed: 1}
""",
    good="""\
netspec: 1
data: {source: {sklearn: iris}}
network:
  inputs: {x: [4]}
  layers: [{dense: {units: 16, activation: relu, repeat: 3}}, {dense: 3}]
loss: cross_entropy
optimizer: adam
train: {seed: 1}
""",
)
