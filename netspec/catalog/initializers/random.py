"""Initializers with a spread that the spec names."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, model_validator

from netspec.catalog.fields import NotNegative, refusal
from netspec.catalog.initializers.initializer import Initializer

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Uniform(Initializer):
    r"""$w \sim \mathcal{U}(a, b)$, uniform from ``low`` up to ``high``.

    Example:
        {uniform: {low: -0.5, high: 0.5}}
    """

    kind: ClassVar[str] = "uniform"
    low: float = Field(default=-0.05, description="The least value.")
    high: float = Field(default=0.05, description="The bound above; never reached.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise refusal(f"`low` is {self.low:g}, above `high`, {self.high:g}")
        return self

    def values(self, rng: np.random.Generator, shape: tuple[int, ...], fans: tuple[int, int]) -> npt.ArrayLike:
        return rng.uniform(self.low, self.high, shape)


class Normal(Initializer):
    r"""$w \sim \mathcal{N}(\mu, \sigma^2)$, normal with ``mean`` and standard deviation ``std``; not truncated.

    Example:
        {normal: {std: 0.1}}
    """

    kind: ClassVar[str] = "normal"
    mean: float = Field(default=0.0, description="The centre.")
    std: NotNegative = Field(default=0.05, description="The standard deviation.")

    def values(self, rng: np.random.Generator, shape: tuple[int, ...], fans: tuple[int, int]) -> npt.ArrayLike:
        return rng.normal(self.mean, self.std, shape)
