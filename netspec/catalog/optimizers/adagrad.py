"""Steps that shrink with all the gradients a weight has seen, and what follows from that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from netspec.catalog.fields import AboveZero, NotNegative, Probability
from netspec.catalog.optimizers.optimizer import Optimizer

if TYPE_CHECKING:
    from netspec.catalog.optimizers.optimizer import Count, Real


class Adagrad(Optimizer):
    r"""$v \leftarrow v + g^2$, $p \leftarrow p - \eta\, g / (\sqrt{v} + \epsilon)$.

    Weight decay $\lambda$ adds $\lambda p$ to the gradient.

    Reference: Duchi, Hazan & Singer 2011, Adaptive subgradient methods for online learning.
    """

    kind: ClassVar[str] = "adagrad"
    # The first step moves each weight by the rate, later ones by less and less.
    usual = (1e-5, 1.0)
    lr: NotNegative = Field(default=0.01, description="Learning rate.", json_schema_extra={"main": True})
    epsilon: AboveZero = Field(default=1e-10, description="Added to the root, against division by 0.")
    weight_decay: NotNegative = Field(default=0.0, description="The pull towards 0, added to the gradient.")

    @property
    def states(self) -> tuple[str, ...]:
        return ("v",)

    @property
    def text(self) -> str:
        decayed = "d = g + decay * p; " if self.weight_decay else "d = g; "
        return f"{decayed}w = v + d * d; p - rate * d / (sqrt(w) + epsilon), w"

    def scalars(self, lr: Real, t: Count) -> Mapping[str, Real]:
        values: dict[str, Real] = {"rate": lr, "epsilon": self.epsilon + 0 * lr}
        if self.weight_decay:
            values["decay"] = self.weight_decay + 0 * lr
        return values


class Adadelta(Optimizer):
    r"""$\Delta = g \sqrt{u + \epsilon} / \sqrt{v + \epsilon}$, $p \leftarrow p - \eta \Delta$.

    $v \leftarrow \rho v + (1 - \rho) g^2$ goes before the step and $u \leftarrow \rho u + (1 - \rho) \Delta^2$ after
    it, so that steps have the units of weights; weight decay adds $\lambda p$ to $g$.

    Reference: Zeiler 2012, ADADELTA: an adaptive learning rate method.
    """

    kind: ClassVar[str] = "adadelta"
    lr: NotNegative = Field(default=1.0, description="Learning rate.", json_schema_extra={"main": True})
    rho: Probability = Field(default=0.9, description="How much of the mean squares is kept.")
    epsilon: AboveZero = Field(default=1e-6, description="Added under the roots; sets the first step.")
    weight_decay: NotNegative = Field(default=0.0, description="The pull towards 0, added to the gradient.")

    @property
    def states(self) -> tuple[str, ...]:
        return ("v", "u")

    @property
    def text(self) -> str:
        decayed = "d = g + decay * p; " if self.weight_decay else "d = g; "
        moved = "w = v + rise * (d * d - v); s = d * sqrt(u + epsilon) / sqrt(w + epsilon); "
        return f"{decayed}{moved}p - rate * s, w, u + rise * (s * s - u)"

    def scalars(self, lr: Real, t: Count) -> Mapping[str, Real]:
        still = 0 * lr  # in the shape of lr, where that is an array
        values: dict[str, Real] = {"rate": lr, "rise": 1 - self.rho + still, "epsilon": self.epsilon + still}
        if self.weight_decay:
            values["decay"] = self.weight_decay + still
        return values
