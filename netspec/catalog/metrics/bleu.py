"""How many of the phrases that are made are wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import exp, log
from typing import ClassVar, Literal

from pydantic import Field

from netspec.catalog.fields import Positive
from netspec.catalog.metrics.metric import Decoded


class Bleu(Decoded):
    r"""$\min(1, e^{1 - r/c}) \, (p_1 \cdots p_n)^{1/n}$, of all samples together.

    $p_k$ is the share of the runs of k tokens that are made which stand in the wanted sequence of their sample, each as
    often as it stands there at most; c tokens are made and r are wanted. There is one wanted sequence a sample, and no
    smoothing: it is 0 if no run of n is right.

    Example:
        {bleu: {n: 4, target: answer}}

    Reference: Papineni et al. 2002, BLEU: a method for automatic evaluation of machine translation.
    """

    kind: ClassVar[str] = "bleu"
    better: ClassVar[Literal["higher", "lower"]] = "higher"
    n: Positive = Field(default=4, description="The longest runs that count.", json_schema_extra={"main": True})

    def judge(self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> float:
        made, wanted = (sum(len(pair[side]) for pair in pairs) for side in (0, 1))
        shares = [self._share(pairs, k) for k in range(1, self.n + 1)]
        if min(shares) == 0:
            return 0.0
        return min(1.0, exp(1 - wanted / made)) * exp(sum(map(log, shares)) / self.n)

    def _share(self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]], k: int) -> float:
        right = whole = 0
        for made, wanted in pairs:
            found, known = Counter(_runs(made, k)), Counter(_runs(wanted, k))
            right += sum(min(count, known[run]) for run, count in found.items())
            whole += sum(found.values())
        return right / whole if whole else 0.0


def _runs(tokens: Sequence[int], k: int) -> Iterator[tuple[int, ...]]:
    return (tuple(tokens[i : i + k]) for i in range(len(tokens) - k + 1))
