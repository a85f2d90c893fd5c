"""The loss of layers that say how likely a target is by weights of their own."""

from __future__ import annotations

from typing import ClassVar

from netspec.catalog.losses.loss import Loss
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.tensortype import ShapeError


class NegativeLogLikelihood(Loss):
    r"""$-\log p(t)$ by a layer that has probabilities of its own: `crf`, `hierarchical_softmax`.

    Of a `crf` it is the mean over sequences. Metrics on the layer wait for an evaluation: training computes no more
    than the likelihood.

    Example:
        {negative_log_likelihood: {from: labels, target: tags}}

    Reference: Fisher 1922, On the mathematical foundations of theoretical statistics.
    """

    kind: ClassVar[str] = "negative_log_likelihood"
    reads_head: ClassVar[bool] = True

    @property
    def samples_scores(self) -> bool:
        return True

    def build(self, g: Scope, output: Value, target: Value) -> Value:
        head = g.head_of(output)
        if head is None:
            raise ShapeError(
                f"`{self.kind}` reads a layer with probabilities of its own, such as `crf` or `hierarchical_softmax`",
                "of scores, one for each class, the loss is `cross_entropy`",
            )
        return head.loss(g, target)

    def probabilities(self, g: Scope, output: Value) -> Value:
        head = g.head_of(output)
        return output if head is None else head.probabilities(g, output)
