"""What every layer takes beside its own fields: name, from, repeat, share, freeze, lr_scale, init, regularize."""

from __future__ import annotations

from dataclasses import dataclass, field

from netspec.catalog.initializers.initializer import Initializer
from netspec.diagnostics import Report, Span
from netspec.spec.blocks import check_name
from netspec.spec.items import COMMON, Item, Kinds
from netspec.spec.network import InitRef, Regularize
from netspec.spec.tree import List, Map, Node, Scalar, describe, is_broken
from netspec.spec.validation import Place, as_number, build
from netspec.tensortype import Size


@dataclass
class Keys:
    """The common keys of one item, each checked for its type; ``reads`` and ``share`` name things yet to be found."""

    name: str | None = None
    reads: Node | None = None
    repeat: int | None = None
    share: Node | None = None
    freeze: bool = False
    lr_scale: float = 1.0
    init: dict[str, InitRef] = field(default_factory=dict)
    regularize: Regularize | None = None
    regularize_span: Span | None = None
    broken: bool = False
    """Whether a key that decides what the item is or reads is wrong."""


def read_keys(item: Item, kinds: Kinds) -> Keys:
    """The common keys among the item's fields."""
    report, keys = kinds.report, Keys()
    for key in COMMON:
        node = item.fields.get(key)
        if node is None:
            continue
        if is_broken(node):
            keys.broken = True
        else:
            _READERS[key](keys, node, kinds, report)
    return keys


def _name(keys: Keys, node: Node, kinds: Kinds, report: Report) -> None:
    text = node.value if isinstance(node, Scalar) else None
    if not isinstance(node, Scalar):
        report.error("wrong-type", f"`name` takes text, got {describe(node)}", node.span)
    elif check_name(text, "a name", node.span, report):
        keys.name = str(text)
        return
    keys.broken = True


def _from(keys: Keys, node: Node, kinds: Kinds, report: Report) -> None:
    keys.reads = node


def _share(keys: Keys, node: Node, kinds: Kinds, report: Report) -> None:
    if isinstance(node, List) or (isinstance(node, Scalar) and not isinstance(node.value, str)):
        message = f"`share` takes the name of a layer, or a map of weights, got {describe(node)}"
        report.error("wrong-type", message, node.span)
    else:
        keys.share = node


def _repeat(keys: Keys, node: Node, kinds: Kinds, report: Report) -> None:
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, Size):
        message = f"`repeat` cannot depend on the data, and {value} does"
        report.error("wrong-type", message, node.span)
    elif not isinstance(value, int) or isinstance(value, bool):
        report.error("wrong-type", f"`repeat` takes a whole number, got {describe(node)}", node.span)
    elif value < 0:
        report.error("out-of-range", f"`repeat` must be at least 0, got {value}", node.span)
    else:
        keys.repeat = value
        return
    keys.broken = True


def _freeze(keys: Keys, node: Node, kinds: Kinds, report: Report) -> None:
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        keys.freeze = node.value
    else:
        report.error("wrong-type", f"`freeze` takes `true` or `false`, got {describe(node)}", node.span)


def _lr_scale(keys: Keys, node: Node, kinds: Kinds, report: Report) -> None:
    value = node.value if isinstance(node, Scalar) else None
    if not isinstance(value, int | float) or isinstance(value, bool):
        report.error("wrong-type", f"`lr_scale` takes a number, got {describe(node)}", node.span, helps=as_number(node))
    elif value < 0:
        helps = ["`freeze: true` keeps weights as they are"]
        report.error("out-of-range", f"`lr_scale` must be at least 0, got {value}", node.span, helps=helps)
    else:
        keys.lr_scale = float(value)


def _init(keys: Keys, node: Node, kinds: Kinds, report: Report) -> None:
    """A bare initializer, meant for the kernel or table, or a map from weights to initializers."""
    is_kind = isinstance(node, Map) and len(node.entries) == 1 and next(iter(node.entries)) in Initializer.kinds
    if not isinstance(node, Map) or is_kind:
        made = kinds.make(node, Initializer)
        if isinstance(made, Initializer):
            keys.init[""] = InitRef(made, node.span)
        return
    for entry in node.entries.values():
        made = kinds.make(entry.value, Initializer)
        if isinstance(made, Initializer):
            keys.init[entry.key] = InitRef(made, entry.key_span)


def _regularize(keys: Keys, node: Node, kinds: Kinds, report: Report) -> None:
    if not isinstance(node, Map):
        report.error("wrong-type", f"`regularize` takes a map, got {describe(node)}", node.span)
        return
    keys.regularize = build(Regularize, node, Place("`regularize`", node.span), report)
    keys.regularize_span = node.span


_READERS = {
    "name": _name,
    "from": _from,
    "repeat": _repeat,
    "share": _share,
    "freeze": _freeze,
    "lr_scale": _lr_scale,
    "init": _init,
    "regularize": _regularize,
}
