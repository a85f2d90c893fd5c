"""The schedule of those who want none."""

from __future__ import annotations

from typing import ClassVar

from netspec.catalog.schedules.schedule import Schedule


class Constant(Schedule):
    """The learning rate stays as it is."""

    kind: ClassVar[str] = "constant"

    def factor(self, step: int, epoch: int, steps_total: int) -> float:
        return 1.0
