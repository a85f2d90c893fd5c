"""What differs between two specs: layers, shapes, parameters, data, training; how they are written makes no difference.

Both are compared as they are resolved, with includes, variables, blocks and repeats written out and every default
filled in. Layers are found by their paths, so one that was renamed is another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from netspec.diagnostics import Report
from netspec.inspection import Compiled
from netspec.spec.check import Checked
from netspec.spec.document import Document
from netspec.spec.network import LayerNode
from netspec.spec.resolved import dumped, resolved
from netspec.spec.tree import plain
from netspec.spec.yaml import read_text

Facts = Mapping[str, Any]
"""Of a layer, as `show --json` tells them."""


@dataclass(frozen=True)
class Change:
    """A value that differs; None where it is not there."""

    key: str
    before: Any
    after: Any

    def facts(self) -> dict[str, Any]:
        """As `diff --json` prints it."""
        return {"key": self.key, "before": self.before, "after": self.after}


@dataclass(frozen=True)
class LayerChange:
    """A layer that both have, and what differs in it."""

    name: str
    kind: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Comparison:
    """From one spec to another; ``totals`` are counts of the whole network, ``settings`` all that is no layer."""

    removed: tuple[Facts, ...]
    added: tuple[Facts, ...]
    changed: tuple[LayerChange, ...]
    totals: tuple[Change, ...]
    settings: tuple[Change, ...]

    @property
    def same(self) -> bool:
        return not (self.removed or self.added or self.changed or self.totals or self.settings)

    def facts(self) -> dict[str, Any]:
        """As `diff --json` prints it."""
        changed = [
            {"name": layer.name, "kind": layer.kind, "changes": [change.facts() for change in layer.changes]}
            for layer in self.changed
        ]
        return {
            "same": self.same,
            "layers": {"removed": list(self.removed), "added": list(self.added), "changed": changed},
            "totals": [change.facts() for change in self.totals],
            "settings": [change.facts() for change in self.settings],
        }


@dataclass(frozen=True)
class Side:
    """One of the two: its layers by path, counts, and all its sections but the layers as plain data."""

    layers: Mapping[str, Facts]
    settings: Mapping[str, Facts]
    """Fields, inputs and options of each layer by path."""
    totals: Facts
    sections: Facts


def side(checked: Checked) -> Side:
    """A spec without faults as it is compared."""
    from netspec.pipeline import static_program

    document = checked.document
    assert document is not None
    compiled = Compiled(static_program(document, checked.report))
    counts = {name: n if isinstance(n, int) else str(n) for name, n in compiled.program.counts()._asdict().items()}
    return Side(
        {layer["name"]: _without_place(layer) for layer in compiled.layers()},
        {node.path: _settings(node) for node in document.network.nodes},
        counts,
        _sections(document),
    )


def compare(before: Side, after: Side) -> Comparison:
    """All that differs, in the order of ``after``; what only ``before`` has in its own."""
    both = [path for path in after.layers if path in before.layers]
    changed = []
    for path in both:
        old = {**before.settings[path], **_outcome(before.layers[path])}
        new = {**after.settings[path], **_outcome(after.layers[path])}
        if changes := tuple(differences(old, new)):
            changed.append(LayerChange(path, after.layers[path]["kind"], changes))
    return Comparison(
        tuple(_alone(before.layers, after.layers)),
        tuple(_alone(after.layers, before.layers)),
        tuple(changed),
        tuple(differences(before.totals, after.totals)),
        tuple(differences(before.sections, after.sections)),
    )


def _alone(here: Mapping[str, Facts], there: Mapping[str, Facts]) -> Iterator[Facts]:
    """Layers that are not ``there``, each with its ``part``: the outermost block or copy of which nothing is there."""
    known = {".".join(steps[:n]) for steps in (path.split(".") for path in there) for n in range(1, len(steps) + 1)}
    for path, layer in here.items():
        if path not in there:
            steps = path.split(".")
            prefixes = (".".join(steps[:n]) for n in range(1, len(steps) + 1))
            yield {**layer, "part": next((prefix for prefix in prefixes if prefix not in known), path)}


def differences(before: Any, after: Any, key: str = "") -> Iterator[Change]:
    """Where two values of plain data differ, as deep inside as both have the same maps."""
    before, after = _by_kind(before), _by_kind(after)
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)) or _are_other_kinds(before, after):
        if before != after or isinstance(before, bool) != isinstance(after, bool):
            yield Change(key, before, after)
        return
    for name in [*before, *(name for name in after if name not in before)]:
        inner = f"{key}.{name}" if key else str(name)
        yield from differences(before.get(name), after.get(name), inner)


def _by_kind(value: Any) -> Any:
    """A list of items as a map, if no kind stands twice in it: then order is no difference."""
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) and len(item) == 1 for item in value):
        return value
    kinds = [next(iter(item)) for item in value]
    if len(set(kinds)) < len(kinds):
        return {f"{i} {kind}": item[kind] for i, (kind, item) in enumerate(zip(kinds, value, strict=True), 1)}
    return {kind: item[kind] for kind, item in zip(kinds, value, strict=True)}


def _are_other_kinds(before: Facts, after: Facts) -> bool:
    """Whether these are items of different kinds: then one takes the place of the other as a whole."""
    if len(before) != 1 or len(after) != 1 or before.keys() == after.keys():
        return False
    return all(isinstance(fields, Mapping) for item in (before, after) for fields in item.values())


def _without_place(layer: Facts) -> Facts:
    return {key: value for key, value in layer.items() if key != "line"}


def _outcome(layer: Facts) -> Facts:
    """What the settings of a layer, and those above it, make of it."""
    counted = layer["parameters"] if layer["parameters"] is not None else layer["parameters_formula"]
    return {"kind": layer["kind"], "output": layer["output"], "parameters": counted}


def _settings(node: LayerNode) -> Facts:
    """The fields of a layer, what it reads, and what it says of its weights."""
    found: dict[str, Any] = {}
    if node.layer is not None:
        whole = dumped(node.layer)
        found |= whole[node.kind] if set(whole) == {node.kind} else whole
    common = node.common
    found["from"] = [str(ref) for ref in node.inputs]
    found |= {"freeze": common.freeze, "lr_scale": common.lr_scale, "regularize": dumped(common.regularize)}
    found["init"] = {weight or "kernel": dumped(given.initializer) for weight, given in common.init.items()}
    shared = {name: f"{ref.path}.{ref.weight}" + ".T" * ref.transposed for name, ref in common.share.items()}
    return {**found, "share": common.owner or shared}


def _sections(document: Document) -> Facts:
    """The resolved spec without its layers, which are compared one by one, and its name, which is that of runs."""
    tree = read_text(resolved(document), document.file, Report())
    assert tree is not None
    found = {key: value for key, value in plain(tree).items() if key not in ("netspec", "name", "blocks")}
    return {**found, "network": {key: value for key, value in found["network"].items() if key != "layers"}}
