"""How many classes a model hesitates between."""

from __future__ import annotations

from math import exp, inf
from typing import ClassVar, Literal

from netspec.catalog.losses.cross_entropy import CrossEntropy
from netspec.catalog.metrics.metric import PLAIN, Reading, Summed
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.data.fieldtype import FieldType
from netspec.tensortype import ShapeError, TensorType


class Perplexity(Summed):
    r"""$e^H$ with the mean cross-entropy $H$ in nats; equal scores for K classes give K.

    Reference: Jelinek et al. 1977, Perplexity: a measure of the difficulty of speech recognition tasks.
    """

    kind: ClassVar[str] = "perplexity"
    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def check(self, output: TensorType, target: FieldType) -> None:
        if output.rank < 2 or output.channels == 1:
            raise ShapeError("`perplexity` needs a score for each class, got a single output")
        super().check(output, target)

    def build(self, g: Scope, output: Value, target: Value, how: Reading = PLAIN) -> Value:
        return CrossEntropy(logits=how.logits).build(g, output, target)

    def finish(self, total: float, count: int) -> float:
        mean = total / count
        return exp(mean) if mean < 700 else inf if mean > 0 else mean  # the last is a NaN
