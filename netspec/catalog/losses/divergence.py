"""Losses between distributions, and of counts."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netspec.catalog.losses.cross_entropy import CrossEntropy
from netspec.catalog.losses.loss import Loss
from netspec.catalog.losses.targets import mean, numbers, total
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply
from netspec.data.fieldtype import FieldType
from netspec.tensortype import ShapeError, TensorType


class Kl(Loss):
    r"""$\sum_k t_k (\log t_k - \log p_k)$ with $p = \mathrm{softmax}(z)$: the cross-entropy above that of $p = t$.

    Where $t_k = 0$ nothing is added. With ``logits: false`` outputs are probabilities, as in `cross_entropy`.

    Reference: Kullback & Leibler 1951, On information and sufficiency.
    """

    kind: ClassVar[str] = "kl"
    logits: bool = Field(default=True, description="Whether outputs are scores, not probabilities.")

    @property
    def takes_logits(self) -> bool:
        return self.logits

    @property
    def crossed(self) -> CrossEntropy:
        """The cross-entropy, from which it differs by what does not depend on the output."""
        return CrossEntropy(logits=self.logits)

    def check(self, output: TensorType, target: FieldType) -> None:
        if output.rank < 2 or output.channels == 1:
            raise ShapeError("`kl` needs a score for each class, got a single output")
        super().check(output, target)

    def build(self, g: Scope, output: Value, target: Value) -> Value:
        t = numbers(g, output, target)
        own = total(g, apply(g, "t * log(where(t > 0, t, 1))", t=t))
        return apply(g, "a + b", a=self.crossed.build(g, output, t), b=own)

    def probabilities(self, g: Scope, output: Value) -> Value:
        return self.crossed.probabilities(g, output)

    def remark(self, g: Scope, output: Value) -> str | None:
        told = self.crossed.remark(g, output)
        return told and told.replace("`cross_entropy`", "`kl`")


class Poisson(Loss):
    r"""The mean over outputs of $e^z - t z$: counts $t$ whose rate is $e^z$, up to what does not depend on $z$.

    With ``log: false`` the output is the rate $y$ itself, and it is $y - t \log(y + 10^{-8})$.

    Reference: Nelder & Wedderburn 1972, Generalized linear models.
    """

    kind: ClassVar[str] = "poisson"
    log: bool = Field(default=True, description="Whether the output is the logarithm of the rate.")

    def build(self, g: Scope, output: Value, target: Value) -> Value:
        text = "exp(z) - t * z" if self.log else "z - t * log(z + 1e-8)"
        return mean(g, apply(g, text, z=output, t=numbers(g, output, target)))

    def probabilities(self, g: Scope, output: Value) -> Value:
        return apply(g, "exp(z)", z=output) if self.log else output
