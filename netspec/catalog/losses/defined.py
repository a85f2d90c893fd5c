"""Losses that a spec defines by a formula."""

from __future__ import annotations

from collections.abc import Mapping

from netspec.catalog.formulas import Parametric, declare, lower
from netspec.catalog.losses.loss import Loss
from netspec.catalog.losses.targets import numbers
from netspec.catalog.scope import Scope
from netspec.compiler.formula import FormulaError, parse
from netspec.compiler.formula.expr import names
from netspec.compiler.graph import Value
from netspec.compiler.ops.reshape import Reshape
from netspec.tensortype import ShapeError, show_shape


class FormulaLoss(Loss, Parametric):
    """A loss that is one formula over ``output``, ``target`` (one-hot for a category) and parameters, its fields.

    Reductions are over the last axis. The result is one number a sample.
    """

    def build(self, g: Scope, output: Value, target: Value) -> Value:
        values = {"output": output, "target": numbers(g, output, target)}
        result = lower(g, self.bound(self.formula, ("output", "target")), values)
        batch, *others = result.type.shape
        if any(n != 1 for n in others):
            raise ShapeError(
                f"`{self.kind}` gives {show_shape(others)} for a sample, a loss is one number",
                "put `sum(...)` or `mean(...)` around what is there for each output",
            )
        return g.add(Reshape((batch,)), result) if others else result


def defined_loss(name: str, formula: str, parameters: Mapping[str, float | None]) -> type[FormulaLoss]:
    """The loss that a spec defines.

    Args:
        name: Its name in the spec.
        formula: Text over ``output``, ``target`` and the parameters.
        parameters: Defaults by name; None where a use must give the value.

    Raises:
        FormulaError: if the text is not such a formula.
    """
    found = parse(formula, ("output", "target", *parameters))
    if len(found.outputs) != 1:
        raise FormulaError(f"a loss has one result, this formula has {len(found.outputs)}", 0, len(formula))
    if "output" not in names(found.output):
        raise FormulaError("a loss depends on `output`, this formula does not", 0, len(formula))
    members = {"formula": formula, "__doc__": f"``{formula}``"}
    return declare(FormulaLoss, name, parameters, members, registered=False)
