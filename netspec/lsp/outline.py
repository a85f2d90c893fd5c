"""The outline of a spec: its sections, what it defines, and its layers."""

from __future__ import annotations

from dataclasses import dataclass

from netspec.lsp.analysis import Analysis
from netspec.lsp.names import Kind, Listing, Symbol
from netspec.lsp.text import Place
from netspec.spec.document import KEYS


@dataclass(frozen=True)
class Heading:
    """A line of the outline: ``place`` is its name, ``whole`` all that it stands for."""

    name: str
    detail: str
    kind: Kind | None
    place: Place
    whole: Place
    below: tuple[Heading, ...] = ()


def outline(analysis: Analysis) -> list[Heading]:
    """The sections of the file, in its order."""
    names = analysis.names
    if names is None:
        return []
    text = names.texts[analysis.file]
    found = []
    for key, entry in names.root.entries.items():
        if key in KEYS and entry.key_span.file == analysis.file:
            place, value = text.place_of(entry.key_span), text.place_of(entry.value.span)
            whole = place._replace(end=max(place.end, value.end))
            below = tuple(_in_section(analysis, key))
            found.append(Heading(key, "", None, place, whole, below))
    return sorted(found, key=lambda heading: heading.place.start)


def _in_section(analysis: Analysis, key: str) -> list[Heading]:
    names = analysis.names
    assert names is not None
    if key == "network":
        inputs = [symbol for symbol in names.network.names.values() if symbol.kind == "input"]
        return [*_headings(analysis, inputs), *_layers(analysis, names.network)]
    if key == "vars":
        return _headings(analysis, list(names.variables.values()))
    if key == "data":
        return _headings(analysis, list(names.fields.values()))
    return _headings(analysis, list(names.defined.get(key, {}).values()))


def _headings(analysis: Analysis, symbols: list[Symbol]) -> list[Heading]:
    return [
        Heading(s.name, "", s.kind, s.place, s.whole, tuple(_layers(analysis, s.inner)) if s.inner is not None else ())
        for s in symbols
        if s.place.file == analysis.file
    ]


def _layers(analysis: Analysis, listing: Listing) -> list[Heading]:
    found = []
    for symbol in listing.order:
        if symbol.item is not None and symbol.whole.file == analysis.file:
            layers = analysis.layers(symbol.item.kind_span)
            output = f" {layers[0].output}" if layers and layers[0].output else ""
            found.append(Heading(symbol.name, f"{symbol.item.kind}{output}", "layer", symbol.place, symbol.whole))
    return found
