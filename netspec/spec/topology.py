"""The `network` section: its inputs and outputs, its layers written out, and which of them lead nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from netspec.catalog.layers import Layer
from netspec.diagnostics import Note, Report, Span
from netspec.spec.blocks import check_name
from netspec.spec.definitions import Definitions
from netspec.spec.expand import Expansion
from netspec.spec.interpolation import Environment
from netspec.spec.network import LayerNode, Network, NetworkInput, ValueRef
from netspec.spec.scope import Named, Scope
from netspec.spec.tree import List, Map, Node, Scalar, describe, is_broken
from netspec.spec.validation import Place, unknown_key
from netspec.tensortype import BATCH, Dim, Size, size

_LENGTH: Final = re.compile(r"[A-Z][A-Za-z0-9_]*", re.ASCII)
KEYS: Final[Mapping[str, str]] = {
    "inputs": "What it is given: fields of the data by name, each with the shape of one sample.",
    "output": "What it gives: a name, or a list of them; else the last layer.",
    "layers": "The layers, each reads the one above it unless it says `from`.",
}
"""What the section holds."""
INPUT_KEYS: Final[Mapping[str, str]] = {
    "shape": "The shape of one sample; a capital name is a length that differs from sample to sample.",
    "kind": "`number`, or `index` for whole numbers that choose among `size`.",
    "size": "How many an index chooses among.",
}
"""What an input may say, where a shape is not enough."""
NOWHERE: Final = Network((), (), {}, {})


@dataclass
class Topology:
    """The network, the scope of its top list, and what is needed to see which layers are dead."""

    network: Network
    scope: Scope
    ports: Mapping[str, tuple[ValueRef, ...]]
    layers: tuple[Node, ...] = ()


def read_network(
    section: Map, key_span: Span, environment: Environment, found: Definitions, report: Report
) -> Topology:
    """Expand the network; ``section`` still has its ``${}``."""
    for key, entry in section.entries.items():
        if key not in KEYS:
            others = dict.fromkeys((*found.blocks, *Layer.kinds), "layers stand in the list `layers`")
            place = Place("`network`", key_span, others)
            unknown_key(key, entry.key_span, list(KEYS), place, report)
    inputs = _inputs(section, key_span, environment, report)
    names = {i.name: Named(ValueRef(i.name, is_input=True), i.span) for i in inputs}
    only = next(iter(names.values())) if len(names) == 1 else None
    scope = Scope("", environment, (), dict(names), only)
    if only is not None:
        scope.names["input"] = only
    layers = section.get("layers")
    expansion = Expansion(found.kinds, found.blocks, report)
    last: Named | None = None
    items: tuple[Node, ...] = ()
    if isinstance(layers, List) and layers.items:
        items = layers.items
        last = expansion.expand(layers, scope)
    elif layers is None:
        report.error("missing-key", "`network` needs `layers`", key_span)
    elif not is_broken(layers):
        message = f"`layers` takes a list of layers, got {describe(layers)}"
        report.error("wrong-type", message, layers.span, helps=["as in `layers: [flatten, {dense: 10}]`"])
    outputs = _outputs(section.get("output"), scope, last, expansion, report)
    values = {**{i.name: ValueRef(i.name, is_input=True) for i in inputs}, **expansion.values}
    network = Network(inputs, tuple(expansion.nodes.values()), outputs, values)
    return Topology(network, scope, expansion.ports, items)


def _inputs(section: Map, key_span: Span, environment: Environment, report: Report) -> tuple[NetworkInput, ...]:
    node = section.get("inputs")
    if node is None:
        helps = ["as in `inputs: {image: [28, 28, 1]}`: fields of the data, with the shape of one sample"]
        report.error("missing-key", "`network` needs `inputs`", key_span, helps=helps)
        return ()
    node = environment.resolve(node)
    if not isinstance(node, Map) or not node.entries:
        if not is_broken(node):
            what = describe(node)
            report.error("wrong-type", f"`inputs` takes a map of names and shapes, got {what}", node.span)
        return ()
    entries = [e for e in node.entries.values() if check_name(e.key, "an input", e.key_span, report)]
    return tuple(_input(entry.key, entry.key_span, entry.value, report) for entry in entries)


def _input(name: str, span: Span, node: Node, report: Report) -> NetworkInput:
    if isinstance(node, List):
        return NetworkInput(name, _shape(node, report), span)
    if isinstance(node, Map):
        for key, entry in node.entries.items():
            if key not in INPUT_KEYS:
                unknown_key(key, entry.key_span, list(INPUT_KEYS), Place(f"the input `{name}`", span), report)
        shape, kind, count = node.get("shape"), node.get("kind"), node.get("size")
        word = kind.value if isinstance(kind, Scalar) else None
        if kind is not None and word not in ("index", "number", None):
            helps = ["an input is a `number` or an `index`"]
            report.error("out-of-range", f"`kind` cannot be {describe(kind)}", kind.span, helps=helps)
        if not isinstance(shape, List):
            report.error("missing-key", f"the input `{name}` needs `shape`, a list", span)
        largest = _size(count, report) if count is not None else None
        dims = _shape(shape, report) if isinstance(shape, List) else ()
        return NetworkInput(name, dims, span, str(word) if word else None, largest)
    if not is_broken(node):
        helps = [f"write `{name}: [{node.value}]`"] if isinstance(node, Scalar) else []
        report.error("wrong-type", f"a shape is a list of sizes, got {describe(node)}", node.span, helps=helps)
    return NetworkInput(name, (), span)


def _shape(node: List, report: Report) -> tuple[Dim, ...]:
    return tuple(dim for item in node.items if (dim := _size(item, report)) is not None)


def _size(node: Node, report: Report) -> Dim | None:
    """A positive integer, a size of the data, or the capital name of a length."""
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, Size) or is_broken(node):
        return value if isinstance(value, Size) else None
    if isinstance(value, str) and _LENGTH.fullmatch(value):
        if size(value) == BATCH:
            report.error("bad-name", "`B` is the batch, which is never written", node.span, helps=["call it `T`"])
            return None
        return size(value)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if isinstance(value, int) and is_whole and value > 0:
        return value
    if is_whole:
        report.error("out-of-range", f"a size must be above 0, got {value}", node.span)
    else:
        is_word = isinstance(value, str) and value.isidentifier()
        helps = [f"a length is a capital name: `{str(value).capitalize()}`"] if is_word else []
        message = f"a size is a whole number or a capital name, got {describe(node)}"
        report.error("wrong-type", message, node.span, helps=helps)
    return None


def _outputs(
    node: Node | None, scope: Scope, last: Named | None, expansion: Expansion, report: Report
) -> dict[str, ValueRef]:
    """What the predictor gives, by the names that `output` lists; the last item where it says nothing."""
    if node is None:
        if last is None or last.value is None:
            return {}
        name = next((n for n in reversed(scope.names) if scope.names[n] is last), last.value.path)
        return {name: last.value}
    node = scope.environment.resolve(node)
    found = {}
    for item in node.items if isinstance(node, List) else (node,):
        if isinstance(item, Scalar) and isinstance(item.value, str):
            named = scope.find(item, report)
            if named is not None and named.value is not None:
                found[item.value] = named.value
        elif not is_broken(item):
            report.error("wrong-type", f"`output` takes names of layers, got {describe(item)}", item.span)
    return found


def check_liveness(topology: Topology, readers: Iterable[ValueRef | None], report: Report) -> None:
    """Tell the layers that reach no output and no loss, a whole block as one."""
    network = topology.network
    nodes = {node.path: node for node in network.nodes}
    live: set[str] = set()
    stack = [ref.path for ref in (*network.outputs.values(), *readers) if ref is not None]
    while stack:
        path = stack.pop()
        if path in live:
            continue
        live.add(path)
        if path in nodes:
            stack += [ref.path for ref in nodes[path].inputs]
            stack += [ref.path for ref in topology.ports.get(path, ())]
    used = {chain for path in live if path in nodes for chain in _chains(nodes[path])}
    told: set[tuple[str, ...]] = set()
    for node in network.nodes:
        if node.path not in live:
            # Of a repeated layer single copies can be dead: the item is used, and the copy is what is told.
            chain = next((chain for chain in _chains(node) if chain not in used), (node.path,))
            depth = len(node.uses) - 1 if chain == (node.path,) else len(chain) - 1
            if chain not in told:
                told.add(chain)
                _tell_dead(node, depth, chain[-1], report)
    for given in network.inputs:
        if given.name not in live and network.nodes:
            report.warning("unused-input", f"no layer that matters reads the input `{given.name}`", given.span)


def _chains(node: LayerNode) -> list[tuple[str, ...]]:
    """From the item of the top list inwards."""
    paths = tuple(use.path for use in node.uses)
    return [paths[:n] for n in range(1, len(paths) + 1)]


def _tell_dead(node: LayerNode, depth: int, path: str, report: Report) -> None:
    use = node.uses[depth]
    helps = ["read it by `from:`, name it in `output` or a loss, or take it out"]
    outer = reversed(node.uses[:depth])
    notes = [Note(f"in the block `{block.kind}`, used on line {block.span.line}", block.span) for block in outer]
    message = f"`{path}` reaches no output and no loss"
    report.error("dead-layer", message, use.span, notes=notes, helps=helps)
