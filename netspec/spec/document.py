"""A spec, read whole: every section checked, the network expanded, all faults at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from netspec.catalog.optimizers import Optimizer
from netspec.catalog.schedules import Schedule
from netspec.data.fieldtype import FieldType
from netspec.data.section import DataSection
from netspec.declared import Declared
from netspec.diagnostics import Diagnostic, Report, Span, in_order, suggestion
from netspec.spec.binding import Binding, Outputs, bind_targets, check_names, read_bindings
from netspec.spec.decoding import Decoding, read_decoding
from netspec.spec.definitions import Definitions, read_definitions
from netspec.spec.expectations import Expect, read_expect
from netspec.spec.ignoring import read_ignored
from netspec.spec.include import LOSING, read_file, resolve_includes
from netspec.spec.interpolation import Environment
from netspec.spec.network import Network
from netspec.spec.overrides import apply_overrides
from netspec.spec.scope import Scope
from netspec.spec.topology import NOWHERE, Topology, check_liveness, read_network
from netspec.spec.training import Train, check_metric, read_train
from netspec.spec.tree import NOTHING, Entry, Map, Node, Scalar, describe, is_broken
from netspec.spec.validation import Place, as_map, as_number, build, unknown_key
from netspec.spec.yaml import read_text
from netspec.tensortype import Size, size

VERSION: Final = 1
KEYS: Final[Mapping[str, str]] = {
    "netspec": "The version of the language, 1; the first key of every spec.",
    "requires": 'Versions of netspec that the spec is made for: `">=1.2"`, or `">=1.2, <2"`.',
    "name": "What runs are called: letters a to z, digits, `.`, `_` and `-`; else the name of the file.",
    "include": "Files that this one is put over: a path or a list of them, from the folder of this file.",
    "vars": "Values by name, for `${}`.",
    "blocks": "Lists of layers with parameters, by name; each is then a kind of layer.",
    "cells": "Recurrent cells by name: states, weights, and the formulas of one step.",
    "activations": "Activations by name: a formula of `x`.",
    "losses": "Losses by name: a formula of `output` and `target`.",
    "data": "Where samples come from, what fields are made of them, and which rows train.",
    "network": "What is computed of a sample.",
    "loss": "What training makes small: a loss, or a list of them that is summed.",
    "optimizer": "How a step changes the weights.",
    "schedule": "How the learning rate changes while training goes on.",
    "metrics": "What else is measured: a list.",
    "decode": "How sequences are made, one step after another.",
    "train": "How long and in what pieces the network is trained.",
    "lint": "Warnings that this spec is to be spared: `{ignore: [no-seed]}`.",
    "expect": "What must be so, checked by `netspec validate` and `netspec evaluate --check`.",
}
"""The sections of a spec."""
NAME: Final = re.compile(r"[a-z0-9._-]+", re.ASCII)
# What may well stand in a file that could not be included.
_OF_LOST_FILES: Final = ("fragment", "missing-key", "unknown-field", "unknown-kind", "unknown-variable")
# Where keys belong that people write elsewhere.
ELSEWHERE: Final = {
    **{name: f"`{name}` stands at the top of the spec" for name in KEYS},
    **{name: f"it belongs under `train`: `train: {{{name}: ...}}`" for name in Train.model_fields},
    **{name: f"it belongs under `network`: `network: {{{name}: ...}}`" for name in ("inputs", "output", "layers")},
    **{name: f"it belongs under `data`: `data: {{{name}: ...}}`" for name in DataSection.model_fields},
    **{
        name: f"it belongs under `data`: `data: {{split: {{{name}: ...}}}}`" for name in ("validation", "test", "folds")
    },
    "patience": "it belongs under `train`: `train: {early_stop: {patience: ...}}`",
    "lr": "it belongs inside the optimizer: `optimizer: {adam: {lr: ...}}`",
    "momentum": "it belongs inside the optimizer: `optimizer: {sgd: {momentum: ...}}`",
}


@dataclass(frozen=True)
class Document:
    """A spec.

    ``tree`` is what was written, after includes, overrides and ``${}`` outside of blocks. ``fields`` are the types of
    the data's fields as far as they are known without the data, None if not even their names are.
    """

    file: str
    base: Path
    name: str
    tree: Map
    sources: Mapping[str, str]
    definitions: Definitions
    data: DataSection | None
    fields: Mapping[str, FieldType] | None
    complete: bool
    topology: Topology
    losses: tuple[Binding, ...]
    metrics: tuple[Binding, ...]
    optimizer: Optimizer | None
    schedule: Schedule | None
    train: Train
    expect: Expect
    decode: Decoding | None = None
    ignored: tuple[Scalar, ...] = ()
    """The codes of the warnings that it is to be spared."""
    spans: Mapping[str, Span] = field(default_factory=dict)
    """Where each section stands."""
    warnings: tuple[Diagnostic, ...] = ()
    written: Map = NOTHING
    """The tree with every `${}` still in it."""

    @property
    def network(self) -> Network:
        return self.topology.network

    def at(self, *path: str) -> Span | None:
        """The place of the key at ``path``, or of as much of it as was written."""
        return _span_at(self.tree, path, None)


def load(spec: Path | str, overrides: Sequence[str] = (), *, base: Path | None = None) -> Document:
    """Read a spec and everything it includes.

    Args:
        spec: A file; or the text of a spec, if it is a ``str``.
        overrides: ``a.b=c``, put over what the files say.
        base: The folder that paths in the spec are relative to, if not the folder of the file they stand in.

    Raises:
        SpecError: with all faults that were found.
    """
    document, report = examine(spec, overrides, base=base)
    report.raise_if_failed()
    assert document is not None
    return document


def _check_inputs(network: Network, fields: Mapping[str, FieldType], report: Report) -> None:
    """Every input of the network is a field of the data."""
    for given in network.inputs:
        if given.name not in fields:
            near = suggestion(given.name, fields)
            known = ", ".join(f"`{name}`" for name in fields)
            helps = [f"did you mean `{near}`?"] if near else [f"there are {known}"]
            report.error("unknown-field", f"the data have no field `{given.name}`", given.span, helps=helps)


def examine(
    spec: Path | str, overrides: Sequence[str] = (), *, base: Path | None = None, name: str = "<text>"
) -> tuple[Document | None, Report]:
    """As `load`, and never raises: the document as far as it can be made, and the faults; ``name`` is a text's."""
    report = Report()
    root: Map | None
    if isinstance(spec, Path):
        file = str(spec)
        root = read_file(spec, report)
    else:
        file = name
        tree = read_text(spec, file, report)
        root = None if tree is None else resolve_includes(tree, file, report)
    if root is None:
        return None, report
    is_whole = not any(d.code in LOSING for d in report.diagnostics)
    root = apply_overrides(root, overrides, report)
    document = _Reading(file, base, root, report).document()
    if not is_whole:
        report.diagnostics = [d for d in report.diagnostics if d.code not in _OF_LOST_FILES]
    return document, report


