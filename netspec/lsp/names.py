"""The names of a spec: where each is given, and everywhere it is used."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from netspec.catalog.activations import Activation
from netspec.catalog.layers import Layer
from netspec.diagnostics import Report, Span
from netspec.lsp.cursor import MARK
from netspec.lsp.text import Place, Text
from netspec.spec.blocks import is_name
from netspec.spec.items import Item, read_item
from netspec.spec.tree import Entry, List, Map, Node, Scalar, scalars
from netspec.spec.validation import family_of

Kind: TypeAlias = Literal[
    "layer", "input", "port", "block", "cell", "activation", "loss", "variable", "parameter", "field"
]

DEFINITIONS: Final[Mapping[str, Kind]] = {
    "blocks": "block",
    "cells": "cell",
    "activations": "activation",
    "losses": "loss",
}
"""The sections that give names to kinds."""

_EXPRESSION: Final = re.compile(r"\$?\$\{([^{}]*)\}?")
_WORD: Final = re.compile(r"[A-Za-z_][\w]*(?:\.\w+)*", re.ASCII)


@dataclass(eq=False)
class Symbol:
    """What a name stands for.

    ``place`` is where the name is given: of a layer without a name of its own, its kind; ``whole`` is all of it.
    """

    kind: Kind
    name: str
    place: Place
    whole: Place
    item: Item | None = None
    inner: Listing | None = None
    """The layers of a block."""
    value: Node | None = None

    @property
    def is_named(self) -> bool:
        """Whether the name is written, and not made of the kind."""
        return self.item is None or "name" in self.item.fields.entries


@dataclass(eq=False)
class Listing:
    """A list of layers with the names in it: the network's, or that of a block."""

    block: str = ""
    names: dict[str, Symbol] = field(default_factory=dict)
    order: list[Symbol] = field(default_factory=list)
    ports: dict[str, Symbol] = field(default_factory=dict)
    parameters: dict[str, Symbol] = field(default_factory=dict)


@dataclass(eq=False)
class Reference:
    """A use of a name: ``symbol`` is None if there is none of that name.

    ``choices`` are the names that could stand there; ``owner`` is the layer of which it names a value or a weight.
    """

    place: Place
    symbol: Symbol | None
    choices: Sequence[Symbol] = ()
    owner: Symbol | None = None


