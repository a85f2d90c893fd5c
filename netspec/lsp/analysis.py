"""What netspec says of a text as it stands: its faults, its names, and what its layers come to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from netspec.compiler.graph import Value
from netspec.diagnostics import Diagnostic, Report, Span, in_order
from netspec.lsp.names import Names
from netspec.spec.check import check, check_shapes
from netspec.spec.definitions import read_definitions
from netspec.spec.document import KEYS, Document
from netspec.spec.include import resolve_includes
from netspec.spec.lowering import Model
from netspec.spec.network import ValueRef
from netspec.spec.parameters import Parameter
from netspec.spec.tree import Map, Node
from netspec.spec.yaml import read_text
from netspec.tensortype import Dim, sample_shape, show_shape, total

_BEGINS: Final = re.compile(r"^\ufeff?[\"']?netspec[\"']?[ \t]*:", re.MULTILINE)


class Layer(NamedTuple):
    """What a layer, or the use of a block, comes to: its path, the shape of a sample, and the weights that learn."""

    path: str
    output: str
    parameters: Dim


@dataclass(frozen=True)
class Analysis:
    """A text and what was found out of it; ``names`` is None where it could not be read."""

    file: str
    text: str
    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, str]
    names: Names | None = None
    document: Document | None = None

    def layers(self, span: Span) -> list[Layer]:
        """What becomes of the item whose kind stands at ``span``: one for each use of the list that it is in."""
        document = self.document
        if document is None:
            return []
        uses = (use.path for node in document.network.nodes for use in node.uses if use.span == span)
        return [self._layer(path, document) for path in dict.fromkeys(uses)]

    def inside(self, path: str) -> list[str]:
        """The ports and weights of a layer."""
        ports = [ref.port for ref in self._values if ref.path == path and ref.port]
        weights = [key[len(path) + 1 :] for key in self._parameters if key.startswith(f"{path}.")]
        return list(dict.fromkeys([*ports, *weights]))

    def _layer(self, path: str, document: Document) -> Layer:
        ref = document.network.values.get(path)
        value = None if ref is None else self._values.get(ref)
        output = "" if value is None else show_shape(sample_shape(value.type.shape))
        own = [p.size for key, p in self._parameters.items() if key.startswith(f"{path}.") and not p.statistic]
        return Layer(path, output, total(own))

    @cached_property
    def _built(self) -> tuple[Model, Mapping[ValueRef, Value]]:
        assert self.document is not None
        return check_shapes(self.document, Report())

    @property
    def _values(self) -> Mapping[ValueRef, Value]:
        return self._built[1] if self.document is not None else {}

    @property
    def _parameters(self) -> Mapping[str, Parameter]:
        return self._built[0].parameters if self.document is not None else {}


def analyze(text: str, file: str) -> Analysis:
    """Read a text that is called ``file``, from whose folder its paths lead.

    A file without `netspec` and without `network` is a part that others include: only what it defines is checked. One
    that is no spec at all is let alone.
    """
    report = Report()
    tree = read_text(text, file, report)
    if tree is None:
        is_ours = _BEGINS.search(text) is not None
        return Analysis(file, text, tuple(in_order(report.diagnostics)) if is_ours else (), report.sources)
    root = resolve_includes(tree, file, report) if _is_ours(tree) else None
    if root is None:
        return Analysis(file, text, (), report.sources)
    names = Names(root, report.sources)
    if isinstance(tree, Map) and not tree.entries.keys() & {"netspec", "network"}:
        read_definitions(root, None, report)
        return Analysis(file, text, tuple(in_order(report.diagnostics)), report.sources, names)
    checked = check(text, name=file)
    found = checked.report
    return Analysis(file, text, tuple(in_order(found.diagnostics)), found.sources, names, checked.document)


def _is_ours(tree: Node) -> bool:
    """Whether it is a spec, or a part of one."""
    return isinstance(tree, Map) and ("netspec" in tree.entries or tree.entries.keys() <= KEYS.keys())


def read_sources(root: Map, text: str, file: str) -> tuple[Map, Mapping[str, str]]:
    """A tree with what it includes, and the text of every file."""
    report = Report({file: text})
    return resolve_includes(root, file, report) or root, report.sources
