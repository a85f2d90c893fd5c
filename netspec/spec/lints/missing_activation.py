"""Two dense layers with nothing between them that is not linear."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from netspec.catalog.layers import Activate
from netspec.spec.lints.lint import Finding, Lint, Subject, activation_of
from netspec.spec.network import LayerNode

# What changes nothing that a product of matrices could not.
_LINEAR: Final = ("flatten", "reshape", "dropout")


def _find(subject: Subject) -> Iterator[Finding]:
    for node in subject.nodes.values():
        if not _is_plain(node, subject):
            continue
        reader = subject.only_reader(node.path)
        while reader is not None and _passes_on(reader):
            reader = subject.only_reader(reader.path)
        if reader is not None and _is_dense(reader, subject) and not _narrows(node, reader, subject):
            yield Finding(
                f"`{reader.path}` reads `{node.path}` with no activation between: together they are one dense layer",
                node.span,
                helps=(f"give `{node.path}` an activation, as in `activation: relu`", "or leave one of the two out"),
            )


def _is_dense(node: LayerNode, subject: Subject) -> bool:
    return node.layer is not None and node.layer.kind == "dense" and subject.has_own_weights(node.path)


def _is_plain(node: LayerNode, subject: Subject) -> bool:
    return _is_dense(node, subject) and activation_of(node) is None


def _passes_on(node: LayerNode) -> bool:
    layer = node.layer
    is_identity = isinstance(layer, Activate) and activation_of(node) is None
    return layer is not None and (layer.kind in _LINEAR or is_identity)


def _narrows(first: LayerNode, second: LayerNode, subject: Subject) -> bool:
    """Whether the first layer has fewer units than it reads and than the second gives; so too if that is not known.

    Then the two say less than one could, in fewer weights: a code, or a product of low rank, as it is meant.
    """
    read, code, given = _width(first, subject, "in"), _width(first, subject, "out"), _width(second, subject, "out")
    return read is None or code is None or given is None or code < min(read, given)


def _width(node: LayerNode, subject: Subject, side: str) -> int | None:
    kernel = subject.model.parameters.get(f"{node.path}.kernel")
    size = None if kernel is None else kernel.shape[0 if side == "in" else -1]
    return size if isinstance(size, int) else None


LINT = Lint(
    code="missing-activation",
    meaning="Two dense layers follow each other with no activation between them.",
    why="A product of two matrices is a matrix: without an activation between them two dense layers compute nothing "
    "that one could not, with more weights and slower learning. A first layer that is narrower than what it reads"
    " and than what the second gives is left in peace: it is a code, or a product of low rank.",
    find=_find,
    bad="""\
netspec: 1
network:
  inputs: {x: [16]}
  layers: [{dense: 64}, {dense: 4}]
""",
    good="""\
netspec: 1
network:
  inputs: {x: [16]}
  layers: [{dense: {units: 64, activation: relu}}, {dense: 4}]
""",
)
