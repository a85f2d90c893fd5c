"""How well scores put one class above the others, whatever the cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from netspec.catalog.activations.softmax import Softmax
from netspec.catalog.formulas import lower, with_numbers
from netspec.catalog.losses.targets import numbers
from netspec.catalog.metrics.metric import PLAIN, Collected, Reading
from netspec.catalog.metrics.rows import side_by_side
from netspec.catalog.scope import Scope
from netspec.compiler.formula import parse
from netspec.compiler.graph import Value

if TYPE_CHECKING:
    from netspec.catalog.metrics.metric import Rows


class RocAuc(Collected):
    """The area under the ROC curve: the share of pairs of a sample of the class and one that is not which are in order.

    Equal scores count one half; all samples are ranked, nothing is binned. Of several classes it is the mean over
    each against the rest, by probabilities; one of which all samples are, or none, is left out.

    Reference: Hanley & McNeil 1982, The meaning and use of the area under a receiver operating characteristic curve.
    """

    kind: ClassVar[str] = "roc_auc"
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def build(self, g: Scope, output: Value, target: Value, how: Reading = PLAIN) -> Value:
        is_row = output.type.rank > 1 and output.type.channels != 1
        scores = Softmax().apply(g, output) if how.logits and is_row and target.type.rank < output.type.rank else output
        middle = 0.5 if target.type.dtype != "float32" else how.middle
        side = with_numbers(parse("step(t - middle)", ("t", "middle")), {"middle": middle})
        return side_by_side(g, scores, lower(g, side, {"t": numbers(g, output, target)}))

    def finish(self, rows: Rows, classes: Sequence[str] = ()) -> float:
        import numpy as np

        scores, sides = np.split(rows, 2, axis=1)
        found = [_area(scores[:, k], sides[:, k]) for k in range(scores.shape[1])]
        defined = [area for area in found if area is not None]
        return float(np.mean(defined)) if defined else float("nan")


def _area(scores: Rows, sides: Rows) -> float | None:
    """By the sum of ranks, that of equal scores being their mean; None where there is one side only."""
    import numpy as np

    of, others = int(sides.sum()), int((1 - sides).sum())
    if not of or not others:
        return None
    if np.isnan(scores).any():
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[sides > 0].sum() - of * (of + 1) / 2) / (of * others))
