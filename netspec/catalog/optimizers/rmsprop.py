"""Steps in units of the recent size of each weight's gradient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from netspec.catalog.fields import AboveZero, NotNegative, Probability
from netspec.catalog.optimizers.optimizer import Optimizer

if TYPE_CHECKING:
    from netspec.catalog.optimizers.optimizer import Count, Real


class RmsProp(Optimizer):
    r"""$v \leftarrow \rho v + (1 - \rho) g^2$, $p \leftarrow p - \eta\, g / (\sqrt{v} + \epsilon)$.

    ``centered`` takes the root of $v - m^2$ with the running mean $m$ of $g$: an estimate of the variance. With
    momentum $\mu$ the step is $b \leftarrow \mu b + g / (\ldots)$. Weight decay $\lambda$ adds $\lambda p$ to $g$.

    Reference: Tieleman & Hinton 2012, Lecture 6.5: RMSProp; Graves 2013, Generating sequences with recurrent neural
    networks (centered).
    """

    kind: ClassVar[str] = "rmsprop"
    # A step moves each weight by about the rate, and weights begin between 0.01 and 1: above, a step replaces them.
    usual = (1e-6, 0.1)
    lr: NotNegative = Field(default=0.01, description="Learning rate.", json_schema_extra={"main": True})
    rho: Probability = Field(default=0.99, description="How much of the mean squared gradient is kept.")
    epsilon: AboveZero = Field(default=1e-8, description="Added to the root, against division by 0.")
    momentum: Probability = Field(default=0.0, description="How much of the last step is kept.")
    centered: bool = Field(default=False, description="Whether the mean gradient's square is taken off.")
    weight_decay: NotNegative = Field(default=0.0, description="The pull towards 0, added to the gradient.")

    @property
    def states(self) -> tuple[str, ...]:
        return ("v", *(("m",) if self.centered else ()), *(("b",) if self.momentum else ()))

    @property
    def text(self) -> str:
        parts = ["d = g + decay * p" if self.weight_decay else "d = g", "w = v + rise * (d * d - v)"]
        results, square = ["w"], "w"
        if self.centered:
            parts.append("n = m + rise * (d - m)")
            results.append("n")
            square = "max(w - n * n, 0)"  # rounding may put it below
        step = f"d / (sqrt({square}) + epsilon)"
        if self.momentum:
            parts.append(f"c = momentum * b + {step}")
            results.append("c")
            step = "c"
        return "; ".join([*parts, ", ".join([f"p - rate * {step}", *results])])

    def scalars(self, lr: Real, t: Count) -> Mapping[str, Real]:
        still = 0 * lr  # in the shape of lr, where that is an array
        values: dict[str, Real] = {"rate": lr, "rise": 1 - self.rho + still, "epsilon": self.epsilon + still}
        if self.momentum:
            values["momentum"] = self.momentum + still
        if self.weight_decay:
            values["decay"] = self.weight_decay + still
        return values
