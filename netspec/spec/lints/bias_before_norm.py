"""A bias that the batch normalisation behind it takes away."""

from __future__ import annotations

from collections.abc import Iterator

from netspec.spec.lints.lint import Finding, Lint, Subject, activation_of


def _find(subject: Subject) -> Iterator[Finding]:
    for node in subject.nodes.values():
        has_bias = subject.has_own_weights(node.path) and f"{node.path}.bias" in subject.model.parameters
        if not has_bias or getattr(node.layer, "bias", None) is not True or activation_of(node) is not None:
            continue
        reader = subject.only_reader(node.path)
        layer = reader.layer if reader else None
        if layer is None or reader is None or layer.kind != "batch_norm":
            continue
        if not reader.common.freeze:
            yield Finding(
                f"`{reader.path}` takes the bias of `{node.path}` away again with the mean of the batch",
                node.span,
                helps=("leave it out: `bias: false`; the normalisation has a bias of its own",),
            )


LINT = Lint(
    code="bias-before-norm",
    meaning="A layer has a bias, and batch normalisation follows it directly.",
    why="Batch normalisation subtracts the mean of each channel, and with it any number that was added to all of the "
    "channel. The bias has no effect and no gradient; it takes memory, and decays by `weight_decay`.",
    find=_find,
    bad="""\
netspec: 1
network:
  inputs: {image: [12, 12, 1]}
  layers: [{conv2d: {filters: 8, kernel: 3}}, batch_norm, relu, flatten, {dense: 10}]
""",
    good="""\
netspec: 1
network:
  inputs: {image: [12, 12, 1]}
  layers: [{conv2d: {filters: 8, kernel: 3, bias: false}}, batch_norm, relu, flatten, {dense: 10}]
""",
)
