"""Gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, model_validator

from netspec.catalog.fields import NotNegative, Probability, refusal
from netspec.catalog.optimizers.optimizer import Optimizer

if TYPE_CHECKING:
    from netspec.catalog.optimizers.optimizer import Count, Real


class Sgd(Optimizer):
    r"""$v \leftarrow \mu v + g$, $p \leftarrow p - \eta v$; without momentum $p \leftarrow p - \eta g$.

    With ``nesterov`` the step is along $g + \mu v$, the gradient as it would be one step of momentum further. Weight
    decay $\lambda$ adds $\lambda p$ to the gradient, the derivative of $\frac{\lambda}{2} p^2$.

    Reference: Sutskever et al. 2013, On the importance of initialization and momentum in deep learning.
    """

    kind: ClassVar[str] = "sgd"
    # A step is the rate times the gradient, and gradients differ by orders between losses: recurrent networks with
    # clipped gradients are trained with 30 (Merity et al. 2018), as is what sums over few of many rows of a table.
    usual = (1e-6, 30.0)
    lr: NotNegative = Field(default=0.01, description="Learning rate.", json_schema_extra={"main": True})
    momentum: Probability = Field(default=0.0, description="How much of the last step is kept.")
    nesterov: bool = Field(default=False, description="Whether the gradient is taken one step of momentum further.")
    weight_decay: NotNegative = Field(default=0.0, description="The pull towards 0, added to the gradient.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.nesterov and not self.momentum:
            raise refusal("`nesterov` needs a `momentum` above 0")
        return self

    @property
    def states(self) -> tuple[str, ...]:
        return ("v",) if self.momentum else ()

    @property
    def text(self) -> str:
        decayed = "d = g + decay * p; " if self.weight_decay else "d = g; "
        if not self.momentum:
            return f"{decayed}p - rate * d"
        direction = "d + momentum * w" if self.nesterov else "w"
        return f"{decayed}w = momentum * v + d; p - rate * ({direction}), w"

    @property
    def by_rows(self) -> bool:
        return bool(self.momentum) or not self.weight_decay  # decay alone is exact as well: it reaches every row

    def scalars(self, lr: Real, t: Count) -> Mapping[str, Real]:
        values: dict[str, Real] = {"rate": lr}
        if self.momentum:
            values["momentum"] = self.momentum + 0 * lr
        if self.weight_decay:
            values["decay"] = self.weight_decay + 0 * lr
        return values
