"""Learning by what is active together, Hebb's and Oja's rule."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netspec.catalog.fields import NotNegative
from netspec.catalog.optimizers.rule import Rule, signalled
from netspec.catalog.scope import Scope, Units
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.stop_gradient import StopGradient


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
