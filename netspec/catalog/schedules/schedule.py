"""The base of all schedules."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, TypeAlias

from pydantic import Field

from netspec.catalog.fields import NotNegative
from netspec.declared import Declared

Told: TypeAlias = Mapping[str, float]
"""What a schedule remembers of what it was told; part of a checkpoint."""

START: Told = {}


@dataclass(frozen=True)
class Moment:
    """A step of a training, from 0: of ``steps`` in all, in the ``epoch``, from 0, of ``epochs`` in all."""

    step: int
    steps: int
    epoch: int = 0
    epochs: int = 1

    @property
    def done(self) -> float:
        """The share of the steps that lies behind, from 0 to 1."""
        return min(self.step / self.steps, 1.0) if self.steps > 0 else 1.0


@dataclass(frozen=True)
class Watched:
    """What a schedule wants to be told after each epoch; ``split`` is validation, or train where there is none."""

    metric: str
    split: str | None


class Schedule(Declared, family="schedule"):
    """How the learning rate changes while training goes on, computed on the host in float64.

    A rate is a pure function of the optimizer's rate, the moment and what the schedule was told. Before any schedule
    the rate may climb from near 0: of ``warmup`` steps the i-th takes i parts of what the schedule begins with. The
    schedule has the steps after it; its epochs are those of the training.
    """

    warmup: Annotated[int, Field(ge=0)] = Field(default=0, description="Steps in which the rate climbs from near 0.")
    warmup_epochs: NotNegative = Field(default=0.0, description="The same in epochs; both are added.")

    def rate(self, lr: float, now: Moment, told: Told = START) -> float:
        """The learning rate of the step ``now``; ``lr`` is the optimizer's."""
        climb = self.warmup + round(self.warmup_epochs * now.steps / max(now.epochs, 1))
        rest = max(now.steps - climb, 0)
        if now.step < climb:
            return self.value(lr, Moment(0, rest, 0, now.epochs), told) * (now.step + 1) / climb
        return self.value(lr, replace(now, step=now.step - climb, steps=rest), told)

    @abstractmethod
    def value(self, lr: float, now: Moment, told: Told) -> float:
        """The learning rate after the warm-up, whose steps are not in ``now``."""

    @property
    def watched(self) -> Watched | None:
        """What it wants to be told, if anything."""
        return None

    def tell(self, told: Told, value: float, *, higher_is_better: bool) -> Told:
        """What it remembers after an epoch that gave ``value``; what it knew before is ``told``."""
        return told
