"""What a training takes in memory, held against what there is before any of it is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from netspec.memory import amount, refuse_too_much, room
from netspec.tensortype import known

if TYPE_CHECKING:
    from netspec.train.engine import Engine
    from netspec.train.opening import Opened

_NUMBER_BYTES = 4


@dataclass(frozen=True)
class Need:
    """Bytes beside the data: of weights and optimizer state, of a step, and of copies."""

    weights: int
    step: int
    copies: int

    @property
    def whole(self) -> int:
        return self.weights + self.step + self.copies


def training_need(engine: Engine, batch: int, *, keeps_best: bool) -> Need:
    """What training takes; nothing is allocated for this.

    Args:
        engine: With the program; its weights need not be in memory.
        batch: The rows of a step.
        keeps_best: Whether the weights of the best epoch are kept beside those that are trained.
    """
    made, sizes = engine.prepared("step"), engine.lengths.largest(batch)
    weights = made.persistent_bytes()
    arrays = [_NUMBER_BYTES * known(p.size) for p in engine.program.parameters.values()]
    # A weight is drawn in float64 and copied once; checkpoints are written from one copy of one array after the other.
    copies = 3 * max(arrays, default=0) + (sum(arrays) if keeps_best else 0)
    return Need(weights, made.step_bytes(sizes, engine.threads("step", sizes)), copies)


def check_training(engine: Engine, opened: Opened) -> None:
    """Whether there is memory for a training.

    Raises:
        EnvironmentFault: if there is not; it tells what takes how much, and what to change.
    """
    keeps_best = engine.program.document.train.select is not None or "validation" in opened.dataset.splits
    need = training_need(engine, opened.batch, keeps_best=keeps_best)
    left = room()
    if left is None or need.whole <= left.bytes:
        return
    document, threads = engine.program.document, engine.threads("step", engine.lengths.largest(opened.batch))
    notes = (
        f"weights and what the optimizer keeps of them take {amount(need.weights)}",
        f"copies, of the best weights and while weights are drawn or saved, {amount(need.copies)}",
        f"a step (batch {opened.batch:,}, {threads} thread{'s' * (threads != 1)}) {amount(need.step)}",
    )
    helps = _smaller_network(engine) if need.whole - need.step > left.bytes else _smaller_batch(engine, opened, need)
    refuse_too_much(need.whole, f"training `{document.name}`", notes=notes, helps=helps)


def _smaller_network(engine: Engine) -> tuple[str, ...]:
    largest = max(engine.program.parameters.values(), key=lambda p: known(p.size))
    shape = ", ".join(f"{known(n):,}" for n in largest.shape)
    return (
        f"the largest weight is `{largest.key}` [{shape}] of line {largest.span.line}: fewer units make it smaller",
    )


def _smaller_batch(engine: Engine, opened: Opened, need: Need) -> tuple[str, ...]:
    """The largest power of two for which there is room."""
    left, batch = room(), 1 << (opened.batch - 1).bit_length() - 1
    made = engine.prepared("step")
    while left is not None and batch > 1:
        sizes = engine.lengths.largest(batch)
        whole = need.whole - need.step + made.step_bytes(sizes, engine.threads("step", sizes))
        if whole <= left.bytes:
            return (f"a smaller batch takes less: `--set train.batch={batch}` takes {amount(whole)}",)
        batch //= 2
    return ("a smaller batch or fewer units take less",)
