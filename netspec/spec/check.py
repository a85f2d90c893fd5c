"""All that can be found wrong with a spec without its data, at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netspec.catalog.losses import Loss
from netspec.catalog.metrics import Decoded, Inspected
from netspec.catalog.optimizers import Rule
from netspec.compiler.graph import GraphBuilder, Node, Value, key_of, role_of
from netspec.data.splits import Split
from netspec.diagnostics import Report
from netspec.spec.binding import Binding
from netspec.spec.decoding import check_decoded, check_decoding
from netspec.spec.document import Document, examine
from netspec.spec.expectations import can_hold, check_facts
from netspec.spec.ignoring import check_ignored
from netspec.spec.include import LOSING
from netspec.spec.inspecting import check_inspected
from netspec.spec.lowering import Model, check_input, input_type
from netspec.spec.network import ValueRef
from netspec.spec.parameters import counts
from netspec.spec.places import Places, Stretches
from netspec.spec.rows import check_known_rows, check_spreads, known_rows
from netspec.spec.rules import lessons
from netspec.spec.sizes import check_sizes
from netspec.spec.tree import Map
from netspec.tensortype import bind, sample_shape, total


@dataclass(frozen=True)
class Checked:
    """A spec, what is wrong with it, and the facts of `expect` that wait for the data."""

    document: Document | None
    report: Report
    waiting: tuple[str, ...] = ()
    model: Model | None = None
    """The network, built for training, with its ``values``."""
    values: Mapping[ValueRef, Value] = field(default_factory=dict)


def check(
    spec: Path | str, overrides: Sequence[str] = (), *, base: Path | None = None, name: str = "<text>"
) -> Checked:
    """Read a spec, fit its shapes together and hold it to the facts that it expects of the network; raises nothing.

    A spec that is a text is called ``name`` in what is said of it.
    """
    document, report = examine(spec, overrides, base=base, name=name)
    if document is None:
        return Checked(None, report)
    was_sound = can_hold(report)
    _check_training(document, report)
    check_ignored(document.ignored, report)
    check_known_rows(document, report)
    _check_stream(document, report)
    _check_carried(document, report)
    model, values = check_shapes(document, report)
    check_spreads(document, model.spreads, known_rows(document), report)
    check_sizes(document.network, values, report)
    waiting: list[str] = []
    if was_sound and can_hold(report):
        whole = facts(model, values, values)
        predictor = facts(model, values, document.network.outputs.values())
        waiting = check_facts(document.expect.of_network, whole, predictor, report)
    return Checked(document, report, tuple(waiting), model, values)


def _check_training(document: Document, report: Report) -> None:
    """Whether a spec that speaks of training says what is made small, and how."""
    if any(
        d.code in {*LOSING, "fragment"} for d in report.diagnostics
    ):  # it may stand in the file that could not be read
        return
    is_by_rule = isinstance(document.optimizer, Rule)
    if document.losses and "train" in document.spans and "optimizer" not in document.spans:
        helps = ["as in `optimizer: {adam: {lr: 1e-3}}`"]
        report.error("missing-key", "training needs an `optimizer`", document.spans["train"], helps=helps)
    if document.optimizer is not None and not is_by_rule and "loss" not in document.spans:
        helps = ["as in `loss: cross_entropy`"]
        report.error("missing-key", "training needs a `loss`", document.spans["optimizer"], helps=helps)


def _check_stream(document: Document, report: Report) -> None:
    """Whether a step takes its rows from those that are in memory, while others are streamed."""
    if document.data is None or not document.data.stream or document.train.batch != "full":
        return
    section = document.tree.get("train")
    asked = section.get("batch") if isinstance(section, Map) else None
    message = "`batch: full` takes all rows in each step, and the data are streamed"
    helps = ["take some: `batch: 1024`", "leave `data.stream` out where the rows fit into memory"]
    report.error("cannot-stream", message, asked.span if asked else document.spans.get("train"), helps=helps)


def _check_carried(document: Document, report: Report) -> None:
    """Whether rows follow one another in each split, where layers carry their states from one to the next."""
    data = document.data
    for node in document.network.nodes if data is not None else ():
        if node.layer is None or not node.layer.carries or data is None:
            continue
        message = f"`{node.path}` carries its state from one row to the next, and "
        if not data.source.continues:
            message += f"a row of `{data.source.kind}` does not go on where the one before it ended"
            report.error("cannot-carry", message, node.span, helps=["leave `carry` out: each row then begins anew"])
        elif data.split != Split():
            message += "`data.split` draws the rows of a split at random"
            helps = [f"let the source cut the text: `{data.source.kind}: {{split: {{validation: 0.1}}, ...}}`"]
            report.error("cannot-carry", message, node.span, helps=helps)


def check_shapes(document: Document, report: Report) -> tuple[Model, dict[ValueRef, Value]]:
    """Build what can be built of a document that may have faults; shape faults go to ``report``."""
    model, g = Model(document, report), GraphBuilder()
    inputs = {}
    for given in document.network.inputs:
        found = model.fields.get(given.name)
        if check_input(given, model, report):
            inputs[given.name] = g.input(given.name, input_type(given, found, model.sizes), "stored")
    stretches = {i.name: Stretches(i.shape, "int32") for i in document.network.inputs if i.name in inputs}
    values = model.build(g, inputs, Places(document.network.inputs, stretches), training=True)
    for binding in (*document.losses, *document.metrics):
        _check_port(binding, values, report)
        if isinstance(binding.what, Inspected):
            check_inspected(binding, model, values)
        elif isinstance(binding.what, Decoded):
            check_decoded(binding, document, model, report)
        else:
            _check_binding(binding, model, g, values)
    if isinstance(document.optimizer, Rule):
        lessons(document.optimizer, model, values)
    check_decoding(document, model, values, report)
    return model, values


def _check_port(b: Binding, values: Mapping[ValueRef, Value], report: Report) -> None:
    """Whether what a loss or metric reads is a value of the layer that it names."""
    ref = b.output
    if ref is not None and ref.port and ref not in values and ValueRef(ref.path) in values:
        report.error("unknown-port", f"`{ref.path}` has no value `{ref.port}`", b.from_span or b.span)


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
    """The static facts that are seen without compiling: the counts, ``macs`` and, of one, ``output``.

    Args:
        model: The network, built.
        values: What building it gave.
        refs: The values that count, with all that they are computed from.
    """
    nodes = _reached(values[ref] for ref in refs if ref in values)
    read = {key_of(n.value()) for n in nodes if role_of(n.value()) == "parameter"}
    paths = {node.origin.path for node in nodes if node.origin is not None}
    read |= {key for key, movers in model.movers.items() if paths & set(movers)}  # which training only writes
    weights = [parameter for key, parameter in model.parameters.items() if key in read]
    costs = [node.op.multiply_adds([value.type for value in node.inputs]) for node in nodes]
    found: dict[str, Any] = {
        **counts(weights)._asdict(),
        "macs": bind(total(costs), {"B": 1}),
    }
    outputs = list(model.document.network.outputs.values())
    if len(outputs) == 1 and outputs[0] in values:
        found["output"] = sample_shape(values[outputs[0]].type.shape)
    return found
