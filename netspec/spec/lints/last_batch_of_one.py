"""A last batch of one row, whose statistics batch normalisation takes."""

from __future__ import annotations

from collections.abc import Iterator

from netspec.spec.lints.lint import Finding, Lint, Subject


def _find(subject: Subject) -> Iterator[Finding]:
    document, rows = subject.document, subject.rows
    batch = document.train.batch
    if not subject.trains or rows is None or batch == "full" or not subject.model.spreads:
        return
    count = rows["train"]
    if batch > 1 and count > batch and count % batch == 1:
        path = next(iter(subject.model.spreads))
        fits = next((n for n in range(batch + 1, batch + 100) if count % n != 1), batch + 1)
        yield Finding(
            f"the last batch of an epoch has one row, of which `{path}` takes mean and variance",
            document.at("train", "batch") or document.network.node(path).span,
            notes=(f"the split `train` has {count:,} rows, and `train.batch` is {batch:,}",),
            helps=(f"take more rows at once: `train: {{batch: {fits}}}`",),
        )


LINT = Lint(
    code="last-batch-of-one",
    meaning="The last batch of an epoch has one row, and batch normalisation takes its mean and variance.",
    why="Batch normalisation takes mean and variance over the rows of a batch and the places of each. Those of a "
    "single row are far from those of the data, and they move the running statistics as far as those of a whole "
    "batch do. Where a row has a single place the variance is 0, and the spec is refused.",
    find=_find,
    bad="""\
netspec: 1
data: {source: {random: {rows: 97, fields: {image: [8, 8, 1], y: [1]}}}}
network:
  inputs: {image: [8, 8, 1]}
  layers: [{conv2d: {filters: 4, kernel: 3, bias: false}}, batch_norm, relu, flatten, {dense: 1}]
loss: {mse: {target: y}}
optimizer: adam
train: {batch: 32, seed: 1}
""",
    good="""\
netspec: 1
data: {source: {random: {rows: 97, fields: {image: [8, 8, 1], y: [1]}}}}
network:
  inputs: {image: [8, 8, 1]}
  layers: [{conv2d: {filters: 4, kernel: 3, bias: false}}, batch_norm, relu, flatten, {dense: 1}]
loss: {mse: {target: y}}
optimizer: adam
train: {batch: 33, seed: 1}
""",
)
