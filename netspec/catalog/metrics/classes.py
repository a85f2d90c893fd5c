"""What is told of decisions class by class: precision, recall, F1, and the table that all of them follow from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from netspec.catalog.metrics.accuracy import decided
from netspec.catalog.metrics.metric import PLAIN, Collected, Reading
from netspec.catalog.metrics.rows import side_by_side
from netspec.catalog.scope import Scope
from netspec.compiler.graph import Value
from netspec.compiler.ops.expressions import apply
from netspec.compiler.ops.extent import Extent
from netspec.data.fieldtype import FieldType
from netspec.tensortype import ShapeError, Size, TensorType

if TYPE_CHECKING:
    from netspec.catalog.metrics.metric import Rows


class ConfusionMatrix(Collected):
    r"""$C_{ij}$, how many samples of class $i$ (rows) were given class $j$ (columns).

    A single output decides between two, as in `accuracy`. Scores that are not numbers decide nothing and are left out.
    """

    kind: ClassVar[str] = "confusion_matrix"
    better: ClassVar[None] = None

    def build(self, g: Scope, output: Value, target: Value, how: Reading = PLAIN) -> Value:
        return decisions(g, output, target, how)

    def finish(self, rows: Rows, classes: Sequence[str] = ()) -> list[list[int]]:
        found: list[list[int]] = table(rows).astype(int).tolist()
        return found


class ByClass(Collected):
    """A number for each class, and one number of these."""

    better: ClassVar[Literal["higher", "lower"]] = "higher"
    average: Literal["binary", "macro", "micro", "weighted"] | None = Field(
        default=None,
        description="binary: of the second of two classes; macro: the mean over classes; micro: of all decisions "
        "together; weighted: the mean by the classes' sizes. By default binary for two classes, else macro.",
        json_schema_extra={"main": True},
    )

    def check(self, output: TensorType, target: FieldType) -> None:
        super().check(output, target)
        count = output.channels if output.rank > 1 and output.channels != 1 else 2
        if self.average == "binary" and isinstance(count, int) and count > 2:
            raise ShapeError(f"`{self.kind}` with `average: binary` is for two classes, got {count}", "use `macro`")

    def build(self, g: Scope, output: Value, target: Value, how: Reading = PLAIN) -> Value:
        return decisions(g, output, target, how)

    def finish(self, rows: Rows, classes: Sequence[str] = ()) -> float:
        import numpy as np

        counts = table(rows)
        right, given, actual = counts.diagonal(), counts.sum(axis=0), counts.sum(axis=1)
        average = self.average or ("binary" if len(counts) == 2 else "macro")
        if average == "binary":
            right, given, actual = right[1:2], given[1:2], actual[1:2]
        if average == "micro":
            right, given, actual = (np.asarray([part.sum()]) for part in (right, given, actual))
        numerator, denominator = self.parts(right, given, actual)
        each = np.where(denominator > 0, numerator / np.maximum(denominator, 1), 0.0)
        seen = (actual > 0) | (given > 0) if average == "macro" else actual if average == "weighted" else None
        if seen is not None and not np.any(seen):
            return float("nan")
        return float(np.average(each, weights=seen))

    @abstractmethod
    def parts(self, right: Any, given: Any, actual: Any) -> tuple[Any, Any]:
        """Numerator and denominator of each class; 0 / 0 counts as 0.

        Args:
            right: Samples of the class that were given it.
            given: Samples that were given it.
            actual: Samples that are of it.
        """


class Precision(ByClass):
    r"""$TP / (TP + FP)$: of what was given the class, the share that is of it. Macro is over classes that occur."""

    kind: ClassVar[str] = "precision"

    def parts(self, right: Any, given: Any, actual: Any) -> tuple[Any, Any]:
        return right, given


class Recall(ByClass):
    r"""$TP / (TP + FN)$: of what is of the class, the share that was given it. Macro is over classes that occur."""

    kind: ClassVar[str] = "recall"

    def parts(self, right: Any, given: Any, actual: Any) -> tuple[Any, Any]:
        return right, actual


class F1(ByClass):
    r"""$2 TP / (2 TP + FP + FN)$, the harmonic mean of precision and recall. Macro is over classes that occur."""

    kind: ClassVar[str] = "f1"

    def parts(self, right: Any, given: Any, actual: Any) -> tuple[Any, Any]:
        return 2 * right, given + actual


def decisions(g: Scope, output: Value, target: Value, how: Reading) -> Value:
    """Of each sample the class it was given and its own, one pair after the other, and how many classes there are."""
    chosen, right = decided(g, output, target, how)
    pairs = side_by_side(g, chosen, right)
    count = output.type.channels if output.type.rank > 1 and output.type.channels != 1 else 2
    # Made of what the data hold, in which no NaN is.
    if isinstance(count, Size):
        return side_by_side(g, pairs, apply(g, "0 * b + n", b=right, n=g.add(Extent(count))))
    return side_by_side(g, pairs, apply(g, f"0 * b + {count}", b=right))


def table(rows: Rows) -> Any:
    """Counts by class ``float64[K, K]``, the samples' own in rows."""
    import numpy as np

    places = rows.shape[1] // 3
    chosen, right, count = (rows[:, i * places : (i + 1) * places].reshape(-1) for i in range(3))
    k = int(count[0])
    known = (chosen < k) & (right < k)
    index = (right[known] * k + chosen[known]).astype(np.int64)
    return np.bincount(index, minlength=k * k).reshape(k, k).astype(np.float64)
