"""The schedule that waits for a measure to stand still."""

from __future__ import annotations

from math import isnan
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from netspec.catalog.fields import NotNegative
from netspec.catalog.schedules.schedule import Moment, Schedule, Told, Watched


class Plateau(Schedule):
    r"""$\eta \leftarrow \gamma \eta$ by ``factor`` after more than ``patience`` epochs without a better value.

    Better is by more than the share ``threshold`` of the best so far. The best, the epochs waited and the drops so far
    are kept in the checkpoint.

    Example:
        {plateau: {factor: 0.5, patience: 3}}
    """

    kind: ClassVar[str] = "plateau"
    factor: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.1, description="What the rate is multiplied by.", json_schema_extra={"main": True}
    )
    patience: Annotated[int, Field(ge=0)] = Field(default=10, description="Epochs without a better value to wait.")
    threshold: NotNegative = Field(default=1e-4, description="The least improvement, as a share of the best value.")
    least: NotNegative = Field(default=0.0, description="The rate does not fall below this.")
    metric: str = Field(default="loss", description="What is compared: `loss` or a metric of the spec.")
    split: Literal["train", "validation", "test"] | None = Field(
        default=None, description="The rows it is measured on; by default validation, without it train."
    )

    @property
    def watched(self) -> Watched:
        return Watched(self.metric, self.split)

    def value(self, lr: float, now: Moment, told: Told) -> float:
        return max(lr * float(self.factor ** told.get("drops", 0)), min(self.least, lr))

    def tell(self, told: Told, value: float, *, higher_is_better: bool) -> Told:
        known = dict(told or {"waited": 0, "drops": 0})
        best = known.get("best")
        sign = -1 if higher_is_better else 1  # makes lower better
        if best is None or isnan(best) or sign * value < sign * best - self.threshold * abs(best):
            return {**known, "best": value, "waited": 0}
        waited = known["waited"] + 1
        if waited > self.patience:
            return {**known, "waited": 0, "drops": known["drops"] + 1}
        return {**known, "waited": waited}
