"""The loss of yes-or-no outputs, each by itself."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netspec.catalog.activations.sigmoid import sigmoid
from netspec.catalog.activations.softmax import Softmax, largest
from netspec.catalog.losses.cross_entropy import CLAMP, remark_on_logits
from netspec.catalog.losses.fused import scores_behind
from netspec.catalog.losses.loss import Loss
from netspec.catalog.losses.targets import numbers, row_sum, total
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply


class BinaryCrossEntropy(Loss):
    r"""$-\sum_k \bigl(t_k \log p_k + (1 - t_k) \log(1 - p_k)\bigr)$ over the outputs, $p = \mathrm{sigmoid}(z)$.

    With ``logits: false`` the outputs are the probabilities of a sigmoid, or of a softmax (the per-output loss of the
    textbooks); the scores behind them are used all the same where they can be found, else probabilities are kept 1e-7
    away from 0 and 1.

    Reference: Bishop 2006, Pattern recognition and machine learning, 4.3.2.
    """

    kind: ClassVar[str] = "binary_cross_entropy"
    logits: bool = Field(default=True, description="Whether outputs are scores, not probabilities.")

    @property
    def takes_logits(self) -> bool:
        return self.logits

    def build(self, g: Scope, output: Value, target: Value) -> Value:
        t = numbers(g, output, target)
        scores = output if self.logits else scores_behind(g, sigmoid(), output)
        if scores is not None:
            return total(g, sigmoid_losses(g, scores, t))
        if (scores := scores_behind(g, Softmax(), output)) is not None:
            return total(g, softmax_losses(g, scores, t))
        text = f"q = min(max(p, {CLAMP}), {1 - CLAMP}); -(t * log(q) + (1 - t) * log(1 - q))"
        return total(g, apply(g, text, p=output, t=t))

    def probabilities(self, g: Scope, output: Value) -> Value:
        return sigmoid().apply(g, output) if self.logits else output

    def remark(self, g: Scope, output: Value) -> str | None:
        return remark_on_logits(g, self.kind, output, sigmoid(), Softmax()) if self.logits else None


def sigmoid_losses(g: Scope, scores: Value, t: Value) -> Value:
    """The loss of each output under a sigmoid over ``scores``."""
    # log(1 + exp(z)) - t z, written so that for t = 1 a large z cancels exactly, not up to rounding; and max(z, 0) is
    # written (z + |z|) / 2, because then the derived derivative is sigmoid(z) - t at z = 0 too.
    return apply(g, "0.5 * (z + abs(z)) - z * t + log1p(exp(-abs(z)))", z=scores, t=t)


def softmax_losses(g: Scope, scores: Value, t: Value) -> Value:
    r"""The loss of each output under a softmax over ``scores``.

    With $e_k = e^{z_k - m}$ and $s = \sum_k e_k$ it is $\log s - t_k (z_k - m) - (1 - t_k) \log(s - e_k)$. For the
    largest, ``s - e`` would lose all digits when its probability is near 1, so the rest is summed without it.
    """
    d = apply(g, "z - m", z=scores, m=largest(g, scores))
    e = apply(g, "exp(d)", d=d)
    s = row_sum(g, e)
    rest = row_sum(g, apply(g, "where(d == 0, 0, e)", d=d, e=e))
    ties = row_sum(g, apply(g, "where(d == 0, 1, 0)", d=d))
    others = apply(g, "where(d == 0 and n == 1, r, s - e)", d=d, n=ties, r=rest, s=s, e=e)
    # 2**-126, the least normal number: all others have underflowed beside a score that is larger by 87.
    text = "log(s) - t * d - (1 - t) * log(max(o, 1.1754943508222875e-38))"
    return apply(g, text, s=s, t=t, d=d, o=others)
