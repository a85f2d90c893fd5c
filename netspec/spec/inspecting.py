"""Metrics of what a step computes inside the network: which values, gradients and weights they are told of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netspec.catalog.metrics import Inspected
from netspec.compiler.autodiff import gradients
from netspec.compiler.graph import GraphBuilder, Value
from netspec.compiler.ops.expressions import apply
from netspec.diagnostics import suggestion
from netspec.spec.binding import Binding
from netspec.spec.lowering import Model
from netspec.spec.network import ValueRef
from netspec.spec.updates import Change


def check_inspected(binding: Binding, model: Model, values: Mapping[ValueRef, Value]) -> bool:
    """Whether the network, which has been built, holds what the metric is told of; if not, the report says so."""
    what, report = binding.what, model.report
    assert isinstance(what, Inspected)
    if what.inside != "values" and not model.document.losses:
        report.error("missing-key", f"`{binding.kind}` needs a `loss`, of whose gradient it tells", binding.span)
        return False
    if what.inside == "weights":
        return _check_weights(binding, model)
    output = values.get(binding.output) if binding.output else None
    if output is not None and output.type.dtype != "float32":
        message = f"`{binding.kind}` is of real numbers, and `{binding.output}` is an index"
        report.error("wrong-kind", message, binding.from_span or binding.span)
        return False
    return output is not None


def _check_weights(binding: Binding, model: Model) -> bool:
    path, known = binding.inside, model.parameters
    found = [p for key, p in known.items() if is_inside(key, path)]
    if any(p.trainable for p in found):
        return True
    span, nodes = binding.from_span or binding.span, [node.path for node in model.document.network.nodes]
    if found or not path:
        message = f"`{path or 'the network'}` has no weight that training may change"
        model.report.error("unknown-weight", message, span)
    elif path in nodes:
        model.report.error("unknown-weight", f"`{path}` has no weights of its own", span)
    else:
        near = suggestion(path, [*nodes, *known])
        helps = (
            [f"did you mean `{near}`?"] if near else [f"there are {', '.join(f'`{key}`' for key in list(known)[:8])}"]
        )
        model.report.error("unknown-weight", f"there is no layer and no weight `{path}`", span, helps=helps)
    return False


def is_inside(key: str, path: str) -> bool:
    """Whether a weight is the one at ``path``, or of the layer or block there; of all, if that is empty."""
    return not path or key == path or key.startswith(f"{path}.")


def inspected(
    g: GraphBuilder,
    binding: Binding,
    model: Model,
    values: Mapping[ValueRef, Value],
    mean: Value | None,
    changes: Sequence[Change],
) -> Value:
    """What a metric that has been checked gives: a number for each sample, or one for the batch.

    Args:
        g: Where the graph is built.
        binding: The metric.
        model: The network as it was built last.
        values: What building it gave.
        mean: The mean loss of the batch.
        changes: The weights that training changes, with their gradients.
    """
    what = binding.what
    assert isinstance(what, Inspected)
    scope = model.loss_scope(g, binding.name, training=False)
    if what.inside == "weights":
        return what.inspect(scope, [c.gradient for c in changes if is_inside(c.parameter.key, binding.inside)])
    assert binding.output is not None
    value = values[binding.output]
    if what.inside == "values":
        return what.inspect(scope, [value])
    assert mean is not None
    by = value if binding.output.port else model.nets.get(binding.output.path, value)
    (found,) = gradients(g, mean, [by])
    # A value that the loss does not depend on has a gradient: 0.
    return what.inspect(scope, [apply(g, "0 * x", x=by) if found is None else found])
