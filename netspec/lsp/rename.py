"""Renaming: every place where a name is given or used, or why it cannot be done."""

from __future__ import annotations

from typing import Final

from netspec.catalog.activations import Activation
from netspec.catalog.layers import Layer
from netspec.diagnostics import Report
from netspec.lsp.names import Listing, Names, Symbol
from netspec.lsp.text import Place
from netspec.spec.blocks import is_name
from netspec.spec.definitions import read_definitions
from netspec.spec.items import COMMON, Item
from netspec.spec.tree import Scalar, shorten

Edit = tuple[Place, str]

_FIXED: Final = {
    "input": "an input is called as what it reads: a field of the data, or what a use of the block gives",
    "field": "the names of fields are those of the data's columns too: rename them by hand",
}


class RenameError(Exception):
    """The name cannot be changed, or not to that."""


def check(symbol: Symbol | None) -> Symbol:
    """The symbol, if it can be renamed.

    Raises:
        RenameError: if it cannot.
    """
    if symbol is None:
        raise RenameError("there is no name of this spec here")
    if symbol.kind in _FIXED:
        raise RenameError(_FIXED[symbol.kind])
    return symbol


def rename(names: Names, symbol: Symbol, new: str, main: str | None = None) -> list[Edit]:
    """What has to be written where, so that ``symbol`` is called ``new``.

    Args:
        names: All names of the spec.
        symbol: What is renamed; a layer without a name of its own gets one.
        new: The name.
        main: The field that a bare value of the layer's kind fills.

    Raises:
        RenameError: if it is no name, is taken, or stands somewhere in a way that cannot be changed.
    """
    if not is_name(new) or new == "input":
        raise RenameError(f"`{shorten(new)}` is no name: it is made of letters, digits and `_`, and is no number")
    if new in _neighbours(names, symbol):
        raise RenameError(f"the name `{new}` is taken")
    if symbol.kind == "parameter" and new in COMMON:
        raise RenameError(f"no parameter may be called `{new}`: every layer takes it")
    uses = names.uses(symbol)
    given = [(symbol.place, new)] if symbol.is_named else [_named(names, symbol, new, main)]
    for place in (*uses, *([symbol.place] if symbol.is_named else ())):
        written = names.texts[place.file].source[place.start : place.end]
        if written != symbol.name:
            raise RenameError(f"it is written as `{shorten(written)}` somewhere: change that first")
    return [*given, *((place, new) for place in uses)]


def _neighbours(names: Names, symbol: Symbol) -> set[str]:
    """The names that share a namespace with the symbol."""
    if symbol.kind == "variable":
        return set(names.variables)
    if symbol.kind == "loss":
        return set(names.defined["losses"])
    if symbol.kind in ("block", "cell", "activation"):
        return set(names.kinds())
    listings = [names.network, *(b.inner for b in names.defined["blocks"].values() if b.inner is not None)]
    own = next((listing for listing in listings if _holds(listing, symbol)), names.network)
    if symbol.kind == "layer":
        return set(own.names)
    return set(own.ports) if symbol.kind == "port" else set(own.parameters)


def _holds(listing: Listing, symbol: Symbol) -> bool:
    return symbol in (*listing.order, *listing.ports.values(), *listing.parameters.values())


def _named(names: Names, symbol: Symbol, new: str, main: str | None) -> Edit:
    """A layer that has no name of its own, with one."""
    item = symbol.item
    assert item is not None
    text = names.texts[symbol.place.file]
    kind = text.place_of(item.kind_span)
    if text.source[kind.start : kind.end] != item.kind:
        raise RenameError("give the layer a name first: its kind is made by `${}`")
    if isinstance(symbol.value, Scalar):
        return text.place_of(item.span)._replace(file=kind.file), f"{item.kind}: {{name: {new}}}"
    if item.main is not None:
        if main is None:
            raise RenameError(f"`{item.kind}` takes no bare value")
        value = text.place_of(item.main.span)
        written = text.source[value.start : value.end]
        if "\n" in written:
            raise RenameError(f"write the value of `{item.kind}` as its field `{main}` first")
        return value, f"{{{main}: {written}, name: {new}}}"
    return _in_map(names, item, new)


def _in_map(names: Names, item: Item, new: str) -> Edit:
    """The key `name` before the others of a map."""
    text = names.texts[item.fields.span.file]
    fields = text.place_of(item.fields.span)
    if text.source[fields.start : fields.start + 1] == "{":
        comma = ", " if item.fields.entries else ""
        return Place(fields.file, fields.start + 1, fields.start + 1), f"name: {new}{comma}"
    first = next(iter(item.fields.entries.values()))
    start = text.offset_of(first.key_span.line, first.key_span.column)
    indent = " " * (first.key_span.column - 1)
    newline = "\r\n" if "\r\n" in text.source else "\n"
    return Place(fields.file, start, start), f"name: {new}{newline}{indent}"


def main_of(names: Names, item: Item) -> str | None:
    """The field that a bare value of an item's kind fills."""
    if item.kind in names.kinds():
        found = read_definitions(names.root, None, Report())
        if item.kind in found.blocks:
            return found.blocks[item.kind].main
        own = found.kinds.cells.get(item.kind) or found.kinds.activations.get(item.kind)
        return own.main_field() if own is not None else None
    layer = Layer.kinds.get(item.kind)
    if isinstance(layer, type) and issubclass(layer, Layer):
        return "from" if layer.many else layer.main_field()
    function = Activation.kinds.get(item.kind)
    return function.main_field() if function is not None else None
