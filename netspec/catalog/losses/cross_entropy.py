"""The loss of classification into one of several classes."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netspec.catalog.activations import Activation
from netspec.catalog.activations.sigmoid import sigmoid
from netspec.catalog.activations.softmax import Softmax, largest
from netspec.catalog.fields import Probability
from netspec.catalog.losses.fused import scores_behind
from netspec.catalog.losses.loss import Loss
from netspec.catalog.losses.targets import classes, is_category, labels, numbers, row_sum, total
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.extent import Extent
from netspec.data.fieldtype import FieldType
from netspec.tensortype import ShapeError, Size, TensorType

CLAMP = 1e-7
"""The least probability whose logarithm is taken where the scores behind it are not known: about 2**-23."""


class CrossEntropy(Loss):
    r"""$-\sum_k t_k \log p_k$ with $p = \mathrm{softmax}(z)$; for a class $c$ that is $\log \sum_k e^{z_k} - z_c$.

    With ``logits: false`` the outputs are the probabilities of a softmax or sigmoid; the scores behind them are used
    all the same where they can be found, else probabilities are kept from falling below 1e-7. The gradient by $z$ of
    a softmax is $p - t$.

    Label smoothing by $\epsilon$ puts $(1 - \epsilon) t_k + \epsilon / K$ in the place of $t_k$.

    Reference: Bridle 1990, Training stochastic model recognition algorithms as networks; Szegedy et al. 2016,
    Rethinking the inception architecture for computer vision (label smoothing).
    """

    kind: ClassVar[str] = "cross_entropy"
    logits: bool = Field(default=True, description="Whether outputs are scores, not probabilities.")
    label_smoothing: Probability = Field(default=0.0, description="The share spread over all classes alike.")

    @property
    def takes_logits(self) -> bool:
        return self.logits

    def check(self, output: TensorType, target: FieldType) -> None:
        if output.rank < 2 or output.channels == 1:
            raise ShapeError(
                "`cross_entropy` needs a score for each class, got a single output",
                "use `binary_cross_entropy`, or one unit for each class",
            )
        super().check(output, target)

    def build(self, g: Scope, output: Value, target: Value) -> Value:
        if self.label_smoothing:
            target = smoothed(g, output, target, self.label_smoothing)
        if self.logits:
            return softmax_loss(g, output, target)
        if (scores := scores_behind(g, Softmax(), output)) is not None:
            return softmax_loss(g, scores, target)
        if (scores := scores_behind(g, sigmoid(), output)) is not None:
            return _picked(g, apply(g, "softplus(-z)", z=scores), output, target)
        return _picked(g, apply(g, f"-log(max(p, {CLAMP}))", p=output), output, target)

    def probabilities(self, g: Scope, output: Value) -> Value:
        return Softmax().apply(g, output) if self.logits else output

    def remark(self, g: Scope, output: Value) -> str | None:
        return remark_on_logits(g, self.kind, output, Softmax()) if self.logits else None


def softmax_loss(g: Scope, scores: Value, target: Value) -> Value:
    """The cross-entropy of a softmax over ``scores``."""
    # float32 exp overflows above 88.72, which a diverging run's scores pass. Nothing changes with a shift, so each
    # row's maximum is subtracted: exponents are then <= 0 and their sum >= 1, so the log is safe too.
    shifted = apply(g, "z - m", z=scores, m=largest(g, scores))
    s = row_sum(g, apply(g, "exp(d)", d=shifted))
    if is_category(scores, target):
        chosen = apply(g, "where(c == t, d, 0)", c=classes(g, scores), t=labels(g, target), d=shifted)
        return total(g, apply(g, "log(s) - d", s=s, d=row_sum(g, chosen)))
    t = numbers(g, scores, target)
    return total(g, apply(g, "t * (log(s) - d)", t=t, s=s, d=shifted))


def smoothed(g: Scope, output: Value, target: Value, share: float) -> Value:
    """The target in the shape of ``output``, of which ``share`` is spread over all classes alike."""
    count, t = output.type.channels, numbers(g, output, target)
    if isinstance(count, Size):
        return apply(g, f"{1 - share!r} * t + {share!r} / k", t=t, k=g.add(Extent(count)))
    return apply(g, f"{1 - share!r} * t + {share / count!r}", t=t)


def _picked(g: Scope, losses: Value, output: Value, target: Value) -> Value:
    """The sum of the losses of all classes, weighted by the target."""
    if is_category(output, target):
        return total(g, apply(g, "where(c == t, l, 0)", c=classes(g, output), t=labels(g, target), l=losses))
    return total(g, apply(g, "t * l", t=numbers(g, output, target), l=losses))


def remark_on_logits(g: Scope, kind: str, output: Value, *activations: Activation) -> str | None:
    """A remark if the output of a loss that takes logits is probabilities already."""
    for activation in activations:
        if scores_behind(g, activation, output) is not None:
            return (
                f"`{kind}` takes logits, but its output is a {activation.kind} already: "
                f"write `logits: false`, or leave the {activation.kind} out"
            )
    return None
