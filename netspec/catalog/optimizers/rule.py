"""Learning rules: units that change their weights by what they read and answer, not by the gradient of a loss."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from netspec.catalog.fields import NotNegative
from netspec.catalog.optimizers.optimizer import Optimizer
from netspec.catalog.scope import Scope, Units
from netspec.compiler.graph import Value
from netspec.compiler.ops import Reduce, StopGradient, apply

if TYPE_CHECKING:
    from netspec.catalog.optimizers.optimizer import Count, Real


class Rule(Optimizer):
    r"""A rule that changes a layer's weights by $\eta\, x^\top s$, with a signal $s$ for each of its units.

    A rule is said as an objective for each layer: a number a sample whose gradient, downhill, is the rule.
    $-\sum_j s_j z_j$ over the net inputs $z = x W + b$ is one, if the signal $s$ counts as a constant: by $W$ its
    gradient is $-x^\top s$, by $b$ it is $-s$. So a rule needs no interface of its own: the update is $p - \eta g$,
    and batches (the mean over their samples; a batch of 1 is the rule of the textbooks), schedules, `freeze`,
    `lr_scale`, `clip` and `regularize` work as with any optimizer. The objective differentiates by the weights of its
    own layer alone. The loss of the spec says what the target is, and is measured, but not followed.

    A rule that is ``taught`` trains the dense layer that makes the output of each loss, whatever activation stands
    between them, and layers before it stay as they are; the others train every dense layer by what it answers itself.
    """

    taught: ClassVar[bool]
    """Whether it needs the target of a loss."""

    @property
    def states(self) -> tuple[str, ...]:
        return ()

    @property
    def text(self) -> str:
        return "p - rate * g"

    def scalars(self, lr: Real, t: Count) -> Mapping[str, Real]:
        return {"rate": lr}

    @property
    def needs_target(self) -> bool:
        """Whether this instance needs the target of a loss."""
        return self.taught

    @abstractmethod
    def objective(self, g: Scope, units: Units, kernel: Value, target: Value | None) -> Value:
        """What the rule goes downhill on, ``float32[B, units]``, to be summed over units.

        Args:
            g: Where the graph is built.
            units: What the layer reads, its net input and its answer.
            kernel: ``float32[in, units]``, its weights.
            target: ``float32[B, units]`` for rules that need it.
        """


def signalled(g: Scope, units: Units, signal: Value) -> Value:
    """The objective of the rule with ``signal``."""
    return apply(g, "-s * z", s=g.add(StopGradient(), signal), z=units.net)


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


class HebbianRule(Rule):
    r"""$w \leftarrow w + \eta\, t\, x$: what is active together is joined; the output is held at its target.

    From zeros, one pass over orthonormal patterns stores every pair. With ``held: false`` the layer's own answer $y$
    stands in the place of $t$; weights then grow without limit, which `oja` prevents.

    Reference: Hebb 1949, The organization of behavior.
    """

    kind: ClassVar[str] = "hebbian"
    taught: ClassVar[bool] = True
    lr: NotNegative = Field(default=1.0, description="Learning rate.", json_schema_extra={"main": True})
    held: bool = Field(default=True, description="Whether the output is held at the target while learning.")

    @property
    def needs_target(self) -> bool:
        return self.held

    def objective(self, g: Scope, units: Units, kernel: Value, target: Value | None) -> Value:
        return signalled(g, units, units.output if target is None else target)


class OjaRule(Rule):
    r"""$w \leftarrow w + \eta\, y\, (x - y w)$: Hebb's rule with a decay that brings $|w|$ to 1.

    The weights of a linear unit come to lie along the first principal direction of centred inputs; each unit learns by
    itself. To the objective of Hebb's rule comes $\frac12 y_j^2 |w_j|^2$, in which $y$ counts as a constant. The bias
    learns by Hebb's part alone, so leave it out: ``bias: false``.

    Reference: Oja 1982, A simplified neuron model as a principal component analyzer.
    """

    kind: ClassVar[str] = "oja"
    taught: ClassVar[bool] = False
    lr: NotNegative = Field(default=0.01, description="Learning rate.", json_schema_extra={"main": True})

    def objective(self, g: Scope, units: Units, kernel: Value, target: Value | None) -> Value:
        y = g.add(StopGradient(), units.output)
        length = g.add(Reduce("sum", (0,), keepdims=True), apply(g, "w * w", w=kernel))
        return apply(g, "0.5 * y * y * n - y * z", y=y, n=length, z=units.net)
