"""What waits for an epoch that the training does not have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netspec.spec.lints.lint import Finding, Lint, Subject


def _find(subject: Subject) -> Iterator[Finding]:
    document = subject.document
    epochs, schedule, stop = document.train.epochs, document.schedule, document.train.early_stop
    if not subject.trains or not epochs:
        return
    waits: list[tuple[str, Any, tuple[str, ...]]] = []
    if schedule is not None:
        path = ("schedule", schedule.kind)
        late = [epoch for epoch in getattr(schedule, "at", ()) if epoch >= epochs]
        waits += [("the learning rate drops after epoch", late[0], (*path, "at"))] if late else []
        waits += [("the learning rate drops first after epoch", getattr(schedule, "every", None), (*path, "every"))]
        waits += [("the learning rate climbs until epoch", schedule.warmup_epochs, (*path, "warmup_epochs"))]
        waits += [("`plateau` waits for epoch", getattr(schedule, "patience", None), (*path, "patience"))]
    if stop is not None:
        waits += [("`early_stop` waits for epoch", stop.patience, ("train", "early_stop", "patience"))]
    for what, epoch, where in waits:
        if epoch is not None and epoch >= epochs:
            note = () if document.at("train", "epochs") == document.at("train") else ("`train.epochs` says so",)
            helps = ("train for longer: `train: {epochs: ...}`", "or leave it out")
            yield Finding(f"{what} {epoch:g}, and training ends after {epochs}", document.at(*where), note, helps)


LINT = Lint(
    code="beyond-training",
    meaning="A schedule or early stopping waits for an epoch that the training does not have.",
    why="A drop of the learning rate after the last epoch, a patience that is longer than the training, or a rate that "
    "climbs to its end: each changes nothing, or never gets to what was meant. Most often `train.epochs` was "
    "changed, and the schedule was not.",
    find=_find,
    bad="""\
netspec: 1
data: {source: {sklearn: iris}}
network:
  inputs: {x: [4]}
  layers: [{dense: 3}]
loss: cross_entropy
optimizer: {sgd: 0.1}
schedule: {step: {at: [60]}}
train: {epochs: 50, seed: 1}
""",
    good="""\
netspec: 1
data: {source: {sklearn: iris}}
network:
  inputs: {x: [4]}
  layers: [{dense: 3}]
loss: cross_entropy
optimizer: {sgd: 0.1}
schedule: {step: {at: [30]}}
train: {epochs: 50, seed: 1}
""",
)
