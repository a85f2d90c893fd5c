"""Steps of one size for all weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from netspec.catalog.fields import NotNegative, Probability
from netspec.catalog.optimizers.optimizer import Optimizer

if TYPE_CHECKING:
    from netspec.catalog.optimizers.optimizer import Count, Real


class Lion(Optimizer):
    r"""$p \leftarrow p - \eta\, (\mathrm{sgn}(\beta_1 m + (1 - \beta_1) g) + \lambda p)$ with $\mathrm{sgn}(0) = 0$.

    After it $m \leftarrow \beta_2 m + (1 - \beta_2) g$. Weight decay $\lambda$ multiplies the weights by
    $1 - \eta \lambda$, as in `adamw`.

    Reference: Chen et al. 2023, Symbolic discovery of optimization algorithms.
    """

    kind: ClassVar[str] = "lion"
    # A step moves each weight by the rate exactly, however small its gradient: a tenth of what Adam is used with.
    usual = (1e-7, 0.01)
    lr: NotNegative = Field(default=1e-4, description="Learning rate.", json_schema_extra={"main": True})
    beta1: Probability = Field(default=0.9, description="The share of the mean gradient in the direction.")
    beta2: Probability = Field(default=0.99, description="How much of the mean gradient is kept.")
    weight_decay: NotNegative = Field(default=0.0, description="The pull towards 0, of the weights themselves.")

    @property
    def states(self) -> tuple[str, ...]:
        return ("m",)

    @property
    def text(self) -> str:
        # The last branch is 0 or a NaN, which must stay one; the function `sign` makes 1 of 0.
        turned = "c = m + rise * (g - m); s = where(c > 0, 1, where(c < 0, -1, c)); "
        kept = "keep * p" if self.weight_decay else "p"
        return f"{turned}{kept} - rate * s, m + rise2 * (g - m)"

    def scalars(self, lr: Real, t: Count) -> Mapping[str, Real]:
        still = 0 * lr  # in the shape of lr, where that is an array
        values: dict[str, Real] = {"rate": lr, "rise": 1 - self.beta1 + still, "rise2": 1 - self.beta2 + still}
        if self.weight_decay:
            values["keep"] = 1 - lr * self.weight_decay
        return values
