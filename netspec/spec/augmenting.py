"""Which augmentations change which inputs of a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from netspec.catalog.augmentations import Augmentation, Mixing, size_after
from netspec.catalog.optimizers import Rule
from netspec.data.fieldtype import FieldType
from netspec.diagnostics import Report, Span, suggestion
from netspec.spec.document import Document
from netspec.spec.tree import List, Map
from netspec.tensortype import ShapeError, known

AUGMENT = "data.augment."
"""Before the name of an augmentation: where its random numbers are drawn."""


@dataclass(frozen=True)
class Augmented:
    """A field that is augmented: what is done to it, by the names of the items, and its type afterwards."""

    items: Mapping[str, Augmentation]
    spans: Mapping[str, Span | None]
    type: FieldType


@dataclass(frozen=True)
class Mixed:
    """The augmentation that mixes pairs of samples: its name, and the field that it changes."""

    name: str
    field: str
    item: Mixing


@dataclass(frozen=True)
class _Named:
    """An item of the list, called ``KIND_N`` as an unnamed layer would be."""

    name: str
    item: Augmentation
    span: Span | None


def augmentations(document: Document, fields: Mapping[str, FieldType], report: Report) -> dict[str, Augmented]:
    """The fields that are augmented, as far as ``fields`` tells what they are; faults go to ``report``."""
    found: dict[str, list[_Named]] = {}
    for named in _named(document):
        name = _image(named, document, fields, report)
        if name is not None:
            found.setdefault(name, []).append(named)
    made = {name: _augmented(name, items, fields[name], report) for name, items in found.items()}
    return {name: one for name, one in made.items() if one is not None}


def mixing(document: Document, given: Mapping[str, Augmented], report: Report) -> Mixed | None:
    """The one augmentation that mixes samples, if there is one; faults go to ``report``."""
    found = [
        Mixed(name, field, item)
        for field, one in given.items()
        for name, item in one.items.items()
        if isinstance(item, Mixing)
    ]
    if len(found) > 1:
        span = given[found[1].field].spans[found[1].name]
        message = f"there is a `{found[0].item.kind}` of `{found[0].field}` already, and targets are mixed once"
        report.error("repeated-augmentation", message, span, helps=["keep one of them"])
    if found and isinstance(document.optimizer, Rule):
        span = given[found[0].field].spans[found[0].name]
        message = f"`{found[0].item.kind}` mixes losses, and `{document.optimizer.kind}` learns without"
        report.error("rule-without-loss", message, span, helps=["use an optimizer, such as `sgd`", "leave it out"])
    return found[0] if found else None


def _named(document: Document) -> list[_Named]:
    if document.data is None:
        return []
    items = document.data.augment
    section = document.tree.get("data")
    nodes = section.get("augment") if isinstance(section, Map) else None
    spans = [node.span for node in nodes.items] if isinstance(nodes, List) else [None] * len(items)
    counts: dict[str, int] = {}
    found = []
    for item, span in zip(items, spans, strict=True):
        counts[item.kind] = counts.get(item.kind, 0) + 1
        found.append(_Named(f"{item.kind}_{counts[item.kind]}", item, span))
    return found


def _image(named: _Named, document: Document, fields: Mapping[str, FieldType], report: Report) -> str | None:
    """The input that an augmentation changes; None where that is told to be wrong, or is not known yet."""
    inputs = [given.name for given in document.network.inputs]
    kind, chosen = named.item.kind, named.item.of
    if chosen is not None:
        if chosen not in inputs:
            near = suggestion(chosen, inputs)
            helps = [f"did you mean `{near}`?"] if near else [f"it reads {_listed(inputs)}"] if inputs else []
            report.error("unknown-field", f"the network reads no `{chosen}`", named.span, helps=helps)
            return None
        inputs = [chosen]
    if any(name not in fields for name in inputs):
        return None
    images = [name for name in inputs if fields[name].kind == "image"]
    if len(images) > 1:
        message = f"`{kind}` does not say which image it changes, and it could be {_listed(images)}"
        report.error("ambiguous-image", message, named.span, helps=[f"add `of: {images[0]}`"])
        return None
    if not images:
        notes = [f"`{name}` is {fields[name]}" for name in inputs[:4]]
        helps = ["make an image of a column of pixels: `fields: {NAME: {image: COLUMN}}`"]
        message = f"`{kind}` changes images, and the network reads none"
        report.error("not-an-image", message, named.span, notes=notes, helps=helps)
        return None
    return images[0]


def _augmented(name: str, items: list[_Named], type_: FieldType, report: Report) -> Augmented | None:
    first: dict[str, _Named] = {}
    for named in items:
        other = first.setdefault(named.item.kind, named)
        if other is not named and named.item.once:
            where = f", line {other.span.line}" if other.span else ""
            message = f"there is a `{named.item.kind}` of `{name}` already{where}"
            report.error("repeated-augmentation", message, named.span, helps=["keep one of them"])
            return None
    named_items = {named.name: named.item for named in items}
    spans = {named.name: named.span for named in items}
    if type_.shape is None:
        return Augmented(named_items, spans, type_)
    height, width, channels = type_.shape
    size = (known(height), known(width))
    for named in items:
        try:
            size = size_after({named.name: named.item}, size)
        except ShapeError as error:
            helps = [error.advice] if error.advice else []
            report.error("shape-mismatch", str(error), named.span, helps=helps)
            return None
    return Augmented(named_items, spans, replace(type_, shape=(*size, channels)))


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names[:8])
