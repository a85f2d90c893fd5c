"""Losses of decisions: how far a score lies on the wrong side."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netspec.catalog.fields import NotNegative
from netspec.catalog.losses.loss import Loss
from netspec.catalog.losses.targets import classes, is_category, labels, mean, numbers, row_sum, total
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.reduce import Reduce


class Hinge(Loss):
    r"""$\frac1K \sum_{k \ne c} \max(0, m + z_k - z_c)$ for the class $c$ of $K$; the margin $m$ is 1.

    Against numbers, and of a single score, it is the mean over outputs of $\max(0, m - s z)$, where the side $s$ is 1
    for a target above 0, else -1: targets are -1 and 1, or 0 and 1.

    Reference: Cortes & Vapnik 1995, Support-vector networks; Weston & Watkins 1999, Support vector machines for
    multi-class pattern recognition.
    """

    kind: ClassVar[str] = "hinge"
    margin: NotNegative = Field(
        default=1.0, description="How far on the right side a score costs nothing.", json_schema_extra={"main": True}
    )

    @property
    def takes_logits(self) -> bool:
        return True

    def build(self, g: Scope, output: Value, target: Value) -> Value:
        margin = repr(self.margin)
        if not is_category(output, target):
            text = f"max(0, {margin} - where(t > 0, z, -z))"
            return mean(g, apply(g, text, z=output, t=numbers(g, output, target)))
        own, mark = score_of_class(g, output, target)
        return mean(g, apply(g, f"where(m > 0, 0, max(0, {margin} + z - o))", m=mark, z=output, o=own))


class Perceptron(Loss):
    r"""$\max_k z_k - z_c$ for the class $c$; of single scores the sum over outputs of $\max(0, -s z)$.

    The side $s$ is 1 for a target above 0, else -1. Only wrong decisions cost, and by its gradient they are corrected
    by $x$, Rosenblatt's rule; the optimizer `perceptron` is the rule itself, for units that decide by a step.

    Reference: Rosenblatt 1958, The perceptron: a probabilistic model for information storage and organization.
    """

    kind: ClassVar[str] = "perceptron"

    @property
    def takes_logits(self) -> bool:
        return True

    def build(self, g: Scope, output: Value, target: Value) -> Value:
        if not is_category(output, target):
            return total(g, apply(g, "max(0, where(t > 0, -z, z))", z=output, t=numbers(g, output, target)))
        own, _ = score_of_class(g, output, target)
        top = g.add(Reduce("max", (output.type.rank - 1,), keepdims=True), output)
        return total(g, apply(g, "m - o", m=top, o=own))


def score_of_class(g: Scope, output: Value, target: Value) -> tuple[Value, Value]:
    """The score of each sample's class, with a last axis of length 1, and 1 where that class stands, else 0."""
    mark = apply(g, "where(c == t, 1, 0)", c=classes(g, output), t=labels(g, target))
    return row_sum(g, apply(g, "where(m > 0, z, 0)", m=mark, z=output)), mark
