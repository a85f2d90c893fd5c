"""Schedules that change the rate from epoch to epoch."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from netspec.catalog.fields import AboveZero, Positive, refusal
from netspec.catalog.schedules.schedule import Moment, Schedule, Told
from netspec.declared import Items


class Step(Schedule):
    r"""$\eta_e = \eta\, \gamma^d$ after $d$ drops: one after each of the epochs ``at``, or after ``every`` so many.

    Example:
        {step: {at: [5, 8], factor: 0.1}}
    """

    kind: ClassVar[str] = "step"
    at: Items[Positive] = Field(
        default=(), description="The epochs after which the rate drops.", json_schema_extra={"main": True}
    )
    every: Positive | None = Field(
        default=None, description="Epochs between two drops, in place of `at`.", examples=[30]
    )
    factor: AboveZero = Field(default=0.1, description="What the rate is multiplied by.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if bool(self.at) == (self.every is not None):
            raise refusal("`step` needs either `at` or `every`")
        return self

    def value(self, lr: float, now: Moment, told: Told) -> float:
        drops = now.epoch // self.every if self.every else sum(now.epoch >= epoch for epoch in self.at)
        return lr * float(self.factor**drops)


class Exponential(Schedule):
    r"""$\eta_e = \eta\, \gamma^e$ in the epoch $e$, from 0.

    Example:
        {exponential: 0.9}
    """

    kind: ClassVar[str] = "exponential"
    factor: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.95, description="What the rate is multiplied by after each epoch.", json_schema_extra={"main": True}
    )

    def value(self, lr: float, now: Moment, told: Told) -> float:
        return lr * float(self.factor**now.epoch)
