"""Items: a name, or one key that holds its fields; which kind a name means, and the instance that comes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from netspec.catalog.activations import Activation
from netspec.catalog.initializers.initializer import Initializer
from netspec.catalog.layers import Layer
from netspec.declared import Declared
from netspec.diagnostics import Report, Span, suggestion
from netspec.spec import otherwords
from netspec.spec.tree import Entry, List, Map, Node, Scalar, describe, is_broken, shorten
from netspec.spec.validation import Place, build

COMMON: Final[Mapping[str, str]] = {
    "name": "What others call the layer, and what its weights are called by; else `KIND_N`, the N-th of its kind.",
    "from": "What it reads, a name that stands above it, or a list of them; else the item above it.",
    "repeat": "So many copies in a chain, each with its own weights: `NAME.1` to `NAME.n`.",
    "share": "The layer whose weights it takes; or a map of weights, `{kernel: code.kernel.T}`.",
    "freeze": "`true` keeps its weights as they are.",
    "lr_scale": "What the learning rate of its weights is multiplied by; by default 1.",
    "init": "What its weights start with: an initializer for the kernel, or a map from weights to initializers.",
    "regularize": "What keeps its weights small.",
}
"""What every layer takes beside its own fields, and what it means."""

_SAY_KIND: Final = ("type", "kind", "class", "class_name")
"""The keys under which other tools write the kind: `{type: adam, lr: 1e-3}`."""


@dataclass(frozen=True)
class Item:
    """A kind and what is said of it: ``fields`` are keys, ``main`` a bare scalar or list."""

    kind: str
    kind_span: Span
    span: Span
    fields: Map
    main: Node | None = None
    is_broken: bool = False


def read_item(node: Node, what: str, report: Report) -> Item | None:
    """The item at ``node``; ``what`` it should be is for messages."""
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return Item(node.value, node.span, node.span, Map({}, node.span))
    if not isinstance(node, Map):
        if not is_broken(node):
            message = f"{_a(what)} is a name or one key with its fields, got {describe(node)}"
            report.error("bad-item", message, node.span)
        return None
    if len(node.entries) != 1:
        report.error("bad-item", *_not_one_key(node, what), helps=_one_key_help(node))
        return None
    (entry,) = node.entries.values()
    if is_broken(entry.value):
        return None
    if isinstance(entry.value, Map):
        return Item(entry.key, entry.key_span, node.span, entry.value)
    return Item(entry.key, entry.key_span, node.span, Map({}, entry.value.span), entry.value)


def _not_one_key(node: Map, what: str) -> tuple[str, Span]:
    keys = list(node.entries.values())
    if not keys:
        return f"{_a(what)} is a name or one key with its fields, got an empty map", node.span
    shown = ", ".join(f"`{entry.key}`" for entry in keys[:4]) + (", ..." if len(keys) > 4 else "")
    return f"{_a(what)} has one key, its kind, got {shown}", keys[1].key_span


def _one_key_help(node: Map) -> list[str]:
    keys = list(node.entries)
    if len(keys) < 2:
        return []
    first = next((key for key in keys if key not in COMMON), keys[0])
    rest = [key for key in keys if key != first]
    named = node.entries[first].value
    if first in _SAY_KIND and isinstance(named, Scalar) and isinstance(named.value, str):
        first = named.value
    inner = ", ".join(f"{key}: ..." for key in rest[:3])
    return [f"put the fields inside: `{shorten(first)}: {{{inner}}}`"]


def _a(what: str) -> str:
    return f"an {what}" if what[0] in "aeiou" else f"a {what}"


def with_main(item: Item, main: str | None, report: Report) -> Map | None:
    """The fields with the bare value under the key that it is short for."""
    if item.main is None:
        return item.fields
    if main is None:
        helps = [f"write `{item.kind}` alone, or its fields as a map: `{item.kind}: {{...}}`"]
        message = f"`{shorten(item.kind)}` has no main field, so it takes no bare value"
        report.error("wrong-type", message, item.main.span, helps=helps)
        return None
    return Map({main: Entry(main, item.main.span, item.main)}, item.main.span)


@dataclass
class Kinds:
    """Which kinds there are: those of the catalog, hidden by what the spec defines."""

    report: Report
    base: Path | None = None
    activations: dict[str, type[Activation]] = field(default_factory=dict)
    cells: dict[str, type[Layer]] = field(default_factory=dict)
    names: dict[str, Span] = field(default_factory=dict)
    """What the spec defines and layers can name, with its place: blocks, cells, activations."""
    broken: set[str] = field(default_factory=set)
    """What the spec defines wrongly; its uses say nothing more."""

    def layer(self, kind: str) -> type[Layer] | None:
        """The layer of that kind; None if there is none, or the spec calls something else so."""
        found = self.cells.get(kind) if kind in self.names else Layer.kinds.get(kind)
        return cast("type[Layer] | None", found)

    def make(self, node: Node, family: type[Declared]) -> Declared | None:
        """The instance that the item at ``node`` describes; None when its fault is in the report."""
        if family is Initializer:
            node = self._as_initializer(node)
        item = read_item(node, family.family, self.report)
        if item is None:
            return None
        model = self.find(item, family)
        return None if model is None else self.instance(item, model)

    def find(self, item: Item, family: type[Declared]) -> type[Declared] | None:
        if family is Activation:
            if item.kind in self.activations:
                return self.activations[item.kind]
            if item.kind in self.broken:
                return None
        model = family.kinds.get(item.kind)
        if model is None:
            unknown_kind(item, family.family, known_kinds(family, self.activations), self.report)
        return model

    def instance(self, item: Item, model: type[Declared], fields: Map | None = None) -> Declared | None:
        """``model`` filled from the item; ``fields`` if they were taken from it already."""
        found = with_main(item, model.main_field(), self.report) if fields is None else fields
        if found is None:
            return None
        others = {key: f"`{key}` belongs to layers" for key in COMMON} if model.family != "layer" else None
        if others and model.family == "activation":
            # In other tools `linear` is a layer with weights.
            advice = f"an activation has no weights: `dense: {{units: ..., activation: {item.kind}}}`"
            others |= dict.fromkeys(("units", "out_features", "in_features"), advice)
        also = tuple(COMMON) if model.family == "layer" else ()
        place = Place(f"`{item.kind}`", item.kind_span, others, also)
        return build(model, found, place, self.report, self.make)

    def path(self, text: str, span: Span) -> Path:
        """A path in the spec: relative to the file that it stands in, or to the base that was given."""
        is_file = not span.file.startswith(("<", "--"))
        return (self.base or (Path(span.file).parent if is_file else Path())) / text

    def _as_initializer(self, node: Node) -> Node:
        """A bare number is a constant, a bare list the very values; the path of a file is where it really lies."""
        if isinstance(node, Map) and len(node.entries) == 1:
            file = node.get("file")
            if isinstance(file, Scalar) and isinstance(file.value, str):
                return node.with_value("file", Scalar(str(self.path(file.value, file.span)), file.span))
        is_number = (
            isinstance(node, Scalar) and isinstance(node.value, int | float) and not isinstance(node.value, bool)
        )
        kind = "constant" if is_number else "given" if isinstance(node, List) else None
        return node if kind is None else Map({kind: Entry(kind, node.span, node)}, node.span)


def known_kinds(family: type[Declared], activations: Mapping[str, object] = {}) -> list[str]:
    own = list(activations) if family is Activation else []
    return own + list(family.kinds)


def unknown_kind(item: Item, what: str, choices: Iterable[str], report: Report) -> None:
    """Say that there is no such kind, and which was meant."""
    if report.full:
        return
    known = list(choices)
    called = otherwords.meant(item.kind, known, otherwords.KINDS)
    near = suggestion(item.kind, known)
    helps = [f"it is called `{called}`"] if called else [f"did you mean `{near}`?"] if near else []
    if not helps and 0 < len(known) <= 12:
        helps = [f"there are {', '.join(f'`{name}`' for name in known)}"]
    report.error("unknown-kind", f"there is no {what} `{shorten(item.kind)}`", item.kind_span, helps=helps)
