"""Which layers a learning rule trains, and what tells them what is right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from netspec.catalog.layers import Activate
from netspec.catalog.optimizers import Rule
from netspec.catalog.scope import Units
from netspec.compiler.graph import Value
from netspec.diagnostics import Span
from netspec.spec.binding import Binding
from netspec.spec.lowering import Model
from netspec.spec.network import ValueRef


@dataclass(frozen=True)
class Lesson:
    """A layer that a rule trains; ``binding`` names the target, for rules that need one."""

    path: str
    units: Units
    binding: Binding | None = None


def lessons(rule: Rule, model: Model, values: Mapping[ValueRef, Value]) -> list[Lesson]:
    """The layers that ``rule`` trains in a network that has been built; where there is none, the report says so.

    Those that make the output of a loss, for a rule that needs a target, each taught by the first loss on it; else all
    whose weights are their own.
    """
    found: list[Lesson] = []
    if rule.needs_target:
        for binding in model.document.losses:
            if binding.output is not None and binding.output in values:
                path = _behind(model, binding.output)
                if path is None:
                    made = "an input" if binding.output.is_input else _kind(model, binding.output)
                    message = f"`{rule.kind}` trains the dense layer that a loss reads, if it may change"
                    _tell(model, f"{message}; this one reads `{binding.output}`, {made}", binding.span)
                elif path not in {lesson.path for lesson in found}:
                    units = replace(model.units[path], output=values[binding.output])
                    found.append(Lesson(path, units, binding))
    else:
        found = [Lesson(path, units) for path, units in model.units.items() if _learns(model, path)]
        if not found and values and not model.report.failed:
            _tell(model, f"`{rule.kind}` trains dense layers, and the network has none that may change", None)
    return found


def _behind(model: Model, output: ValueRef) -> str | None:
    """The layer of units that makes ``output``, perhaps with an activation between them."""
    network, ref = model.document.network, output
    while not ref.is_input:
        if ref.path in model.units and _learns(model, ref.path):
            return ref.path
        node = network.node(ref.path)
        if not isinstance(node.layer, Activate):
            return None
        (ref,) = node.inputs
    return None


def _kind(model: Model, output: ValueRef) -> str:
    node = model.document.network.node(output.path)
    return f"a frozen `{node.kind}`" if node.common.freeze else f"of the kind `{node.kind}`"


def _learns(model: Model, path: str) -> bool:
    """Whether the layer has a kernel of its own that training may change."""
    parameter = model.parameters.get(f"{path}.kernel")
    return parameter is not None and parameter.trainable


def _tell(model: Model, message: str, span: Span | None) -> None:
    span = span or model.document.spans.get("optimizer")
    model.report.error("rule-without-layer", message, span, helps=["put a `dense` there, or take `sgd`"])