class Names:
    """All names of a spec with its includes."""

    def __init__(self, root: Map, sources: Mapping[str, str]) -> None:
        self.root = root
        self.texts = {file: Text(source) for file, source in sources.items()}
        self.symbols: list[Symbol] = []
        self.references: list[Reference] = []
        self.defined: dict[str, dict[str, Symbol]] = {section: {} for section in DEFINITIONS}
        self.variables: dict[str, Symbol] = {}
        self.fields: dict[str, Symbol] = {}
        self.network = Listing()
        self._seen: set[Place] = set()
        self._declare()
        self._refer()

    def at(self, file: str, offset: int) -> Symbol | Reference | None:
        """What is named at a place, be it given or used there."""
        named: Sequence[Symbol | Reference] = [*self.references, *self.symbols]
        found = [n for n in named if n.place.file == file and n.place.start <= offset <= n.place.end]
        return min(found, key=lambda n: n.place.end - n.place.start, default=None)

    def uses(self, symbol: Symbol) -> list[Place]:
        """Where a name is used, beside where it is given."""
        return [reference.place for reference in self.references if reference.symbol is symbol]

    def kinds(self) -> dict[str, Symbol]:
        """What the spec defines and layers can name."""
        return {name: s for section in ("blocks", "cells", "activations") for name, s in self.defined[section].items()}

    # --- what gives names ---

    def _declare(self) -> None:
        for section, kind in DEFINITIONS.items():
            for entry in _entries(self.root.get(section)):
                self.defined[section][entry.key] = self._symbol(kind, entry)
        for entry in _entries(self.root.get("vars")):
            self.variables[entry.key] = self._symbol("variable", entry)
        data, network = self.root.get("data"), self.root.get("network")
        for entry in _entries(_get(data, "fields")):
            self.fields[entry.key] = self._symbol("field", entry)
        for entry in _entries(_get(network, "inputs")):
            self.network.names[entry.key] = self._symbol("input", entry)
        for block in self.defined["blocks"].values():
            block.inner = self._block(block)
        self._layers(_get(network, "layers"), self.network)

    def _block(self, block: Symbol) -> Listing:
        listing, body = Listing(block.name), block.value
        for entry in _entries(_get(body, "params")):
            listing.parameters[entry.key] = self._symbol("parameter", entry)
        for node in _items(_get(body, "inputs")):
            if isinstance(node, Scalar) and isinstance(node.value, str):
                listing.names[node.value] = self._add(Symbol("input", node.value, self._exact(node), self._place(node)))
        for entry in _entries(_get(body, "outputs")):
            listing.ports[entry.key] = self._symbol("port", entry)
        self._layers(_get(body, "layers"), listing)
        return listing

    def _layers(self, node: Node | None, listing: Listing) -> None:
        counts: Counter[str] = Counter()
        for each in _items(node):
            item = item_at(each)
            if item is None:
                continue
            counts[item.kind] += 1
            own = item.fields.get("name")
            is_own = isinstance(own, Scalar) and isinstance(own.value, str) and is_name(own.value)
            name = str(own.value) if is_own and isinstance(own, Scalar) else f"{item.kind}_{counts[item.kind]}"
            place = self._exact(own) if is_own and isinstance(own, Scalar) else self._at(item.kind_span)
            symbol = self._add(Symbol("layer", name, place, self._place(each), item, value=each))
            listing.order.append(symbol)
            listing.names.setdefault(name, symbol)

    def _symbol(self, kind: Kind, entry: Entry) -> Symbol:
        place = self._at(entry.key_span)
        value = self._place(entry.value)
        whole = Place(place.file, place.start, max(place.end, value.end)) if value.file == place.file else place
        return self._add(Symbol(kind, entry.key, place, whole, value=entry.value))

    def _add(self, symbol: Symbol) -> Symbol:
        self.symbols.append(symbol)
        return symbol

    # --- what uses names ---

    def _refer(self) -> None:
        listings = [self.network, *(b.inner for b in self.defined["blocks"].values() if b.inner is not None)]
        for listing in listings:
            for index, symbol in enumerate(listing.order):
                self._item(symbol, listing, self._above(listing, index))
            for port in listing.ports.values():
                self._paths(port.value, listing, listing.order)
        root = self.root
        self._paths(_get(root.get("network"), "output"), self.network, self.network.order)
        decode = root.get("decode")
        self._paths(_get(decode, "output"), self.network, self.network.order)
        self._paths(_get(decode, "input"), self.network, list(self.network.names.values()))
        self._bound(root.get("loss"), "loss")
        self._bound(root.get("metrics"), "metrics")
        self._measured()
        for key, entry in root.entries.items():
            if key not in ("blocks", "network"):
                self._expressions(entry.value, self.variables)
        self._expressions(root.get("network"), self.variables)
        for block in self.defined["blocks"].values():
            if block.inner is not None:
                self._expressions(_get(block.value, "layers"), block.inner.parameters)
        for given in self.network.names.values():
            if given.kind == "input" and given.name in self.fields:
                self._refer_to(given.place, self.fields[given.name], ())

    def _above(self, listing: Listing, index: int) -> list[Symbol]:
        inputs = [symbol for symbol in listing.names.values() if symbol.kind == "input"]
        return [*inputs, *listing.order[:index]]

    def _item(self, symbol: Symbol, listing: Listing, above: Sequence[Symbol]) -> None:
        item = symbol.item
        assert item is not None
        kinds = self.kinds()
        self._kind(item, kinds)
        layer = None if item.kind in kinds else Layer.kinds.get(item.kind)
        fields = item.fields
        self._paths(fields.get("from"), listing, above)
        if isinstance(layer, type) and issubclass(layer, Layer):
            if layer.many:
                self._paths(item.main, listing, above)
            for key in layer.references:
                self._paths(fields.get(key), listing, above)
            for name, given in layer.model_fields.items():
                if family_of(given.annotation) is Activation:
                    self._activation(fields.get(given.alias or name))
        same = [other for other in above if other.item is not None and other.item.kind == item.kind]
        share = fields.get("share")
        self._paths(share, listing, above if isinstance(share, Map) else same)
        block = kinds.get(item.kind)
        if block is not None and block.inner is not None:
            for entry in _entries(fields.get("init")):
                self._path(entry.key, self._at(entry.key_span), block.inner, block.inner.order)
            for key, parameter in block.inner.parameters.items():
                if key in fields.entries:
                    self._refer_to(self._at(fields.entries[key].key_span), parameter, ())

    def _activation(self, node: Node | None) -> None:
        item = item_at(node)
        if item is not None:
            self._kind(item, self.defined["activations"])

    def _kind(self, item: Item, known: Mapping[str, Symbol]) -> None:
        """The kind of an item, if the spec defines it; by `${}` it may be the value of a variable."""
        alone = _EXPRESSION.fullmatch(item.kind)
        variable = self.variables.get(alone[1].strip()) if alone else None
        if variable is not None and isinstance(variable.value, Scalar):
            named = str(variable.value.value)
            self._refer_to(self._exact(variable.value), known.get(named), list(known.values()), only_known=True)
        else:
            self._refer_to(self._at(item.kind_span), known.get(item.kind), list(known.values()), only_known=True)

    def _bound(self, node: Node | None, section: str) -> None:
        """Losses or metrics: what they read, what they compare with, and which the spec defines."""
        for each in _items(node) if isinstance(node, List) else [node]:
            item = item_at(each)
            if item is None:
                continue
            self._kind(item, self.defined["losses"] if section == "loss" else {})
            self._paths(item.fields.get("from"), self.network, self.network.order)
            for key in ("target", "sample_weight"):
                given = item.fields.get(key)
                if isinstance(given, Scalar) and isinstance(given.value, str):
                    found = self.fields.get(given.value)
                    self._refer_to(self._exact(given), found, list(self.fields.values()))

    def _measured(self) -> None:
        """Metrics by name, which with several outputs begin with that of the layer."""
        train, expect = self.root.get("train"), self.root.get("expect")
        schedule = item_at(self.root.get("schedule"))
        select = _get(train, "select")
        named = [select, _get(select, "metric"), _get(_get(train, "early_stop"), "metric")]
        named.append(schedule.fields.get("metric") if schedule else None)
        for node in named:
            if isinstance(node, Scalar) and isinstance(node.value, str) and "." in node.value:
                self._path(node.value, self._exact(node), self.network, self.network.order)
        for split in ("train", "validation", "test"):
            for entry in _entries(_get(expect, split)):
                if "." in entry.key:
                    self._path(entry.key, self._at(entry.key_span), self.network, self.network.order)

    def _paths(self, node: Node | None, listing: Listing, choices: Sequence[Symbol]) -> None:
        """Every path of a scalar, a list or the values of a map."""
        for scalar in scalars(node) if node is not None else ():
            if isinstance(scalar.value, str):
                self._path(scalar.value, self._exact(scalar), listing, choices)

    def _path(self, text: str, place: Place, listing: Listing, choices: Sequence[Symbol]) -> None:
        """Names that dots lead inwards through."""
        start, inside = place.start, listing
        for step in text.split("."):
            end = start + len(step)
            found = inside.names.get(step) or (inside.ports.get(step) if inside is not listing else None)
            known = [*inside.ports.values(), *inside.order] if inside is not listing else choices
            if not step.isdigit():
                self._refer_to(Place(place.file, start, end), found, known)
                below = self._inside(found)
                if below is None:
                    if found is not None and end < place.end:
                        rest = Place(place.file, end + 1, place.end)
                        self.references.append(Reference(rest, None, owner=found))
                    return
                inside = below
            start = end + 1

    def _inside(self, symbol: Symbol | None) -> Listing | None:
        """The layers of the block that a layer uses."""
        block = self.defined["blocks"].get(symbol.item.kind) if symbol is not None and symbol.item else None
        return block.inner if block is not None else None

    def _expressions(self, node: Node | None, names: Mapping[str, Symbol]) -> None:
        """What stands in `${}`."""
        for scalar in scalars(node) if node is not None else ():
            if isinstance(scalar.value, str) and "${" in scalar.value:
                place = self._place(scalar)
                raw = self.texts[place.file].source[place.start : place.end]
                for found in _EXPRESSION.finditer(raw):
                    if not found[0].startswith("$$"):
                        self._words(found[1], place.file, place.start + found.start(1), names)

    def _words(self, text: str, file: str, start: int, names: Mapping[str, Symbol]) -> None:
        for word in _WORD.finditer(text):
            place = Place(file, start + word.start(), start + word.end())
            parts = word[0].split(".")
            if parts[0] == "data" and len(parts) > 1:
                at = place.start + len("data.")
                known = self.fields.get(parts[1])
                self._refer_to(Place(file, at, at + len(parts[1])), known, list(self.fields.values()))
            else:
                self._refer_to(place, names.get(word[0]), list(names.values()))

    def _refer_to(
        self, place: Place, symbol: Symbol | None, choices: Sequence[Symbol], *, only_known: bool = False
    ) -> None:
        text = self.texts[place.file].source if place.file in self.texts else ""
        is_built_in = only_known and symbol is None and MARK not in text[place.start : place.end]
        if place in self._seen or is_built_in:  # seen: a value that an alias repeats
            return
        self._seen.add(place)
        self.references.append(Reference(place, symbol, choices))

    # --- places ---

    def _at(self, span: Span) -> Place:
        text = self.texts.get(span.file)
        return text.place_of(span) if text is not None else Place(span.file, 0, 0)

    def _place(self, node: Node) -> Place:
        return self._at(node.span)

    def _exact(self, node: Scalar) -> Place:
        """Where the very text of a scalar stands, without its quotes."""
        place = self._place(node)
        text = self.texts.get(place.file)
        at = text.source.find(str(node.value), place.start, place.end) if text is not None else -1
        return place if at < 0 else Place(place.file, at, at + len(str(node.value)))


def item_at(node: Node | None) -> Item | None:
    """The item at ``node``, if it is one."""
    return None if node is None else read_item(node, "item", Report())


def _get(node: Node | None, key: str) -> Node | None:
    return node.get(key) if isinstance(node, Map) else None


def _entries(node: Node | None) -> Iterator[Entry]:
    yield from node.entries.values() if isinstance(node, Map) else ()


def _items(node: Node | None) -> Iterator[Node]:
    yield from node.items if isinstance(node, List) else ()
