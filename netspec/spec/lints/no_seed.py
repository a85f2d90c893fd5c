"""A training whose spec names no seed."""

from __future__ import annotations

from collections.abc import Iterator

from netspec.spec.lints.lint import Finding, Lint, Subject
from netspec.spec.tree import Map


def _find(subject: Subject) -> Iterator[Finding]:
    document = subject.document
    section = document.tree.get("train")
    is_said = isinstance(section, Map) and "seed" in section.entries
    if subject.trains and not is_said:
        yield Finding(
            f"no seed is given, and {document.train.seed} is taken",
            document.at("train") if section is not None else document.at("optimizer"),
            helps=("say which: `train: {seed: 1}`; other seeds show how far results spread",),
        )


LINT = Lint(
    code="no-seed",
    meaning="A spec that is trained does not say by which seed.",
    why="Weights, order and dropout follow from the seed, and so does the result. Without one it is 0 and every run "
    "is the same; but who reads the spec does not see that the result is one of many, nor which.",
    find=_find,
    bad="""\
netspec: 1
data: {source: {sklearn: iris}}
network:
  inputs: {x: [4]}
  layers: [{dense: 3}]
loss: cross_entropy
optimizer: adam
train: {epochs: 20}
""",
    good="""\
netspec: 1
data: {source: {sklearn: iris}}
network:
  inputs: {x: [4]}
  layers: [{dense: 3}]
loss: cross_entropy
optimizer: adam
train: {epochs: 20, seed: 1}
""",
)
