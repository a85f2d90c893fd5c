"""Losses and metrics: what each reads of the network and what of the data it compares that with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from netspec.catalog.losses import Loss
from netspec.catalog.metrics import Metric
from netspec.declared import Declared
from netspec.diagnostics import Report, Span, suggestion
from netspec.spec.definitions import Definitions
from netspec.spec.items import Item, Kinds, read_item, unknown_kind, with_main
from netspec.spec.network import ValueRef
from netspec.spec.scope import Scope
from netspec.spec.tree import List, Node, Scalar, describe, is_broken
from netspec.spec.validation import Place, build

_KEYS: Final = {"loss": ("from", "target", "weight", "sample_weight"), "metric": ("from", "target")}


@dataclass(frozen=True)
class Binding:
    """A loss or a metric: ``output`` is what it reads, ``target`` the field it compares with.

    ``target`` is None where the spec does not say and the data are not known yet. ``what`` is None where the kind is
    unknown or its fields are wrong.
    """

    kind: str
    name: str
    what: Loss | Metric | None
    output: ValueRef | None
    target: str | None
    span: Span
    weight: float = 1.0
    sample_weight: str | None = None
    target_span: Span | None = None

    @property
    def is_number(self) -> bool:
        """Whether it comes to a number, which can be compared; some metrics come to a table."""
        return not isinstance(self.what, Metric) or self.what.better is not None


@dataclass(frozen=True)
class Outputs:
    """What losses and metrics can read: the list of layers, and which of its values the network gives."""

    scope: Scope
    outputs: Mapping[str, ValueRef]


def read_bindings(
    node: Node | None, what: str, found: Definitions, outputs: Outputs, report: Report
) -> tuple[Binding, ...]:
    """The items of `loss` or `metrics`, one or a list."""
    if node is None or is_broken(node):
        return ()
    nodes = node.items if isinstance(node, List) else (node,)
    items = [read_item(n, what, report) for n in nodes]
    return tuple(_binding(item, what, found, outputs, report) for item in items if item)


def _binding(item: Item, what: str, found: Definitions, outputs: Outputs, report: Report) -> Binding:
    keys = _KEYS[what]
    own = Item(item.kind, item.kind_span, item.span, item.fields.without(*keys), item.main)
    made = _make(own, what, found, report)
    said = {key: item.fields.get(key) for key in keys}
    name, output = _output(said["from"], item, what, outputs, report)
    target, sample_weight = (
        _text(said["target"], "target", report),
        _text(said.get("sample_weight"), "sample_weight", report),
    )
    weight = _weight(said.get("weight"), report)
    target_span = said["target"].span if said["target"] is not None else None
    return Binding(item.kind, name, made, output, target, item.kind_span, weight, sample_weight, target_span)


def _make(item: Item, what: str, found: Definitions, report: Report) -> Loss | Metric | None:
    family: type[Declared] = Loss if what == "loss" else Metric
    model: type[Declared] | None = family.kinds.get(item.kind)
    if what == "loss":
        if item.kind in found.broken_losses:
            return None
        model = found.losses.get(item.kind, model)
    if model is None:
        choices = [*(found.losses if what == "loss" else ()), *family.kinds]
        unknown_kind(item, what, choices, report)
        return None
    fields = with_main(item, model.main_field(), report)
    if fields is None:
        return None
    place = Place(f"`{item.kind}`", item.kind_span, None, _KEYS[what])
    made = build(model, fields, place, report, Kinds.make.__get__(found.kinds))
    assert made is None or isinstance(made, Loss | Metric)
    return made


def _output(node: Node | None, item: Item, what: str, outputs: Outputs, report: Report) -> tuple[str, ValueRef | None]:
    """The name that results carry, and the value that is read."""
    known = outputs.outputs
    if node is None:
        if len(known) == 1:
            return item.kind, next(iter(known.values()))
        if known:
            shown = ", ".join(f"`{name}`" for name in known)
            helps = [f"add `from:` with one of {shown}"]
            message = f"the network has {len(known)} outputs, so `{item.kind}` must say which it reads"
            report.error("ambiguous-output", message, item.kind_span, helps=helps)
        return item.kind, None
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        if not is_broken(node):
            report.error("wrong-type", f"`from` of a {what} takes one name, got {describe(node)}", node.span)
        return item.kind, None
    named = outputs.scope.find(node, report)
    is_only = len(known) == 1 and named is not None and named.value == next(iter(known.values()))
    return item.kind if is_only else f"{node.value}.{item.kind}", named.value if named else None


def _text(node: Node | None, key: str, report: Report) -> str | None:
    if node is None or is_broken(node):
        return None
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return node.value
    report.error("wrong-type", f"`{key}` takes the name of a field, got {describe(node)}", node.span)
    return None


def _weight(node: Node | None, report: Report) -> float:
    value = node.value if isinstance(node, Scalar) else None
    if node is None or (isinstance(node, Scalar) and value is None):
        return 1.0
    if not isinstance(value, int | float) or isinstance(value, bool):
        report.error("wrong-type", f"`weight` takes a number, got {describe(node)}", node.span)
        return 1.0
    return float(value)


def bind_targets(
    bindings: tuple[Binding, ...], fields: Collection[str], inputs: Collection[str], complete: bool, report: Report
) -> tuple[Binding, ...]:
    """Every binding with its target: the one it names, or the only field that is no input.

    Args:
        bindings: Losses or metrics.
        fields: The fields that are known.
        inputs: Those that the network reads.
        complete: Whether there are no others.
        report: Where faults go.
    """
    weights = {b.sample_weight for b in bindings}
    free = [name for name in fields if name not in inputs and name not in weights]
    for b in bindings:
        for name, span in ((b.target, b.target_span), (b.sample_weight, b.span)):
            if name is not None and name not in fields and complete:
                near = suggestion(name, fields)
                known = ", ".join(f"`{f}`" for f in fields)
                helps = [f"did you mean `{near}`?"] if near else [f"there are {known}"] if known else []
                report.error("unknown-field", f"the data have no field `{name}`", span, helps=helps)
    return tuple(replace(b, target=_only(b, free, report)) if b.target is None and complete else b for b in bindings)


def _only(b: Binding, free: list[str], report: Report) -> str | None:
    if len(free) == 1:
        return free[0]
    if not free:
        message = f"`{b.kind}` has nothing to compare with: every field of the data is an input"
        report.error("ambiguous-target", message, b.span, helps=["add `target:` with a field"])
    else:
        shown = ", ".join(f"`{name}`" for name in free[:8])
        message = f"`{b.kind}` does not say what it compares with, and it could be {shown}"
        report.error("ambiguous-target", message, b.span, helps=[f"add `target: {free[-1]}`"])
    return None


def check_names(bindings: tuple[Binding, ...], report: Report) -> None:
    """Results are told by name: no two metrics have one."""
    first: dict[str, Binding] = {}
    for b in bindings:
        known = first.setdefault(b.name, b)
        if known is not b:
            message = f"the metric `{b.name}` stands twice, first on line {known.span.line}"
            report.error("duplicate-name", message, b.span)
