"""What a step makes of gradients: gathered over batches, clipped, they change weights, and averages follow these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from netspec.catalog.optimizers import Optimizer
from netspec.compiler.graph import GraphBuilder, Origin, Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.merge_rows import MergeRows
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.scatter_add import ScatterAdd
from netspec.compiler.ops.take import Take, inverse_places
from netspec.compiler.ops.transpose import Transpose
from netspec.compiler.ops.update_rows import UpdateRows
from netspec.spec.parameters import Parameter
from netspec.spec.training import Clip, Train
from netspec.tensortype import TensorType, known

SCALAR: Final = TensorType("float32", ())

SHARE: Final = "accumulate.share"
"""The graph input that says how much of its step a batch is, by rows, where several batches make one."""

LAST: Final = "accumulate.last"
"""The graph input that is 1 for the last batch of a step, else 0."""

AVERAGE_RATE: Final = "average.rate"
"""The graph input by which averages of weights move towards the weights."""

AVERAGE: Final = "/average"
"""After the key of a weight: the state that is its average."""


@dataclass(frozen=True)
class Change:
    """A weight that a step changes, and its gradient."""

    parameter: Parameter
    value: Value
    gradient: Value

    @property
    def origin(self) -> Origin:
        return Origin(self.parameter.key, self.parameter.span.line)


def updates(g: GraphBuilder, optimizer: Optimizer, train: Train, changes: Sequence[Change]) -> dict[str, Value]:
    """The new weights and states of a step, by their keys.

    With ``accumulate`` every batch adds its share of the gradient, the mean over the rows of the step; the last one
    clips what was gathered, takes the step and begins anew. So it is the step of one large batch, up to rounding.
    """
    outputs: dict[str, Value] = {}
    share, last = (g.input(key, SCALAR, "step") for key in (SHARE, LAST)) if train.accumulate > 1 else (None, None)
    if share is not None and last is not None:
        changes = [_gathered(g, change, share) for change in changes]
        for change in changes:
            with g.at(change.origin):
                outputs[_gathered_key(change)] = apply(g, "where(l > 0, 0, s)", l=last, s=change.gradient)
    for change in _clipped(g, train.clip, changes):
        with g.at(change.origin):
            new = _updated(g, optimizer, change)
            if train.average is not None:
                key = f"{change.parameter.key}{AVERAGE}"
                old = g.input(key, change.value.type, "state")
                rate = g.input(AVERAGE_RATE, SCALAR, "step")
                new[key] = apply(g, "a + r * (p - a)", a=old, r=rate, p=new[change.parameter.key])
            if last is not None:
                new = {key: _once(g, change, key, value, last) for key, value in new.items()}
            outputs.update(new)
    return outputs


def penalized(g: GraphBuilder, loss: Value, trained: Sequence[Parameter], values: Sequence[Value]) -> Value:
    """A loss with the penalties of the weights that it is differentiated by."""
    for parameter, value in zip(trained, values, strict=True):
        for rate, text in ((parameter.regularize.l1, "abs(p)"), (parameter.regularize.l2, "p * p")):
            if rate:
                every = g.add(Reduce("sum", tuple(range(value.type.rank))), apply(g, text, p=value))
                loss = apply(g, f"loss + {rate!r} * penalty", loss=loss, penalty=every)
    return loss


def _gathered(g: GraphBuilder, change: Change, share: Value) -> Change:
    """The change by what was gathered in a step, this batch included."""
    with g.at(change.origin):
        so_far = g.input(_gathered_key(change), change.value.type, "state")
        return replace(change, gradient=apply(g, "s + w * x", s=so_far, w=share, x=change.gradient))


def _gathered_key(change: Change) -> str:
    return f"{change.parameter.key}/gathered"


def _once(g: GraphBuilder, change: Change, key: str, new: Value, last: Value) -> Value:
    """What is new after the last batch of a step, and what was there before it."""
    before = change.value if key == change.parameter.key else g.input(key, change.value.type, "state")
    return apply(g, "where(l > 0, n, b)", l=last, n=new, b=before)


def _clipped(g: GraphBuilder, clip: Clip | None, changes: Sequence[Change]) -> Sequence[Change]:
    if clip is None:
        return changes
    found = [change.gradient for change in changes]
    if clip.value is not None:
        found = [_each(g, x, f"min(max(x, {-clip.value!r}), {clip.value!r})") for x in found]
    if clip.norm is not None:
        whole: Value | None = None
        for change, x in zip(changes, found, strict=True):
            with g.at(change.origin):
                squares = apply(g, "x * x", x=_elements(g, x))
                one = g.add(Reduce("sum", tuple(range(squares.type.rank))), squares)
            whole = one if whole is None else apply(g, "a + b", a=whole, b=one)
        assert whole is not None
        factor = apply(g, f"where(s > {clip.norm**2!r}, {clip.norm!r} / sqrt(s), 1)", s=whole)
        found = [_each(g, x, "x * f", f=factor) for x in found]
    return [replace(change, gradient=x) for change, x in zip(changes, found, strict=True)]


def _elements(g: GraphBuilder, gradient: Value) -> Value:
    """The elements of a gradient; of a table's those of the rows that were read, each row once."""
    op = gradient.node.op
    return g.add(MergeRows(op.rows, op.outer), *gradient.node.inputs) if isinstance(op, ScatterAdd) else gradient


