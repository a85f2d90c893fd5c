"""The base of all schedules."""

from __future__ import annotations

from abc import abstractmethod

from netspec.declared import Declared


class Schedule(Declared, family="schedule"):
    """How the learning rate changes while training goes on: a factor for every step, computed on the host."""

    @abstractmethod
    def factor(self, step: int, epoch: int, steps_total: int) -> float:
        """What the learning rate is multiplied by.

        Args:
            step: The step, from 0, over the whole training.
            epoch: The epoch that the step belongs to, from 0.
            steps_total: How many steps the training has.
        """
