"""Learning rules: units that change their weights by what they read and answer, not by the gradient of a loss."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from netspec.catalog.optimizers.optimizer import Optimizer
from netspec.catalog.scope import Scope, Units
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.stop_gradient import StopGradient

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
