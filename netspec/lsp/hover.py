"""What stands at a place, in words."""

from __future__ import annotations

from netspec.lsp import grammar
from netspec.lsp.analysis import Analysis, Layer
from netspec.lsp.cursor import Step, path_at
from netspec.lsp.names import Names, Reference, Symbol
from netspec.lsp.text import Place
from netspec.spec.items import Item
from netspec.spec.tree import Map, Node, Scalar

_USES_SHOWN = 4


def hover(analysis: Analysis, offset: int) -> tuple[str, Place | None] | None:
    """Markdown about what stands at ``offset``, and its place."""
    names = analysis.names
    if names is None:
        return None
    found = names.at(analysis.file, offset)
    symbol = found.symbol if isinstance(found, Reference) else found
    item = _item_at(names, analysis.file, offset)
    text = ""
    if item is not None:
        text = _of_layer(analysis, item, names.kinds().get(item.kind))
    elif symbol is not None:
        text = _of_symbol(analysis, symbol)
    path = path_at(names.root, analysis.file, *names.texts[analysis.file].yaml_at(offset))
    if not text and path is not None:
        text = _of_language(path, names.root)
    return (text, found.place if found is not None and item is None else None) if text else None


def _item_at(names: Names, file: str, offset: int) -> Item | None:
    """The layer whose kind stands at a place."""
    text = names.texts[file]
    for symbol in names.symbols:
        if symbol.item is not None and symbol.item.kind_span.file == file:
            place = text.place_of(symbol.item.kind_span)
            if place.start <= offset <= place.end:
                return symbol.item
    return None


def _of_layer(analysis: Analysis, item: Item, defined: Symbol | None) -> str:
    parts = _facts(analysis.layers(item.kind_span), item.kind)
    parts.append(_definition(defined) if defined is not None else grammar.of_kind("layer", item.kind))
    return "\n\n".join(part for part in parts if part)


def _facts(layers: list[Layer], kind: str) -> list[str]:
    shown = []
    for layer in layers[:_USES_SHOWN]:
        output = f", output `{layer.output}`" if layer.output else ""
        count = f"{layer.parameters:,}" if isinstance(layer.parameters, int) else str(layer.parameters)
        plural = "" if layer.parameters == 1 else "s"
        shown.append(f"**{layer.path}**: `{kind}`{output}, {count} parameter{plural}")
    if len(layers) > _USES_SHOWN:
        shown.append(f"and {len(layers) - _USES_SHOWN} more")
    return ["  \n".join(shown)] if shown else []


def _definition(symbol: Symbol) -> str:
    """A kind that the spec defines: a block with its parameters, else its formula."""
    if symbol.inner is not None:
        parameters = (f"{p.name}: {_shown(p.value)}" for p in symbol.inner.parameters.values())
        layers = len(symbol.inner.order)
        return f"Block `{symbol.name}({', '.join(parameters)})` of {layers} layer{'s' if layers != 1 else ''}."
    formula = symbol.value.get("formula") if isinstance(symbol.value, Map) else symbol.value
    told = f": `{_shown(formula)}`" if isinstance(formula, Scalar) else "."
    return f"{symbol.kind.capitalize()} `{symbol.name}` of this spec{told}"


def _of_symbol(analysis: Analysis, symbol: Symbol) -> str:
    if symbol.item is not None:
        names = analysis.names
        defined = names.kinds().get(symbol.item.kind) if names is not None else None
        return _of_layer(analysis, symbol.item, defined)
    if symbol.kind in ("block", "cell", "activation", "loss"):
        return _definition(symbol)
    document = analysis.document
    if symbol.kind in ("field", "input") and document is not None and symbol.name in (document.fields or {}):
        return f"Field `{symbol.name}` of the data: {(document.fields or {})[symbol.name]}"
    value = f": `{_shown(symbol.value)}`" if isinstance(symbol.value, Scalar) else ""
    return f"{symbol.kind.capitalize()} `{symbol.name}`{value}"


def _of_language(path: tuple[Step, ...], root: Node) -> str:
    """A key or a value of the language; ``path`` ends with the key, or leads to the scalar."""
    node: Node | None = root
    for step in path:
        if isinstance(node, Map) and isinstance(step, str):
            node = node.get(step)
        elif not isinstance(node, Map | Scalar) and isinstance(step, int) and node is not None:
            node = node.items[step]
    text = ""
    if isinstance(node, Scalar):
        text = next((c.documentation for c in grammar.values(path) if c.text == str(node.value)), "")
    return text or grammar.of_key(path)


def _shown(node: Node | None) -> str:
    return str(node.value) if isinstance(node, Scalar) else "..."
