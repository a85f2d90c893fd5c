"""The schedule of those who want none."""

from __future__ import annotations

from typing import ClassVar

from netspec.catalog.schedules.schedule import Moment, Schedule, Told


class Constant(Schedule):
    r"""$\eta_i = \eta$: the learning rate stays as it is, after a warm-up if there is one.

    Example:
        {constant: {warmup: 100}}
    """

    kind: ClassVar[str] = "constant"

    def value(self, lr: float, now: Moment, told: Told) -> float:
        return lr
