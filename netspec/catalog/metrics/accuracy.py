"""The share of right decisions."""

from __future__ import annotations

from typing import ClassVar, Literal

from netspec.catalog.formulas import lower, with_numbers
from netspec.catalog.losses.targets import classes, is_category, labels, mean, numbers
from netspec.catalog.metrics.metric import Metric
from netspec.catalog.scope import Scope
from netspec.compiler.formula import parse
from netspec.compiler.graph import Value
from netspec.compiler.ops import Reduce, apply

NOWHERE = 2**24
"""An index above those of all classes, still exact in float32."""


class Accuracy(Metric):
    """The share of samples whose largest score is that of their class, the first of equal ones.

    A single output decides by the side of its cut on which it lies, and is right on the target's side of the middle.
    """

    kind: ClassVar[str] = "accuracy"
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def build(self, g: Scope, output: Value, target: Value, *, cut: float = 0.5, middle: float = 0.5) -> Value:
        if output.type.rank > 1 and output.type.channels != 1:
            right = labels(g, target) if is_category(output, target) else first_largest(g, numbers(g, output, target))
            return mean(g, apply(g, "where(a == b, 1, 0)", a=first_largest(g, output), b=right))
        formula = parse("where(step(y - cut) == step(t - middle), 1, 0)", ("y", "t", "cut", "middle"))
        values = {"y": output, "t": numbers(g, output, target)}
        return mean(g, lower(g, with_numbers(formula, {"cut": cut, "middle": middle}), values))

    def finish(self, total: float, count: int) -> float:
        return total / count


def first_largest(g: Scope, scores: Value) -> Value:
    """The index of the first largest along the last axis, which stays with length 1; of a NaN, no class's index."""
    last = (scores.type.rank - 1,)
    top = g.add(Reduce("max", last, keepdims=True), scores)
    index = apply(g, f"where(z == m, c, {NOWHERE})", z=scores, m=top, c=classes(g, scores))
    return g.add(Reduce("min", last, keepdims=True), index)
