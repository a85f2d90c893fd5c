"""What a training tells while it goes on; who shows it is not known here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class TrainPlan:
    """What is known before the first step."""

    name: str
    run: str
    epochs: int
    steps_per_epoch: int
    batch: int
    threads: int
    accumulate: int = 1
    """Batches a step."""
    fold: int = 1
    """Of a cross-validation, which of its ``folds`` this is, from 1."""
    folds: int = 1


@dataclass(frozen=True)
class TrainState:
    """Where a training stands between two chunks of steps; loss and metrics are means over the epoch so far."""

    epoch: int
    step_in_epoch: int
    loss: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    samples_per_second: float = 0.0
    fold: int = 1


class Progress(Protocol):
    """Who listens."""

    def warned(self, text: str) -> None:
        """What the spec is warned of, as diagnostics are printed; before anything else."""

    def started(self, plan: TrainPlan) -> None:
        """The training begins, or goes on."""

    def compiling(self, done: int, total: int) -> None:
        """So many of the kernels that the cache lacked are compiled."""

    def step(self, state: TrainState) -> None:
        """A chunk of steps is done."""

    def epoch(self, line: Mapping[str, Any]) -> None:
        """A line of `metrics.jsonl`: an epoch and a split."""

    def fold(self, line: Mapping[str, Any], folds: int) -> None:
        """One of the ``folds`` of a cross-validation is trained and tested: its summary, with its number."""

    def finished(self, summary: Mapping[str, Any]) -> None:
        """The training ended, in whatever way."""

    def remark(self, text: str) -> None:
        """Something that one should know and that stops nothing."""


class Silent:
    """Listens to nothing."""

    def warned(self, text: str) -> None: ...
    def started(self, plan: TrainPlan) -> None: ...
    def compiling(self, done: int, total: int) -> None: ...
    def step(self, state: TrainState) -> None: ...
    def epoch(self, line: Mapping[str, Any]) -> None: ...
    def fold(self, line: Mapping[str, Any], folds: int) -> None: ...
    def finished(self, summary: Mapping[str, Any]) -> None: ...
    def remark(self, text: str) -> None: ...
