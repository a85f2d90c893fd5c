"""Gradient descent with a step of its own for every weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from netspec.catalog.fields import AboveZero, NotNegative, Probability
from netspec.catalog.optimizers.optimizer import Optimizer

if TYPE_CHECKING:
    from netspec.catalog.optimizers.optimizer import Count, Real

# Two multiply-adds for each moment: (1 - beta) m + beta g is m + rise (g - m). The corrections of the moments' start
# at 0 are of the step alone, so the host has folded them into `rate` and `root`.
MOMENTS = "n = m + rise * (d - m); w = v + rise2 * (d * d - v); "
STEP = "rate * n / (root * sqrt(w) + epsilon)"


class Adam(Optimizer):
    r"""$p \leftarrow p - \eta\, \hat m / (\sqrt{\hat v} + \epsilon)$ with corrected running means of $g$ and $g^2$.

    $m \leftarrow \beta_1 m + (1 - \beta_1) g$, $v \leftarrow \beta_2 v + (1 - \beta_2) g^2$,
    $\hat m = m / (1 - \beta_1^t)$, $\hat v = v / (1 - \beta_2^t)$. Weight decay $\lambda$ adds $\lambda p$ to the
    gradient; `adamw` applies it to the weights themselves.

    Reference: Kingma & Ba 2015, Adam: a method for stochastic optimization.
    """

    kind: ClassVar[str] = "adam"
    # A step moves each weight by about the rate, and weights begin between 0.01 and 1: above, a step replaces them.
    usual = (1e-6, 0.1)
    lr: NotNegative = Field(default=0.001, description="Learning rate.", json_schema_extra={"main": True})
    beta1: Probability = Field(default=0.9, description="How much of the mean gradient is kept.")
    beta2: Probability = Field(default=0.999, description="How much of the mean squared gradient is kept.")
    epsilon: AboveZero = Field(default=1e-8, description="Added to the root, against division by 0.")
    weight_decay: NotNegative = Field(default=0.0, description="The pull towards 0, added to the gradient.")

    @property
    def states(self) -> tuple[str, ...]:
        return ("m", "v")

    @property
    def text(self) -> str:
        decayed = "d = g + decay * p; " if self.weight_decay else "d = g; "
        return f"{decayed}{MOMENTS}p - {STEP}, n, w"

    def scalars(self, lr: Real, t: Count) -> Mapping[str, Real]:
        values = self.corrections(lr, t)
        if self.weight_decay:
            values["decay"] = self.weight_decay + 0 * lr
        return values

    def corrections(self, lr: Real, t: Count) -> dict[str, Real]:
        """The scalars of the moments and the step."""
        still = 0 * lr  # in the shape of lr, where that is an array
        return {
            "rate": lr / (1 - self.beta1**t),
            "root": (1 - self.beta2**t) ** -0.5,
            "rise": 1 - self.beta1 + still,
            "rise2": 1 - self.beta2 + still,
            "epsilon": self.epsilon + still,
        }


class AdamW(Adam):
    r"""Adam whose weight decay multiplies the weights by $1 - \eta \lambda$ and never enters the moments.

    Reference: Loshchilov & Hutter 2019, Decoupled weight decay regularization.
    """

    kind: ClassVar[str] = "adamw"
    weight_decay: NotNegative = Field(default=0.01, description="The pull towards 0, of the weights themselves.")

    @property
    def text(self) -> str:
        return f"d = g; {MOMENTS}keep * p - {STEP}, n, w"

    def scalars(self, lr: Real, t: Count) -> Mapping[str, Real]:
        return {**self.corrections(lr, t), "keep": 1 - lr * self.weight_decay}
