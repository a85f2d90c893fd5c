"""Pictures and targets mixed in pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from netspec.catalog.augmentations.kinds import Mixing, Size, uniform
from netspec.catalog.fields import AboveZero
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.iota import Iota
from netspec.compiler.ops.reduce import Reduce
from netspec.compiler.ops.reshape import Reshape
from netspec.tensortype import BATCH, TensorType

if TYPE_CHECKING:
    from netspec.catalog.augmentations.kinds import Array

PIECES = 256
"""Pieces of equal probability in which the distribution of shares is linear."""

POINTS = 1 << 14
"""Where its density is summed up."""


class Mixup(Mixing):
    r"""$y = \lambda x + (1 - \lambda) x'$, where $x'$ is another sample of the batch; the loss is mixed alike.

    The loss of a sample is $\lambda L(t) + (1 - \lambda) L(t')$ with the targets of both. $\lambda$ is drawn for each
    sample from the distribution $\mathrm{Beta}(\alpha, \alpha)$; $x'$ is one of the 15 others of its block of 16 in the
    batch, after the augmentations that stand before this one. Metrics of training compare with the sample's own target.

    Example:
        {mixup: 0.2}

    Reference: Zhang, Cisse, Dauphin, Lopez-Paz 2018, mixup: beyond empirical risk minimization.
    """

    kind: ClassVar[str] = "mixup"
    once: ClassVar[bool] = True
    alpha: AboveZero = Field(
        default=0.2,
        description="1 draws all shares alike, less draws mostly shares near 0 and 1.",
        json_schema_extra={"main": True},
    )

    def share(self, g: Scope) -> Value:
        # The quantile of a uniform draw, between the entries of a table: each weighs as much as it is near.
        table = g.graph.input(f"{g.path}/quantiles", TensorType("float32", (PIECES + 1,)), "constant")
        u = g.add(Reshape((BATCH, 1)), uniform(g, "share"))
        near = apply(g, f"max(0, 1 - abs({PIECES} * u - k)) * q", u=u, k=g.add(Iota((1, PIECES + 1), 1)), q=table)
        return g.add(Reshape((BATCH,)), g.add(Reduce("sum", (1,), keepdims=True), near))

    def draw(self, g: Scope) -> Value:
        return uniform(g, "mate")

    def constants(self, size: Size) -> Mapping[str, Array]:
        import numpy as np

        return {"quantiles": np.asarray(beta_quantiles(self.alpha, PIECES), np.float32)}


def beta_quantiles(alpha: float, pieces: int) -> Array:
    r"""The quantiles of Beta(alpha, alpha) at ``0, 1 / pieces, ..., 1``.

    The density is summed up over $s = x^\alpha$, by which it is $(1 - s^{1/\alpha})^{\alpha - 1} / \alpha$: finite
    up to the middle, whatever alpha; the other half is the mirror image.
    """
    import numpy as np

    s = np.linspace(0, 0.5**alpha, POINTS)
    density = (1 - s ** (1 / alpha)) ** (alpha - 1)
    total = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    u = np.arange(pieces + 1) / pieces
    lower = np.interp(np.minimum(u, 1 - u), total / (2 * total[-1]), s) ** (1 / alpha)
    return np.where(u <= 0.5, lower, 1 - lower)