def _each(g: GraphBuilder, gradient: Value, text: str, **values: Value) -> Value:
    """A gradient with ``text``, which makes 0 of 0, done to each of its elements ``x``."""
    made = apply(g, text, x=_elements(g, gradient), **values)
    op = gradient.node.op
    return g.add(replace(op, outer=False), gradient.node.inputs[0], made) if isinstance(op, ScatterAdd) else made


def _updated(g: GraphBuilder, optimizer: Optimizer, change: Change) -> dict[str, Value]:
    """The optimizer's new weight and states."""
    parameter, value = change.parameter, change.value
    keys = [f"{parameter.key}/{state}" for state in optimizer.states]
    states = [g.input(key, value.type, "state") for key in keys]
    scalars = [g.input(scalar_key(name, parameter.lr_scale), SCALAR, "step") for name in optimizer.scalar_names]
    new, *kept = (
        _by_rows(g, optimizer, change.gradient, [value, *states], scalars)
        or g.node(Map(optimizer.update()), value, change.gradient, *states, *scalars).values
    )
    return dict(zip([parameter.key, *keys], [_limited(g, parameter, new), *kept], strict=True))


def _by_rows(
    g: GraphBuilder, optimizer: Optimizer, gradient: Value, tables: Sequence[Value], scalars: Sequence[Value]
) -> Sequence[Value] | None:
    """The new weight and states of a table of which only some rows, or columns, have a gradient; None of all others."""
    turned = isinstance(gradient.node.op, Transpose)
    made = gradient.node.inputs[0].node if turned else gradient.node
    if not isinstance(made.op, ScatterAdd) or not optimizer.by_rows or (made.op.dense and optimizer.states):
        return None
    given = [g.add(Transpose((1, 0)), table) for table in tables] if turned else tables
    new = g.node(UpdateRows(optimizer.update(), made.op.outer), *made.inputs, *given, *scalars).values
    return [g.add(Transpose((1, 0)), value) for value in new] if turned else new


def _limited(g: GraphBuilder, parameter: Parameter, value: Value) -> Value:
    """A weight of which all that leads into one unit (a column, a filter) is no longer than `max_norm`."""
    limit, incoming = parameter.regularize.max_norm, parameter.incoming
    if limit is None:
        return value
    whole, axes = value, tuple(range(value.type.rank - 1))
    if incoming is not None:
        spread = g.add(Take(incoming.places), value) if incoming.places else value
        whole, axes = g.add(Reshape(incoming.shape), spread), incoming.axes
    squares = g.add(Reduce("sum", axes, keepdims=True), apply(g, "p * p", p=whole))
    factor = apply(g, f"where(s > {limit**2!r}, {limit!r} / sqrt(s), 1)", s=squares)
    made = apply(g, "p * f", p=whole, f=factor)
    if incoming is not None and incoming.places:
        narrow = g.add(Reshape((*value.type.shape[:-1], len(incoming.places))), made)
        return g.add(Take(inverse_places(incoming.places, known(value.type.channels))), narrow)
    return made if incoming is None else g.add(Reshape(value.type.shape), made)


def scalar_key(name: str, lr_scale: float) -> str:
    """The graph input of an optimizer's scalar, for parameters with that factor on the learning rate."""
    return f"optimizer.{name}" if lr_scale == 1 else f"optimizer.{name}@{lr_scale!r}"
