"""A training that needs more memory than there is, whatever is done to save some."""

from __future__ import annotations

from collections.abc import Iterator

from netspec.memory import amount, room
from netspec.spec.lints.lint import Finding, Lint, Subject
from netspec.spec.network import ValueRef
from netspec.spec.sizes import WORTH_TELLING
from netspec.tensortype import ITEM_BYTES, bind


def _find(subject: Subject) -> Iterator[Finding]:
    document = subject.document
    if document.optimizer is None or not subject.trains:
        return
    batch = document.train.batch
    if batch == "full":
        if subject.rows is None:
            return
        batch = subject.rows["train"]
    sizes = [p.size for p in subject.model.parameters.values() if p.trainable and isinstance(p.size, int)]
    weights = sum(sizes) * ITEM_BYTES["float32"] * (1 + len(document.optimizer.states))
    step = sum(_kept(subject, path, batch) for path in subject.nodes if subject.has_own_weights(path))
    if weights + step <= WORTH_TELLING:
        return
    left = room()
    # One weight that fits nowhere is told of its layer, and fewer rows would not help.
    if left is not None and max(sizes, default=0) * ITEM_BYTES["float32"] <= left.bytes < weights + step:
        needed, there = amount(weights + step), amount(left.bytes)
        yield Finding(
            f"training needs more than {needed} of memory, and {left.granted} {there} left",
            document.at("train", "batch") or document.spans.get("network"),
            notes=(
                f"weights and what the optimizer keeps of them take {amount(weights)}",
                f"what the layers give for a batch of {batch:,} rows takes {amount(step)}",
            ),
            helps=("take fewer rows at once: `train: {batch: ..., accumulate: ...}`",),
        )


def _kept(subject: Subject, path: str, batch: int) -> int:
    """What a layer gives for a batch, which is kept for the way back."""
    value = subject.values.get(ValueRef(path))
    count = bind(value.type.elements, {"B": batch}) if value is not None else 0
    return count * ITEM_BYTES[value.type.dtype] if value is not None and isinstance(count, int) else 0


LINT = Lint(
    code="more-memory",
    meaning="A training needs more memory than is left on this machine.",
    why="The weights, what the optimizer keeps of each, and what the layers with weights give for a batch have to be "
    "in memory at once. That is the least it takes: `netspec show` tells all of it. What is less than 1 GB is "
    "never told, as the free memory of a machine changes by as much.",
    find=_find,
    bad="""\
netspec: 1
data: {source: {random: {rows: 1000000, fields: {image: [512, 512, 3], y: [1]}}}}
network:
  inputs: {image: [512, 512, 3]}
  layers: [{conv2d: {filters: 64, kernel: 3, activation: relu}}, global_avg_pool2d, {dense: 1}]
loss: {mse: {target: y}}
optimizer: adam
train: {batch: 1000000, seed: 1}
""",
    good="""\
netspec: 1
data: {source: {random: {rows: 1000000, fields: {image: [512, 512, 3], y: [1]}}}}
network:
  inputs: {image: [512, 512, 3]}
  layers: [{conv2d: {filters: 64, kernel: 3, activation: relu}}, global_avg_pool2d, {dense: 1}]
loss: {mse: {target: y}}
optimizer: adam
train: {batch: 4, seed: 1}
""",
)
