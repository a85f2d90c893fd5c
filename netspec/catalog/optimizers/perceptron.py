"""Learning by the error of each unit, the perceptron's and the delta rule."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netspec.catalog.fields import NotNegative
from netspec.catalog.optimizers.rule import Rule, signalled
from netspec.catalog.scope import Scope, Units
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply


class PerceptronRule(Rule):
    r"""$w \leftarrow w + \eta\, (t - y)\, x$, with the answer $y$ behind the unit's step or sign.

    Where the answer is right nothing changes; on separable data that is so after finitely many steps.

    Reference: Rosenblatt 1958, The perceptron: a probabilistic model for information storage and organization.
    """

    kind: ClassVar[str] = "perceptron"
    taught: ClassVar[bool] = True
    lr: NotNegative = Field(default=1.0, description="Learning rate.", json_schema_extra={"main": True})

    def objective(self, g: Scope, units: Units, kernel: Value, target: Value | None) -> Value:
        assert target is not None
        return signalled(g, units, apply(g, "t - y", t=target, y=units.output))


class DeltaRule(Rule):
    r"""$w \leftarrow w + \eta\, (t - z)\, x$, with the net input $z$ before any activation: least mean squares.

    With an activation the unit decides by it but learns as if it were linear (Adaline). The generalised delta rule,
    $(t - y) f'(z)\, x$, is `sgd` on `squared_error`.

    Reference: Widrow & Hoff 1960, Adaptive switching circuits.
    """

    kind: ClassVar[str] = "delta"
    taught: ClassVar[bool] = True
    lr: NotNegative = Field(default=0.01, description="Learning rate.", json_schema_extra={"main": True})

    def objective(self, g: Scope, units: Units, kernel: Value, target: Value | None) -> Value:
        assert target is not None
        return signalled(g, units, apply(g, "t - z", t=target, z=units.net))
