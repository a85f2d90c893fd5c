"""Early stopping by rows that were trained on, or by a split that there is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from netspec.data.section import DataSection
from netspec.spec.lints.lint import Finding, Lint, Subject


def _find(subject: Subject) -> Iterator[Finding]:
    document = subject.document
    stop, data = document.train.early_stop, document.data
    if stop is None or not subject.trains:
        return
    span = document.at("train", "early_stop")
    helps = ("set rows aside: `data: {split: {validation: 0.2}}`",)
    if stop.split == "train":
        message = "`early_stop` watches the rows that are trained on, whose loss falls for as long as training goes on"
        yield Finding(message, span, helps=(*helps, "and watch these: `early_stop: {split: validation, ...}`"))
    elif stop.split == "validation" and data is not None and subject.rows is None and _has_none(data):
        yield Finding(
            "`early_stop` watches the split `validation`, and no rows are set aside for it", span, helps=helps
        )


def _has_none(data: DataSection) -> bool:
    """Whether there will be no validation split: a table of one kind of rows, of which none are taken."""
    is_table = data.source.scalar_columns and not isinstance(getattr(data.source, "path", None), Mapping)
    own = getattr(data.source, "split", None)
    return is_table and own is None and data.split.validation is None and data.split.by is None


LINT = Lint(
    code="unwatched-stop",
    meaning="Early stopping watches no rows that are set aside.",
    why="Early stopping ends a training when the network no longer gets better on rows that it has not seen. On the "
    "rows it trains on it gets better nearly always, and so is stopped too late or never.",
    find=_find,
    bad="""\
netspec: 1
data: {source: {sklearn: iris}}
network:
  inputs: {x: [4]}
  layers: [{dense: 3}]
loss: cross_entropy
optimizer: adam
train: {seed: 1, early_stop: {patience: 5, split: train}}
""",
    good="""\
netspec: 1
data: {source: {sklearn: iris}, split: {validation: 0.2}}
network:
  inputs: {x: [4]}
  layers: [{dense: 3}]
loss: cross_entropy
optimizer: adam
train: {seed: 1, early_stop: {patience: 5}}
""",
)