class _Reading:
    """One spec on its way from a tree to a document."""

    def __init__(self, file: str, base: Path | None, root: Map, report: Report) -> None:
        self.file, self.root, self.report = file, root, report
        self.given_base = base
        self.fields: dict[str, FieldType] | None = None
        self.complete = True
        self.data: DataSection | None = None

    def document(self) -> Document:
        report = self.report
        self._top()
        variables = as_map(self.root.get("vars"), "vars", report)
        names = {} if variables is None else {key: entry.value for key, entry in variables.entries.items()}
        environment = Environment(names, report)
        written = self.root
        self.root = self._resolved(environment)
        definitions = read_definitions(self.root, self.given_base, report)
        self._data(definitions)
        environment.size, environment.fields = self._size, tuple(self.fields or self._written_fields())
        topology = self._network(environment, definitions)
        environment.check()
        tree = self._settled(environment)
        self.root = tree
        outputs = Outputs(topology.scope, topology.network.outputs)
        losses = read_bindings(tree.get("loss"), "loss", definitions, outputs, report)
        metrics = read_bindings(tree.get("metrics"), "metric", definitions, outputs, report)
        check_names(metrics, report)
        if self.data is not None:
            inputs = [i.name for i in topology.network.inputs]
            losses, metrics = bind_targets(losses, metrics, self.fields or {}, inputs, self.complete, report)
        if self.data is not None and self.complete:
            _check_inputs(topology.network, self.fields or {}, report)
        decoding = read_decoding(tree.entries.get("decode"), topology.network, topology.scope, report)
        self._liveness(topology, losses, decoding)
        train = read_train(tree.entries.get("train"), metrics, report)
        return Document(
            self.file, self._base(), self._name(), tree, report.sources, definitions, self.data, self.fields,
            self.complete, topology, losses, metrics,
            self._item("optimizer", Optimizer, definitions), self._schedule(metrics, definitions),
            train, read_expect(tree.get("expect"), metrics, topology.network, report),
            decoding, read_ignored(tree.entries.get("lint"), report),
            {key: entry.key_span for key, entry in tree.entries.items()},
            tuple(d for d in in_order(report.diagnostics) if d.severity == "warning"),
            written,
        )  # fmt: skip

    # --- the top ---

    def _top(self) -> None:
        start = next((e.key_span for e in self.root.entries.values()), self.root.span)
        for key, entry in self.root.entries.items():
            if key not in KEYS:
                unknown_key(key, entry.key_span, list(KEYS), Place("a spec", start, ELSEWHERE), self.report)
        version = self.root.get("netspec")
        if version is None:
            self.report.error("version", "a spec begins with `netspec: 1`", start)
        elif not isinstance(version, Scalar) or version.value not in (VERSION, None) or isinstance(version.value, bool):
            message = f"this program reads version {VERSION} of the language, got {describe(version)}"
            self.report.error("version", message, version.span, helps=as_number(version))
        if "network" not in self.root.entries:
            helps = ["a file without `network` is made to be included by others"]
            if version is not None and self.root.entries.keys() <= KEYS.keys():
                helps.append("without its `netspec: 1` it is left out where a folder is checked or trained")
            self.report.error("fragment", "a spec needs `network`", start, helps=helps)

    def _name(self) -> str:
        node = self.root.get("name")
        stem = re.sub(r"[^a-z0-9._-]+", "-", Path(self.file).stem.lower()).strip("-") or "spec"
        if not isinstance(node, Scalar):
            if node is not None:
                self.report.error("wrong-type", f"`name` takes text, got {describe(node)}", node.span)
            return stem
        if isinstance(node.value, str) and NAME.fullmatch(node.value) and node.value.strip("."):
            return node.value
        if node.value is not None:
            helps = ["it is made of a to z, 0 to 9, `.`, `_` and `-`"]
            self.report.error("bad-name", f"`name` cannot be {describe(node)}", node.span, helps=helps)
        return stem

    def _base(self) -> Path:
        """The folder that paths of the data are relative to: that of the file that names the source."""
        if self.given_base is not None:
            return self.given_base
        data = self.root.get("data")
        source = data.entries.get("source") if isinstance(data, Map) else None
        file = source.key_span.file if source is not None else self.file
        file = self.file if file.startswith("--") else file
        return Path() if file.startswith("<") else Path(file).parent

    def _resolved(self, environment: Environment) -> Map:
        """Definitions and data, which see variables only; the rest waits for the sizes of the data."""
        entries = dict(self.root.entries)
        for key in ("activations", "losses", "data"):
            if key in entries:
                entries[key] = Entry(key, entries[key].key_span, environment.resolve(entries[key].value))
        return Map(entries, self.root.span)

    def _settled(self, environment: Environment) -> Map:
        """The whole tree without ``${}``, except inside blocks."""
        entries = {}
        for key, entry in self.root.entries.items():
            is_kept = key in ("blocks", "vars", "activations", "losses", "data", "cells")
            entries[key] = entry if is_kept else Entry(key, entry.key_span, environment.resolve(entry.value))
        return Map(entries, self.root.span)

    # --- sections ---

    def _data(self, definitions: Definitions) -> None:
        entry = self.root.entries.get("data")
        if entry is None:
            return
        section = as_map(entry.value, "data", self.report)
        self.complete = False
        if section is None:
            return
        place = Place("`data`", entry.key_span, _data_elsewhere())
        self.data = build(DataSection, section, place, self.report, definitions.kinds.make)
        if self.data is not None:
            base = self._base()
            before = len(self.report.diagnostics)
            self.fields = self.data.resolve(base, self.report, lambda path: _span_at(section, path, entry.key_span))
            is_sound = len(self.report.diagnostics) == before
            self.complete = is_sound and self.fields is not None and self.data.complete(base)

    def _size(self, name: str) -> int | Size | None:
        if self.fields is not None and name in self.fields:
            return self.fields[name].extent(name)
        return None if self.complete else size(f"|{name}|")

    def _written_fields(self) -> list[str]:
        section = self.root.get("data")
        fields = section.get("fields") if isinstance(section, Map) else None
        return list(fields.entries) if isinstance(fields, Map) else []

    def _network(self, environment: Environment, definitions: Definitions) -> Topology:
        entry = self.root.entries.get("network")
        section = as_map(entry.value, "network", self.report) if entry else None
        if entry is None or section is None:
            return Topology(NOWHERE, Scope("", environment, ()), {})
        return read_network(section, entry.key_span, environment, definitions, self.report)

    def _liveness(self, topology: Topology, losses: Collection[Binding], decoding: Decoding | None) -> None:
        """Only of a network that is sound: a name that was not found would make layers look dead."""
        allowed = {"unknown-kind", "unknown-field", "hides-built-in", "unused-input"}
        section = self.root.entries.get("network")
        if section is None or any(d.code not in allowed for d in self.report.diagnostics):
            return
        made = [] if decoding is None else [decoding.output]
        check_liveness(topology, [*(b.output for b in losses), *made], self.report)

    def _item(self, key: str, family: type[Declared], definitions: Definitions) -> Any:
        """The instance that a section which is one item describes."""
        node = self.root.get(key)
        return None if node is None or is_broken(node) else definitions.kinds.make(node, family)

    def _schedule(self, metrics: tuple[Binding, ...], definitions: Definitions) -> Schedule | None:
        """The schedule; what it watches is the loss or one of ``metrics``."""
        made: Schedule | None = self._item("schedule", Schedule, definitions)
        if made is not None and made.watched is not None:
            check_metric(made.watched.metric, metrics, self.root.get("schedule"), self.report)
        return made


def _data_elsewhere() -> dict[str, str]:
    return {key: f"`{key}` stands at the top, beside `data`" for key in KEYS if key != "data"}


def _span_at(section: Map, path: tuple[str, ...], default: Span | None) -> Span | None:
    """The place of the key at ``path``, or of as much of it as there is."""
    node: Node = section
    span = default
    for key in path:
        if not isinstance(node, Map) or key not in node.entries:
            break
        entry = node.entries[key]
        node, span = entry.value, entry.key_span
    return span
