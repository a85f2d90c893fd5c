"""The share of right decisions."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from netspec.catalog.fields import Positive
from netspec.catalog.formulas import lower, with_numbers
from netspec.catalog.losses.targets import classes, is_category, labels, mean, numbers, row_sum
from netspec.catalog.metrics.metric import PLAIN, Reading, Summed
from netspec.catalog.scope import Scope
from netspec.compiler.formula import parse
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.reduce import Reduce
from netspec.data.fieldtype import FieldType
from netspec.tensortype import ShapeError, TensorType

NOWHERE = 2**24
"""An index above those of all classes, still exact in float32."""


class Accuracy(Summed):
    r"""$\frac1N \sum_n [\arg\max_k y_{nk} = c_n]$, the share of samples whose largest score is that of their class.

    Of equal scores the first is the larger.
    A single output decides by the side of its cut on which it lies, and is right on the target's side of the middle.
    """

    kind: ClassVar[str] = "accuracy"
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def build(self, g: Scope, output: Value, target: Value, how: Reading = PLAIN) -> Value:
        chosen, right = decided(g, output, target, how)
        return mean(g, apply(g, "where(a == b, 1, 0)", a=chosen, b=right))

    def finish(self, total: float, count: int) -> float:
        return total / count


class TopK(Summed):
    r"""$\frac1N \sum_n [\mathrm{rank}(y_{nc}) \le k]$, of samples whose class has one of the $k$ largest scores.

    Of equal scores the first is the larger. There must be more than $k$ classes.
    """

    kind: ClassVar[str] = "top_k"
    better: ClassVar[Literal["higher", "lower"]] = "higher"
    k: Positive = Field(default=5, description="How many scores count.", json_schema_extra={"main": True})

    def check(self, output: TensorType, target: FieldType) -> None:
        super().check(output, target)
        classes_ = output.channels if output.rank > 1 else 1
        if isinstance(classes_, int) and classes_ <= self.k:
            raise ShapeError(f"`top_k` of {self.k} needs more than {self.k} classes, got {classes_}")

    def build(self, g: Scope, output: Value, target: Value, how: Reading = PLAIN) -> Value:
        _, right = decided(g, output, target, how)
        index = classes(g, output)
        own = row_sum(g, apply(g, "where(c == t, z, 0)", c=index, t=right, z=output))
        # What is not smaller counts as above: so a NaN never passes.
        above = apply(g, "where(z < o, 0, where(z == o and c >= t, 0, 1))", z=output, o=own, c=index, t=right)
        return mean(g, apply(g, f"where(n < {self.k}, 1, 0)", n=row_sum(g, above)))

    def finish(self, total: float, count: int) -> float:
        return total / count


def decided(g: Scope, output: Value, target: Value, how: Reading) -> tuple[Value, Value]:
    """The class that each sample is given and its own, as numbers: of a row of scores, or 0 and 1 of a single one."""
    if output.type.rank > 1 and output.type.channels != 1:
        right = labels(g, target) if is_category(output, target) else first_largest(g, numbers(g, output, target))
        return first_largest(g, output), right
    sides = []
    for value, cut in ((output, how.cut), (numbers(g, output, target), how.middle)):
        sides.append(lower(g, with_numbers(parse("step(y - cut)", ("y", "cut")), {"cut": cut}), {"y": value}))
    return sides[0], sides[1]


def first_largest(g: Scope, scores: Value) -> Value:
    """The index of the first largest along the last axis, which stays with length 1; of a NaN, no class's index."""
    last = (scores.type.rank - 1,)
    top = g.add(Reduce("max", last, keepdims=True), scores)
    index = apply(g, f"where(z == m, c, {NOWHERE})", z=scores, m=top, c=classes(g, scores))
    return g.add(Reduce("min", last, keepdims=True), index)
