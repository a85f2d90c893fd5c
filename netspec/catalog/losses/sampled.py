"""Losses over large vocabularies that score a few of the words only."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from pydantic import Field

from netspec.catalog.activations.softmax import Softmax, largest
from netspec.catalog.fields import NotNegative, Positive
from netspec.catalog.losses.cross_entropy import softmax_loss
from netspec.catalog.losses.loss import Loss
from netspec.catalog.losses.targets import classes, labels, real, row_sum, total
from netspec.catalog.scope import Scope
from netspec.compiler.formula import parse
from netspec.compiler.graph import Value
from netspec.compiler.ops.contract import Contract
from netspec.compiler.ops.contract_rows import ContractRows
from netspec.compiler.ops.draw_rows import DrawRows
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.lookup import Lookup
from netspec.compiler.ops.map import Map
from netspec.compiler.ops.random import Random
from netspec.compiler.ops.reshape import Reshape
from netspec.compiler.ops.transpose import Transpose
from netspec.data.fieldtype import FieldType
from netspec.tensortype import Dim, DType, ShapeError, TensorType

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]


NEVER = -1e30
"""The score of what does not count: its exponential is 0."""

_WITH_BIAS = parse("y + b", ("y", "b"))


@dataclass(frozen=True)
class Linear:
    """The product behind scores: ``x @ kernel + bias``."""

    x: Value
    kernel: Value
    bias: Value | None

    def scores(self, g: Scope, chosen: Value) -> Value:
        """Some of them, ``float32[R, K]`` of the columns ``chosen[R, K]``; 0 where that is below 0."""
        found = g.add(ContractRows(), self.x, g.add(Transpose((1, 0)), self.kernel), chosen)
        return found if self.bias is None else apply(g, "s + b", s=found, b=of_each(g, self.bias, chosen))


class Sampled(Loss):
    """A loss that reads a linear dense layer and computes its score of the target and of words that are drawn."""

    samples: Positive = Field(default=5, description="How many words are drawn for each target.")
    power: NotNegative = Field(
        default=0.75, description="Words are drawn by the power of their counts in training: 1 as they are, 0 evenly."
    )

    @property
    def takes_logits(self) -> bool:
        return True

    @property
    def samples_scores(self) -> bool:
        return True

    def check(self, output: TensorType, target: FieldType) -> None:
        super().check(output, target)
        if target.kind not in ("category", "index"):
            raise ShapeError(
                f"`{self.kind}` needs a class as its target, and draws others of its classes, got {target}"
            )

    def constants(self, counts: Sequence[int]) -> Mapping[str, Array]:
        import numpy as np

        weights = np.asarray(counts, np.float64) ** self.power * (np.asarray(counts) > 0)
        share = weights / weights.sum()
        keep, other = alias_table(share)
        expected = np.log(np.maximum(self.samples * share, 1e-30))
        return {
            "keep": keep,
            "other": other,
            "share": share.astype(np.float32),
            "expected": expected.astype(np.float32)[:, None],
        }

    def build(self, g: Scope, output: Value, target: Value) -> Value:
        linear = _linear(self.kind, output)
        if not g.training:
            return self.whole(g, output, target)
        values = output.type.channels
        table = [self._constant(g, "keep", (values,)), self._constant(g, "other", (values,), "int32")]
        places = target.type.shape[0]
        draws = g.add(Random("uniform", (places, 2 * self.samples)), *g.counter("draws"))
        chosen = g.add(DrawRows(), target, *table, draws)
        return self.sampled(g, linear.scores(g, chosen), chosen, values)

    @abstractmethod
    def sampled(self, g: Scope, scores: Value, chosen: Value, values: Dim) -> Value:
        """The loss by ``scores[R, 1 + samples]`` of the target and of those of ``values`` words that were ``chosen``.

        A word that was drawn in vain is -1.
        """

    @abstractmethod
    def whole(self, g: Scope, output: Value, target: Value) -> Value:
        """The loss that sampling stands for, by the scores of all words."""

    def probabilities(self, g: Scope, output: Value) -> Value:
        return Softmax().apply(g, output)

    def _constant(self, g: Scope, name: str, shape: tuple[Dim, ...], dtype: DType = "float32") -> Value:
        return g.graph.input(f"{g.path}.{name}", TensorType(dtype, shape), "constant")


class NegativeSampling(Sampled):
    r"""$-\log \sigma(z_c) - \sum_k \log \sigma(-z_{n_k})$ for the class $c$ and ``samples`` others that are drawn.

    Words are drawn by their counts in training to the ``power``; a draw that is the class itself is left out. It reads
    a linear dense layer, of which it computes the scores of these words alone, and a step changes only their columns.
    Prediction uses the layer whole. Measured is what drawing comes to on average,
    $-\log \sigma(z_c) - K \sum_{n \ne c} q_n \log \sigma(-z_n)$.

    Example:
        {negative_sampling: {samples: 5, power: 0.75}}

    Reference: Mikolov et al. 2013, Distributed representations of words and phrases and their compositionality.
    """

    kind: ClassVar[str] = "negative_sampling"

    def sampled(self, g: Scope, scores: Value, chosen: Value, values: Dim) -> Value:
        text = "where(k == 0, softplus(-s), where(n < 0, 0, softplus(s)))"
        return total(g, apply(g, text, k=classes(g, scores), n=real(g, chosen), s=scores))

    def whole(self, g: Scope, output: Value, target: Value) -> Value:
        share = self._constant(g, "share", (output.type.channels,))
        text = f"where(k == t, softplus(-s), {self.samples} * q * softplus(s))"
        return total(g, apply(g, text, k=classes(g, output), t=labels(g, target), q=share, s=output))


class SampledSoftmax(Sampled):
    r"""$\log \sum_{k} e^{z_k - \log K q_k} - (z_c - \log K q_c)$ over the class $c$ and ``samples`` others.

    That is the cross-entropy of a softmax over the words that were drawn, by their counts to the ``power``; from each
    score the logarithm of how often its word is expected among the draws is taken, so that with ever more of them the
    loss comes to `cross_entropy`, which is what is measured. It reads a linear dense layer as `negative_sampling` does.

    Example:
        {sampled_softmax: {samples: 64}}

    Reference: Bengio & Senecal 2008, Adaptive importance sampling to accelerate training of a neural probabilistic
    language model; Jean et al. 2015, On using very large target vocabulary for neural machine translation.
    """

    kind: ClassVar[str] = "sampled_softmax"
    samples: Positive = Field(default=64, description="How many words are drawn for each target.")

    def sampled(self, g: Scope, scores: Value, chosen: Value, values: Dim) -> Value:
        expected = of_each(g, self._constant(g, "expected", (values, 1)), chosen)
        z = apply(g, f"where(n < 0, {NEVER!r}, s - e)", n=real(g, chosen), s=scores, e=expected)
        shifted = apply(g, "z - m", z=z, m=largest(g, z))
        own = row_sum(g, apply(g, "where(k == 0, d, 0)", k=classes(g, z), d=shifted))
        return total(g, apply(g, "log(s) - d", s=row_sum(g, apply(g, "exp(d)", d=shifted)), d=own))

    def whole(self, g: Scope, output: Value, target: Value) -> Value:
        return softmax_loss(g, output, target)


def alias_table(share: Array) -> tuple[Array, Array]:
    """The table of a distribution, ``float32[V]`` and ``int32[V]``: every cell holds 1 / V of it, of two values.

    Reference: Vose 1991, A linear algorithm for generating random numbers with a given distribution.
    """
    import numpy as np

    filled = np.asarray(share, np.float64) * len(share)
    keep, other = np.ones(len(share), np.float32), np.arange(len(share), dtype=np.int32)
    small, large = ([int(i) for i in np.flatnonzero(part)] for part in (filled < 1, filled >= 1))
    while small and large:
        less, more = small.pop(), large[-1]
        keep[less], other[less] = filled[less], more
        filled[more] -= 1 - filled[less]
        if filled[more] < 1:
            small.append(large.pop())
    return keep, other


def of_each(g: Scope, values: Value, chosen: Value) -> Value:
    """A number for each of the words chosen, of a number for each word."""
    column = values if values.type.rank == 2 else g.add(Reshape((*values.type.shape, 1)), values)
    return g.add(Reshape(chosen.type.shape), g.add(Lookup(), column, chosen))


def _linear(kind: str, output: Value) -> Linear:
    """The product that scores are.

    Raises:
        ShapeError: if they are something else.
    """
    made, bias = output, None
    while isinstance(made.node.op, Reshape):
        made = made.node.inputs[0]
    if isinstance(made.node.op, Map) and made.node.op.formula == _WITH_BIAS and made.node.inputs[1].type.rank == 1:
        made, bias = made.node.inputs
    if isinstance(made.node.op, Contract) and output.type.rank == 2:
        x, kernel = made.node.inputs
        return Linear(x, kernel, bias)
    raise ShapeError(
        f"`{kind}` computes a few columns of a linear `dense` layer, which its output is not",
        "let it read a `dense` without an activation",
    )
