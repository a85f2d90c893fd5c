"""Losses and metrics: what each reads of the network and what of the data it compares that with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from netspec.catalog.losses import Loss
from netspec.catalog.metrics import Inspected, Metric
from netspec.declared import Declared
from netspec.diagnostics import Report, Span, suggestion
from netspec.spec.class_weight import ClassWeight, read_class_weight
from netspec.spec.definitions import Definitions
from netspec.spec.items import Item, Kinds, read_item, unknown_kind, with_main
from netspec.spec.network import ValueRef
from netspec.spec.scope import Scope
from netspec.spec.tree import List, Node, Scalar, describe, is_broken
from netspec.spec.validation import Place, as_number, build

_BOUND: Final[Mapping[str, str]] = {
    "from": "The output that it reads; else the only one. Of a metric also a list: one metric for each.",
    "target": "The field that it compares with; else the only one that is no input.",
}
KEYS: Final[Mapping[str, Mapping[str, str]]] = {
    "loss": {
        **_BOUND,
        "weight": "What it is multiplied by before losses are added; by default 1.",
        "sample_weight": "A field with a number for each sample, by which the sample's loss is multiplied.",
        "class_weight": "What the losses of each class are multiplied by: a map from classes, a list, or "
        "`balanced`, which weighs all classes alike.",
    },
    "metric": _BOUND,
}
"""What every loss and every metric takes beside its own fields."""


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
    sample_weight_span: Span | None = None
    class_weight: ClassWeight | None = None
    inside: str = ""
    """Of a metric of weights: the layer, block or weight that it is told of; all, if empty."""
    from_span: Span | None = None

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
    return tuple(b for item in items if item for b in _bindings(item, what, found, outputs, report))


def _bindings(item: Item, what: str, found: Definitions, outputs: Outputs, report: Report) -> list[Binding]:
    """One loss or metric; or several of a metric that reads a list."""
    keys = KEYS[what]
    own = Item(item.kind, item.kind_span, item.span, item.fields.without(*keys), item.main)
    made = _make(own, what, found, report)
    said = {key: item.fields.get(key) for key in keys}
    read = said["from"]
    several = read.items if what == "metric" and isinstance(read, List) else (read,)
    return [_binding(item, what, {**said, "from": one}, made, outputs, report) for one in several]


def _binding(
    item: Item, what: str, said: Mapping[str, Node | None], made: Loss | Metric | None, outputs: Outputs, report: Report
) -> Binding:
    output, inside, target = None, "", said["target"]
    if isinstance(made, Inspected) and target is not None:
        message = f"`{item.kind}` takes no `target`: it compares with nothing"
        report.error("unknown-key", message, target.span)
    if isinstance(made, Inspected) and made.inside == "weights":
        inside = _text(said["from"], "from", report) or ""
        name = f"{inside}.{item.kind}" if inside else item.kind
    else:
        name, output = _output(said["from"], item, what, outputs, report)
    sample_weight = _text(said.get("sample_weight"), "sample_weight", report)
    weight = _weight(said.get("weight"), report)
    spans = {key: node.span if node is not None else None for key, node in said.items()}
    classes = read_class_weight(said.get("class_weight"), report)
    return Binding(
        item.kind, name, made, output, _text(target, "target", report), item.kind_span, weight, sample_weight,
        spans["target"], spans.get("sample_weight"), classes, inside, spans["from"],
    )  # fmt: skip


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
    place = Place(f"`{item.kind}`", item.kind_span, None, tuple(KEYS[what]))
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
        report.error("wrong-type", f"`weight` takes a number, got {describe(node)}", node.span, helps=as_number(node))
        return 1.0
    return float(value)


def bind_targets(
    losses: tuple[Binding, ...],
    metrics: tuple[Binding, ...],
    fields: Collection[str],
    inputs: Collection[str],
    complete: bool,
    report: Report,
) -> tuple[tuple[Binding, ...], tuple[Binding, ...]]:
    """Every loss and metric with its target: the one it names, or the only field that is no input and weighs no loss.

    Args:
        losses: As they were read.
        metrics: As they were read.
        fields: The fields that are known.
        inputs: Those that the network reads.
        complete: Whether there are no others.
        report: Where faults go.
    """
    weights = {b.sample_weight for b in losses}
    free = [name for name in fields if name not in inputs and name not in weights]
    for b in (*losses, *metrics):
        for name, span in ((b.target, b.target_span), (b.sample_weight, b.sample_weight_span)):
            if name is not None and name not in fields and complete:
                near = suggestion(name, fields)
                known = ", ".join(f"`{f}`" for f in fields)
                helps = [f"did you mean `{near}`?"] if near else [f"there are {known}"] if known else []
                report.error("unknown-field", f"the data have no field `{name}`", span, helps=helps)
    if not complete:
        return losses, metrics
    losses = tuple(replace(b, target=_only(b, free, None, report)) if _lacks_target(b) else b for b in losses)
    learnt = {b.output: b.target for b in losses}
    return losses, tuple(
        replace(b, target=_only(b, free, learnt.get(b.output), report)) if _lacks_target(b) else b for b in metrics
    )


def _lacks_target(b: Binding) -> bool:
    return b.target is None and not isinstance(b.what, Inspected)


def _only(b: Binding, free: list[str], learnt: str | None, report: Report) -> str | None:
    """The only field there is; ``learnt`` is what the output is trained to be, the likeliest of several."""
    if len(free) == 1:
        return free[0]
    if not free:
        message = f"`{b.kind}` has nothing to compare with: every field of the data is an input"
        report.error("ambiguous-target", message, b.span, helps=["add `target:` with a field"])
    else:
        shown = ", ".join(f"`{name}`" for name in free[:8])
        message = f"`{b.kind}` does not say what it compares with, and it could be {shown}"
        report.error("ambiguous-target", message, b.span, helps=[f"add `target: {learnt or free[-1]}`"])
    return None


def check_names(bindings: tuple[Binding, ...], report: Report) -> None:
    """Results are told by name: no two metrics have one."""
    first: dict[str, Binding] = {}
    for b in bindings:
        known = first.setdefault(b.name, b)
        if known is not b:
            message = f"the metric `{b.name}` stands twice, first on line {known.span.line}"
            report.error("duplicate-name", message, b.span)
