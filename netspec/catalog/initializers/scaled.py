"""Initializers whose spread follows from the fans, so that signals neither die nor grow from layer to layer."""

from __future__ import annotations

from abc import abstractmethod
from math import sqrt
from typing import TYPE_CHECKING, ClassVar, Literal

from netspec.catalog.initializers.initializer import Initializer

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Scaled(Initializer):
    """Values of mean 0 and a variance that the fans give; normal ones are not truncated."""

    distribution: ClassVar[Literal["uniform", "normal"]]

    @abstractmethod
    def variance(self, fan_in: int, fan_out: int) -> float:
        """The variance of one value."""

    def values(self, rng: np.random.Generator, shape: tuple[int, ...], fans: tuple[int, int]) -> npt.ArrayLike:
        deviation = sqrt(self.variance(*fans))
        if self.distribution == "normal":
            return rng.normal(0.0, deviation, shape)
        bound = sqrt(3.0) * deviation  # the variance of uniform(-a, a) is a^2 / 3
        return rng.uniform(-bound, bound, shape)


class GlorotUniform(Scaled):
    r"""Uniform with $\sigma^2 = 2 / (n_{in} + n_{out})$; what kernels start with unless the spec says otherwise.

    It keeps the variance of activations and of gradients about equal through linear and tanh layers, and is close
    enough for the others; a default that looked at the activation would change weights when a spec changes only that.

    Reference: Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks.
    """

    kind: ClassVar[str] = "glorot_uniform"
    distribution: ClassVar[Literal["uniform", "normal"]] = "uniform"

    def variance(self, fan_in: int, fan_out: int) -> float:
        return 2 / (fan_in + fan_out)


class GlorotNormal(GlorotUniform):
    r"""Normal with $\sigma^2 = 2 / (n_{in} + n_{out})$.

    Reference: Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks.
    """

    kind: ClassVar[str] = "glorot_normal"
    distribution: ClassVar[Literal["uniform", "normal"]] = "normal"


class HeUniform(Scaled):
    r"""Uniform with $\sigma^2 = 2 / n_{in}$, for layers before a ReLU, which halves the variance.

    Reference: He et al. 2015, Delving deep into rectifiers.
    """

    kind: ClassVar[str] = "he_uniform"
    distribution: ClassVar[Literal["uniform", "normal"]] = "uniform"

    def variance(self, fan_in: int, fan_out: int) -> float:
        return 2 / fan_in


class HeNormal(HeUniform):
    r"""Normal with $\sigma^2 = 2 / n_{in}$, for layers before a ReLU, which halves the variance.

    Reference: He et al. 2015, Delving deep into rectifiers.
    """

    kind: ClassVar[str] = "he_normal"
    distribution: ClassVar[Literal["uniform", "normal"]] = "normal"


class LecunUniform(Scaled):
    r"""Uniform with $\sigma^2 = 1 / n_{in}$; what `selu` asks for.

    Reference: LeCun et al. 1998, Efficient backprop.
    """

    kind: ClassVar[str] = "lecun_uniform"
    distribution: ClassVar[Literal["uniform", "normal"]] = "uniform"

    def variance(self, fan_in: int, fan_out: int) -> float:
        return 1 / fan_in


class LecunNormal(LecunUniform):
    r"""Normal with $\sigma^2 = 1 / n_{in}$; what `selu` asks for.

    Reference: LeCun et al. 1998, Efficient backprop.
    """

    kind: ClassVar[str] = "lecun_normal"
    distribution: ClassVar[Literal["uniform", "normal"]] = "normal"
