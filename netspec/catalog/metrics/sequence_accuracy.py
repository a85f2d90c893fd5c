"""The share of sequences that are right from the first token to the last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from netspec.catalog.metrics.metric import Decoded


class SequenceAccuracy(Decoded):
    r"""$\frac1N \sum_n [\hat y_n = y_n]$, the share of samples whose whole sequence is right, its end too.

    The sequences are those that the network makes by itself, as `decode` says.

    Example:
        {sequence_accuracy: {target: answer}}
    """

    kind: ClassVar[str] = "sequence_accuracy"
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def judge(self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> float:
        return sum(list(made) == list(wanted) for made, wanted in pairs) / len(pairs)
