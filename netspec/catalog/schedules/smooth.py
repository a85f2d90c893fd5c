"""Schedules that change the rate from step to step, over the whole training."""

from __future__ import annotations

from math import cos, pi
from typing import Annotated, ClassVar

from pydantic import Field

from netspec.catalog.fields import AboveZero, NotNegative
from netspec.catalog.schedules.schedule import Moment, Schedule, Told


class Polynomial(Schedule):
    r"""$\eta_i = \eta_\mathrm{to} + (\eta - \eta_\mathrm{to}) (1 - i / n)^p$ at step $i$ of $n$; a line for $p = 1$.

    Example:
        {polynomial: {to: 1e-4}}
    """

    kind: ClassVar[str] = "polynomial"
    to: NotNegative = Field(
        default=0.0, description="The rate at the end of the training.", json_schema_extra={"main": True}
    )
    power: AboveZero = Field(default=1.0, description="The exponent, p.")

    def value(self, lr: float, now: Moment, told: Told) -> float:
        return self.to + (lr - self.to) * float((1 - now.done) ** self.power)


class Cosine(Schedule):
    r"""$\eta_i = \eta_\mathrm{to} + \frac12 (\eta - \eta_\mathrm{to}) (1 + \cos(\pi i / n))$ for the step $i$ of $n$.

    Reference: Loshchilov & Hutter 2017, SGDR: stochastic gradient descent with warm restarts (without restarts).
    """

    kind: ClassVar[str] = "cosine"
    to: NotNegative = Field(
        default=0.0, description="The rate at the end of the training.", json_schema_extra={"main": True}
    )

    def value(self, lr: float, now: Moment, told: Told) -> float:
        return self.to + (lr - self.to) * (1 + cos(pi * now.done)) / 2


class OneCycle(Schedule):
    r"""Up from $\eta / a$ to $\eta$ in the first share of the steps, then down to $\eta / (a b)$, along half cosines.

    The optimizer's rate is the highest; momentum stays as it is.

    Reference: Smith & Topin 2019, Super-convergence: very fast training of neural networks using large learning rates.
    """

    kind: ClassVar[str] = "one_cycle"
    rise: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.3, description="The share of the steps that goes up.", json_schema_extra={"main": True}
    )
    start_below: AboveZero = Field(default=25.0, description="How many times lower it starts, a.")
    end_below: AboveZero = Field(default=1e4, description="How many times lower than its start it ends, b.")

    def value(self, lr: float, now: Moment, told: Told) -> float:
        low = lr / self.start_below
        top, last = self.rise * now.steps - 1, now.steps - 1
        if now.step <= top:
            return _between(low, lr, now.step / top if top > 0 else 1.0)
        return _between(lr, low / self.end_below, min((now.step - top) / (last - top), 1.0) if last > top else 1.0)


def _between(start: float, end: float, share: float) -> float:
    """Along half a cosine."""
    return end + (start - end) * (1 + cos(pi * share)) / 2
