"""From lists of items to a network: names, flow, blocks, repeats and sharing, with every fault at its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from netspec.catalog.activations import Activation
from netspec.catalog.layers import Activate, Layer
from netspec.diagnostics import Note, Report, Span, suggestion
from netspec.spec.blocks import Block, arguments, is_name
from netspec.spec.common import Keys, read_keys
from netspec.spec.interpolation import Environment
from netspec.spec.items import COMMON, Item, Kinds, read_item, unknown_kind, with_main
from netspec.spec.network import Common, LayerNode, Regularize, Use, ValueRef, WeightRef
from netspec.spec.scope import Named, Scope
from netspec.spec.tree import Entry, List, Map, Node, Scalar, describe, is_broken, scalars, shorten

MAX_LAYERS: Final = 5_000
# Kinds that combine whatever they are given: their main field is `from` even before the catalog has them.
_COMBINING: Final = ("add", "concat", "multiply", "dot")


@dataclass
class Expansion:
    """What has been expanded so far."""

    kinds: Kinds
    blocks: Mapping[str, Block]
    report: Report
    nodes: dict[str, LayerNode] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    """Paths of blocks and repeats, and the kind of each."""
    ports: dict[str, tuple[ValueRef, ...]] = field(default_factory=dict)
    """What a block gives away beside its value, by the path of the layer that makes its value."""
    values: dict[str, ValueRef] = field(default_factory=dict)
    full: bool = False
    _open: list[str] = field(default_factory=list)

    def expand(self, layers: List, scope: Scope) -> Named | None:
        """Expand one list; the value is that of its last item."""
        items = [self._item(node, scope) for node in layers.items]
        names = self._names(items)
        scope.below = {name: item.kind_span for item, name in zip(items, names, strict=True) if item and name}
        last: Named | None = scope.current
        for node, item, name in zip(layers.items, items, names, strict=True):
            if self.full:
                return None
            if item is None or name is None:
                last = scope.current = Named(None, node.span)
                continue
            keys = read_keys(item, self.kinds)
            last = self._one(item, name, keys, scope)
            scope.below.pop(name, None)
            self._declare(name, last, item, scope)
            scope.current = last
        return last

    def _item(self, node: Node, scope: Scope) -> Item | None:
        node = scope.environment.resolve(node)
        item = read_item(node, "layer", self.report)
        if item is None or item.main is None:
            return item
        main = self._main(item)
        fields = with_main(item, main, self.report) if main or self._is_known(item.kind) else None
        if fields is None and not self._is_known(item.kind):
            return item  # of an unknown kind: what its bare value means is not known either
        return replace(item, main=None, fields=fields or item.fields, is_broken=fields is None)

    def _is_known(self, kind: str) -> bool:
        spec = self.kinds
        return kind in self.blocks or kind in spec.activations or bool(spec.layer(kind)) or kind in Activation.kinds

    def _main(self, item: Item) -> str | None:
        """The field that a bare value fills."""
        if item.kind in self.blocks:
            return self.blocks[item.kind].main
        if item.kind in self.kinds.activations:
            return self.kinds.activations[item.kind].main_field()
        layer = self.kinds.layer(item.kind)
        if item.kind in _COMBINING or (layer is not None and layer.many):
            return "from"
        model = layer or Activation.kinds.get(item.kind)
        return model.main_field() if model else None

    def _names(self, items: Iterable[Item | None]) -> list[str | None]:
        """The name of each item: its own, or KIND_N for the N-th of its kind in the list."""
        counts: Counter[str] = Counter()
        names: list[str | None] = []
        for item in items:
            if item is None:
                names.append(None)
                continue
            counts[item.kind] += 1
            own = item.fields.get("name")
            text = own.value if isinstance(own, Scalar) else None
            is_own = isinstance(text, str) and text != "input" and is_name(text)
            names.append(str(text) if is_own else f"{item.kind}_{counts[item.kind]}")
        return names

    def _declare(self, name: str, named: Named, item: Item, scope: Scope) -> None:
        first = scope.names.get(name)
        if first is None:
            scope.names[name] = named
            return
        own = item.fields.entries.get("name")
        if own is None:
            helps = [f"give this one a name: `name: ...` inside `{item.kind}`"]
            message = f"this layer would be `{name}`, and the one on line {first.span.line} is called so"
        else:
            helps, message = [], f"the name `{name}` is taken on line {first.span.line}"
        self.report.error("duplicate-name", message, own.value.span if own else item.kind_span, helps=helps)

    # --- one item ---

    def _one(self, item: Item, name: str, keys: Keys, scope: Scope) -> Named:
        path = scope.prefix + name
        use = Use(path, item.kind, item.kind_span)
        if item.is_broken:
            return Named(None, item.kind_span)
        inputs = self._inputs(item, keys, scope)
        if keys.repeat is None or keys.broken:
            return self._copy(item, name, "", keys, scope, inputs, use)
        self.groups[path] = item.kind
        copies: list[Named] = []
        for i in range(1, keys.repeat + 1):
            copy = self._copy(item, name, f".{i}", keys, scope, inputs, use)
            if self.full:
                break
            copies.append(copy)
            inputs = [copy.value, *inputs[1:]] if self._keeps_others(item) else [copy.value]
        if not copies:
            value = inputs[0] if inputs else None
            return Named(value, item.kind_span, {})
        last = copies[-1]
        if last.value is not None:
            self.values[path] = last.value
        return Named(last.value, item.kind_span, last.ports, tuple(copies))

    def _copy(
        self, item: Item, name: str, suffix: str, keys: Keys, scope: Scope, inputs: list[ValueRef | None], use: Use
    ) -> Named:
        path = scope.prefix + name + suffix
        if len(self.nodes) >= MAX_LAYERS:
            message = f"blocks and repeats make more than {MAX_LAYERS:,} layers"
            self.report.error("too-many-layers", message, item.kind_span)
            self.full = True
            return Named(None, item.kind_span)
        if item.kind in self.blocks:
            return self._block(self.blocks[item.kind], item, path, suffix, keys, scope, inputs, use)
        layer = self._layer(item)
        common = self._common(item, name, suffix, keys, scope)
        known = tuple(ref for ref in inputs if ref is not None)
        broken = len(known) < len(inputs) or keys.broken
        node = LayerNode(path, item.kind, None if broken else layer, known, common, item.kind_span, (*scope.uses, use))
        if layer is None and self.kinds.layer(item.kind) is None:
            node = replace(node, inputs=(*known, *self._mentioned(item, scope)))
        if path not in self.nodes:
            self.nodes[path] = node
            self.values[path] = ValueRef(path)
        return Named(ValueRef(path), item.kind_span)

    def _mentioned(self, item: Item, scope: Scope) -> list[ValueRef]:
        """Values that an unknown kind may read by its fields: it must not make their layers look useless."""
        found = []
        for scalar in scalars(item.fields.without("name", "from", "share")):
            first = str(scalar.value).split(".")[0]
            named = scope.names.get(first) if isinstance(scalar.value, str) else None
            if named is not None and named.value is not None:
                found.append(named.value)
        return found

    def _layer(self, item: Item) -> Layer | None:
        """The layer itself; an activation's name is a layer too."""
        kinds = self.kinds
        fields = item.fields.without(*COMMON)
        if item.kind in kinds.broken:
            return None
        is_activation = item.kind in kinds.activations
        model = None if is_activation else kinds.layer(item.kind)
        if model is None and (is_activation or item.kind in Activation.kinds):
            function = kinds.find(item, Activation)
            made = None if function is None else kinds.instance(item, function, fields)
            return Activate(function=made) if isinstance(made, Activation) else None
        if model is None:
            choices = [*self.blocks, *kinds.activations, *kinds.cells, *Layer.kinds, *Activation.kinds]
            unknown_kind(item, "layer", choices, self.report)
            return None
        layer = kinds.instance(item, model, fields)
        return layer if isinstance(layer, Layer) else None

    # --- what it reads ---

    def _inputs(self, item: Item, keys: Keys, scope: Scope) -> list[ValueRef | None]:
        """What the item reads; None stands for a value that is broken or whose name was not found."""
        named = [item.fields.entries[key].value for key in self._references(item) if key in item.fields.entries]
        return [*self._flow(item, keys, scope), *(self._find(node, scope) for node in named)]

    def _keeps_others(self, item: Item) -> bool:
        """Whether the copies of a repeat all read what the first one reads beside its first input."""
        layer = self.kinds.layer(item.kind)
        return layer is not None and bool(layer.references or layer.reads)

    def _references(self, item: Item) -> tuple[str, ...]:
        """The fields that name further values."""
        layer = self.kinds.layer(item.kind)
        return layer.references if layer else ()

    def _flow(self, item: Item, keys: Keys, scope: Scope) -> list[ValueRef | None]:
        """What it reads by ``from``, or of the item above."""
        wanted = self._wanted(item)
        layer = self.kinds.layer(item.kind)
        if layer is not None and layer.reads_one and not isinstance(keys.reads, Map | List):
            wanted = None
        if keys.reads is None:
            return [self._default(item, wanted, scope)] * (len(wanted) if wanted else 1)
        if isinstance(keys.reads, Map):
            return self._by_name(item, keys.reads, wanted, scope)
        nodes = keys.reads.items if isinstance(keys.reads, List) else (keys.reads,)
        found = [self._find(node, scope) for node in nodes]
        many = item.kind in _COMBINING or (layer is not None and layer.many)
        count = len(wanted) if wanted else 1
        is_unknown = wanted is None and not self._is_known(item.kind)
        if many and not nodes:
            self.report.error("input-count", f"`{item.kind}` needs at least one input", keys.reads.span)
            return [None]
        if len(nodes) != count and not many and not is_unknown:
            number = "one input" if count == 1 else f"{count} inputs"
            helps = ["join them first, with `concat` or `add`"] if count == 1 and len(nodes) > 1 else []
            message = f"`{item.kind}` takes {number}, got {len(nodes)}"
            self.report.error("input-count", message, keys.reads.span, helps=helps)
            return [None] * count
        return found

    def _wanted(self, item: Item) -> tuple[str, ...] | None:
        """The names of its inputs, where it has several that have names; a block has names in any case."""
        block = self.blocks.get(item.kind)
        if block is not None:
            return block.inputs or ("input",)
        layer = self.kinds.layer(item.kind)
        return (layer.reads or None) if layer else None

    def _default(self, item: Item, wanted: tuple[str, ...] | None, scope: Scope) -> ValueRef | None:
        if wanted is not None and len(wanted) > 1:
            helps = [f"write `from: {{{', '.join(f'{name}: ...' for name in wanted)}}}`"]
            what = "the block " if item.kind in self.blocks else ""
            message = f"{what}`{item.kind}` takes {len(wanted)} inputs"
            self.report.error("input-count", message, item.kind_span, helps=helps)
            return None
        if scope.current is not None:
            return scope.current.value
        known = ", ".join(f"`{name}`" for name in scope.names)
        message = (
            "there are several inputs, so the first layer must say which it reads" if known else "there is no input"
        )
        helps = [f"add `from:` with one of {known}"] if known else []
        self.report.error("input-count", message, item.kind_span, helps=helps)
        return None

    def _find(self, node: Node, scope: Scope) -> ValueRef | None:
        if isinstance(node, Scalar) and isinstance(node.value, str):
            named = scope.find(node, self.report)
            return named.value if named else None
        if not is_broken(node):
            self.report.error("wrong-type", f"`from` takes names, got {describe(node)}", node.span)
        return None

    def _by_name(self, item: Item, reads: Map, wanted: tuple[str, ...] | None, scope: Scope) -> list[ValueRef | None]:
        if wanted is None:
            if self._is_known(item.kind):
                helps = ["name the value it reads"]
                self.report.error("wrong-type", f"`{item.kind}` takes one input, got a map", reads.span, helps=helps)
                return [None]
            return [self._find(entry.value, scope) for entry in reads.entries.values()]
        for key, entry in reads.entries.items():
            if key not in wanted:
                near = suggestion(key, wanted)
                helps = [f"did you mean `{near}`?"] if near else [f"it has {', '.join(f'`{n}`' for n in wanted)}"]
                self.report.error(
                    "unknown-key", f"`{item.kind}` has no input `{shorten(key)}`", entry.key_span, helps=helps
                )
        found: list[ValueRef | None] = []
        for name in wanted:
            node = reads.get(name)
            if node is None:
                self.report.error("missing-key", f"`{item.kind}` needs its input `{name}`", reads.span)
            found.append(None if node is None else self._find(node, scope))
        return found

    # --- blocks ---

    def _block(
        self,
        block: Block,
        item: Item,
        path: str,
        suffix: str,
        keys: Keys,
        scope: Scope,
        inputs: list[ValueRef | None],
        use: Use,
    ) -> Named:
        self.groups[path] = item.kind
        if block.name in self._open:
            chain = " > ".join((*self._open[self._open.index(block.name) :], block.name))
            self.report.error("recursive-block", f"the block `{block.name}` contains itself: {chain}", item.kind_span)
            return Named(None, item.kind_span)
        values = arguments(block, item, item.fields.without(*COMMON), self.report)
        if values is None or keys.broken:
            return Named(None, item.kind_span)
        inner = self._inner(block, item, path, suffix, keys, scope, values, inputs, use)
        self._open.append(block.name)
        known = len(self.report.diagnostics)
        last = self.expand(block.layers, inner)
        self._open.pop()
        note = Note(f"in the block `{block.name}`, used on line {item.kind_span.line}", item.kind_span)
        found = self.report.diagnostics
        found[known:] = [replace(d, notes=(*d.notes, note)) for d in found[known:]]
        self._check_init(inner, keys)
        value = last.value if last else None
        ports = self._ports(block, inner)
        if value is not None:
            self.values[path] = value
            self.ports[value.path] = (*self.ports.get(value.path, ()), *ports.values())
        return Named(value, item.kind_span, ports if value is not None else None)

    def _inner(
        self, block: Block, item: Item, path: str, suffix: str, keys: Keys, scope: Scope,
        values: dict[str, Node], inputs: list[ValueRef | None], use: Use,
    ) -> Scope:  # fmt: skip
        """The scope of a block's own list at one use."""
        here = scope.environment
        given = {name: node for name, node in values.items() if name in item.fields.entries}
        what = f"the parameters of `{block.name}`"
        hidden = {n: "a block sees only its parameters: give it one" for n in here.names if n not in values}
        environment = Environment(dict(values), self.report, what, here.size, here.fields, hidden, here.budget)
        environment.settle(given)
        refs = dict(zip(block.inputs or ("input",), inputs, strict=False))
        names = {name: Named(ref, item.kind_span) for name, ref in refs.items()}
        only = next(iter(names.values())) if len(names) == 1 else None
        owner = self._owner_prefix(item, path, suffix, keys, scope)
        outside = {name: named.span for name, named in scope.names.items()}
        init = {**_below(scope.init, path[len(scope.prefix) :]), **keys.init}
        if "" in init:
            helps = ["say which weight: `init: {LAYER.WEIGHT: ...}`"]
            self.report.error(
                "unknown-weight", f"the block `{block.name}` has no weight of its own", init.pop("").span, helps=helps
            )
        return Scope(
            path + ".", environment, (*scope.uses, use), names, only, owner=owner,
            freeze=scope.freeze or keys.freeze, lr_scale=scope.lr_scale * keys.lr_scale,
            init=init, regularize=keys.regularize or scope.regularize, outside=outside,
        )  # fmt: skip

    def _ports(self, block: Block, inner: Scope) -> dict[str, ValueRef]:
        ports = {}
        for name, node in block.outputs.items():
            named = inner.find(node, self.report)
            if named is not None and named.value is not None:
                ports[name] = named.value
                self.values[inner.prefix + name] = named.value
        return ports

    def _check_init(self, inner: Scope, keys: Keys) -> None:
        for key, given in keys.init.items():
            first = key.split(".")[0]
            if "." in key and first in inner.names:
                continue
            near = suggestion(first, inner.names)
            helps = [f"did you mean `{near}`?"] if near else ["weights in a block are LAYER.WEIGHT"]
            self.report.error(
                "unknown-weight", f"there is no weight `{shorten(key)}` in this block", given.span, helps=helps
            )

    # --- weights ---

    def _common(self, item: Item, name: str, suffix: str, keys: Keys, scope: Scope) -> Common:
        init = {**keys.init, **_below(scope.init, name + suffix)}
        regularize = keys.regularize or scope.regularize or Regularize()
        freeze, lr_scale = scope.freeze or keys.freeze, scope.lr_scale * keys.lr_scale
        common = Common(freeze, lr_scale, init, regularize, keys.regularize_span)
        if scope.owner is not None:
            owner = scope.owner + name + suffix
            return replace(common, owner=owner, init={}) if owner in self.nodes else common
        if isinstance(keys.share, Map):
            return replace(common, share=self._shared_weights(keys.share, scope))
        owner_path = self._owner(item, suffix, keys, scope)
        return replace(common, owner=owner_path) if owner_path else common

    def _owner(self, item: Item, suffix: str, keys: Keys, scope: Scope) -> str | None:
        """The path of the layer or block that `share` names."""
        if not isinstance(keys.share, Scalar):
            return None
        span = keys.share.span
        path = scope.prefix + str(keys.share.value)
        if suffix and path + suffix in {**self.nodes, **self.groups}:
            path += suffix
        kind = self.groups.get(path) or (self.nodes[path].kind if path in self.nodes else None)
        if kind is None:
            self._no_owner(str(keys.share.value), span, scope)
            return None
        if kind != item.kind:
            message = f"`{item.kind}` cannot share the weights of `{keys.share.value}`, which is `{kind}`"
            self.report.error("bad-share", message, span)
            return None
        self._refuse_on_sharer(keys, item)
        return path

    def _no_owner(self, name: str, span: Span, scope: Scope) -> None:
        if name in scope.below:
            message, helps = (
                f"`{shorten(name)}` stands below, on line {scope.below[name].line}",
                ["share what stands above"],
            )
        else:
            near = suggestion(name, scope.names)
            message, helps = (
                f"there is no layer `{shorten(name)}` above this",
                [f"did you mean `{near}`?"] if near else [],
            )
        self.report.error("bad-share", message, span, helps=helps)

    def _refuse_on_sharer(self, keys: Keys, item: Item) -> None:
        for key in ("init", "freeze", "regularize"):
            entry = item.fields.entries.get(key)
            if entry is not None:
                helps = ["write it where the weights are"]
                message = f"`{key}` stands on the owner of shared weights only"
                self.report.error("bad-share", message, entry.key_span, helps=helps)

    def _owner_prefix(self, item: Item, path: str, suffix: str, keys: Keys, scope: Scope) -> str | None:
        if scope.owner is not None:
            return scope.owner + path[len(scope.prefix) :] + "."
        if isinstance(keys.share, Map):
            helps = ["share the whole block by its name"]
            message = "a block shares all of its weights or none"
            self.report.error("bad-share", message, keys.share.span, helps=helps)
            return None
        owner = self._owner(item, suffix, keys, scope)
        return f"{owner}." if owner else None

    def _shared_weights(self, share: Map, scope: Scope) -> dict[str, WeightRef]:
        found = {}
        for entry in share.entries.values():
            ref = self._weight(entry, scope)
            if ref is not None:
                found[entry.key] = ref
        return found

    def _weight(self, entry: Entry, scope: Scope) -> WeightRef | None:
        node = entry.value
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            if not is_broken(node):
                self.report.error(
                    "wrong-type", f"`share` takes weights as LAYER.WEIGHT, got {describe(node)}", node.span
                )
            return None
        text = node.value
        transposed = text.endswith(".T")
        layer, dot, weight = text.removesuffix(".T").rpartition(".")
        path = scope.prefix + layer
        if path in self.nodes:
            return WeightRef(path, weight, transposed, node.span)
        if not dot:
            helps = ["a weight is LAYER.WEIGHT, as in `code.kernel` or `code.kernel.T`"]
            self.report.error("bad-share", f"`{shorten(text)}` is no weight", node.span, helps=helps)
        else:
            self._no_owner(layer, node.span, scope)
        return None


def _below(init: Mapping[str, object], name: str) -> dict[str, Any]:
    """What a block's use says of the weights of the layer ``name`` inside it."""
    return {key[len(name) + 1 :]: given for key, given in init.items() if key.startswith(name + ".")}
