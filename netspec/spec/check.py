"""All that can be found wrong with a spec without its data, at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netspec.catalog.losses import Loss
from netspec.catalog.optimizers import Rule
from netspec.compiler.graph import GraphBuilder, Node, Value, key_of, role_of
from netspec.diagnostics import Report
from netspec.spec.binding import Binding
from netspec.spec.document import Document, examine
from netspec.spec.expectations import check_facts
from netspec.spec.lowering import Model, check_input, input_type
from netspec.spec.network import ValueRef
from netspec.spec.parameters import count
from netspec.spec.rules import lessons
from netspec.tensortype import bind, total


@dataclass(frozen=True)
class Checked:
    """A spec, what is wrong with it, and the facts of `expect` that wait for the data."""

    document: Document | None
    report: Report
    waiting: tuple[str, ...] = ()


def check(
    spec: Path | str, overrides: Sequence[str] = (), *, base: Path | None = None, name: str = "<text>"
) -> Checked:
    """Read a spec, fit its shapes together and hold it to the static facts that it expects; raises nothing.

    A spec that is a text is called ``name`` in what is said of it.
    """
    document, report = examine(spec, overrides, base=base, name=name)
    if document is None:
        return Checked(None, report)
    was_sound = not report.failed
    if document.losses and "train" in document.spans and "optimizer" not in document.spans:
        helps = ["as in `optimizer: {adam: {lr: 1e-3}}`"]
        report.error("missing-key", "training needs an `optimizer`", document.spans["train"], helps=helps)
    model, values = check_shapes(document, report)
    waiting: list[str] = []
    if was_sound and not report.failed:
        whole = facts(model, values, values)
        predictor = facts(model, values, document.network.outputs.values())
        waiting = check_facts(document.expect, whole, predictor, report)
    return Checked(document, report, tuple(waiting))


def check_shapes(document: Document, report: Report) -> tuple[Model, dict[ValueRef, Value]]:
    """Build what can be built of a document that may have faults; shape faults go to ``report``."""
    model, g = Model(document, report), GraphBuilder()
    inputs = {}
    for given in document.network.inputs:
        found = model.fields.get(given.name)
        if found is None or check_input(given, found, model.sizes, report):
            inputs[given.name] = g.input(given.name, input_type(given, found, model.sizes), "stored")
    values = model.build(g, inputs, training=True)
    for binding in (*document.losses, *document.metrics):
        _check_binding(binding, model, g, values)
    if isinstance(document.optimizer, Rule):
        lessons(document.optimizer, model, values)
    return model, values


def _check_binding(b: Binding, model: Model, g: GraphBuilder, values: Mapping[ValueRef, Value]) -> None:
    output = values.get(b.output) if b.output else None
    found = model.fields.get(b.target) if b.target else None
    if b.what is None or output is None or found is None or not model.check(b, output, found):
        return
    remark = b.what.remark(model.loss_scope(g, b.name, training=True), output) if isinstance(b.what, Loss) else None
    if remark:
        model.report.warning("doubtful-loss", remark, b.span)


def _reached(values: Iterable[Value]) -> set[Node]:
    """The nodes that values are computed from."""
    stack = [value.node for value in values]
    seen = set(stack)
    while stack:
        for read in stack.pop().inputs:
            if read.node not in seen:
                seen.add(read.node)
                stack.append(read.node)
    return seen


def facts(model: Model, values: Mapping[ValueRef, Value], refs: Iterable[ValueRef]) -> dict[str, Any]:
    """The static facts that are seen without compiling: ``parameters``, ``frozen``, ``macs`` and, of one, ``output``.

    Args:
        model: The network, built.
        values: What building it gave.
        refs: The values that count, with all that they are computed from.
    """
    nodes = _reached(values[ref] for ref in refs if ref in values)
    weights = [model.parameters[key_of(n.value())] for n in nodes if role_of(n.value()) == "parameter"]
    costs = [node.op.multiply_adds([value.type for value in node.inputs]) for node in nodes]
    found: dict[str, Any] = {
        "parameters": count(p for p in weights if p.trainable),
        "frozen": count(p for p in weights if not p.trainable),
        "macs": bind(total(costs), {"B": 1}),
    }
    outputs = list(model.document.network.outputs.values())
    if len(outputs) == 1 and outputs[0] in values:
        found["output"] = values[outputs[0]].type.shape[1:]
    return found
