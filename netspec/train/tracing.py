"""One training step, number by number: what every unit computed for one row, and how every weight changed."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec.data.dataset import Dataset
from netspec.diagnostics import ChoiceError, Diagnostic, suggestion
from netspec.graphs import DELTA, INPUT, NET, OUTPUT, ROW_LOSS
from netspec.runs.run import Run
from netspec.spec.document import Document
from netspec.train.engine import Engine
from netspec.train.gathering import Gathering
from netspec.train.lengths import one_behind_the_other
from netspec.train.loop import Limits, Trainer
from netspec.train.opening import Opened, check_batches, check_trainable, missing_for_training, open_spec
from netspec.train.progress import Progress, Silent

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class TracedWeight:
    """A weight around the step."""

    key: str
    before: Array
    after: Array

    @property
    def change(self) -> Array:
        return self.after - self.before


@dataclass(frozen=True, eq=False)
class TracedLayer:
    r"""What a layer computed for the row, without the axis of samples; ``net`` and ``delta`` where it has units.

    ``delta`` is $-\partial L / \partial z$ of the row's own loss by the net inputs; with a learning rule it is the
    signal that the rule multiplies with the inputs, in the layers that it trains.
    """

    path: str
    kind: str
    line: int
    net: Array | None
    output: Array | None
    delta: Array | None
    weights: tuple[TracedWeight, ...]


@dataclass(frozen=True, eq=False)
class Trace:
    """One step of a training, seen from one row of its batch; rows, steps and epochs are counted from 1."""

    name: str
    row: int
    place: str
    step: int
    epoch: int
    batch: int
    optimizer: str | None
    rate: float | None
    inputs: Mapping[str, Array]
    targets: Mapping[str, Any]
    loss: float | None
    """Of the row, before the step; of a sequence the mean over its places."""
    mean_loss: float | None
    """Of the batch, before the step."""
    layers: tuple[TracedLayer, ...]
    before: Mapping[str, Array]
    """What the network predicts for the row."""
    after: Mapping[str, Array]

    def summary(self) -> dict[str, Any]:
        """As `trace --json` prints it."""
        return {
            "version": 1,
            "name": self.name,
            "row": self.row,
            "place": self.place,
            "step": self.step,
            "epoch": self.epoch,
            "batch": self.batch,
            "optimizer": self.optimizer,
            "rate": self.rate,
            "inputs": _lists(self.inputs),
            "targets": dict(self.targets),
            "loss": self.loss,
            "mean_loss": self.mean_loss,
            "layers": [_layer_facts(layer) for layer in self.layers],
            "before": _lists(self.before),
            "after": _lists(self.after),
        }


def trace(
    document: Document,
    *,
    row: int | None = None,
    step: int | None = None,
    layer: str | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Trace:
    """Train up to ``step`` as `train` would, and take that step with all that it computes kept.

    Args:
        document: A sound spec.
        row: Which row of the data, from 1; by default the first of the step's batch.
        step: Which step, from 1; by default the first that trains on the row.
        layer: Tell of this layer or block alone.
        threads: How many; the numbers are the same for any.
        progress: Who is told that kernels are compiled.

    Raises:
        ChoiceError: if there is no such layer, the training ends before that step, or the row is not in its batch.
    """
    import numpy as np

    paths = _paths(document, layer)
    opened = open_spec(document, told=(progress or Silent()).remark)
    _in_memory(opened)
    engine = Engine(
        opened.program,
        opened.dataset.arrays,
        opened.constants,
        seed=document.train.seed,
        threads=threads,
        compiling=(progress or Silent()).compiling,
    )
    if step is not None and step > 1:
        check_trainable(document)
    try:
        asked = None if row is None else _row_of(opened, row)
        if missing_for_training(document):
            rows = opened.dataset.splits["train"][:1] if asked is None else np.array([asked])
            return _traced(opened, engine, _Step([(rows, None)]), asked, paths)
        check_batches(opened)
        with tempfile.TemporaryDirectory(prefix="netspec-trace-") as folder:
            at = functools.partial(Trainer, engine, opened, Run(Path(folder)), Silent())
            number = step or _first_step(at(Limits()), opened, asked)
            return _traced(opened, engine, _reach(at(Limits(steps=number - 1)), number), asked, paths)
    finally:
        engine.close()


@dataclass(frozen=True, eq=False)
class _Step:
    """The step to trace: its batches, and where in the training it stands, counted from 0; no rate where none is."""

    batches: Sequence[tuple[Array, Gathering | None]]
    rate: float | None = None
    number: int = 0
    epoch: int = 0

    @property
    def rows(self) -> Array:
        import numpy as np

        return np.concatenate([rows for rows, _ in self.batches])


def _in_memory(opened: Opened) -> Dataset:
    """The data, of which any row can be looked at.

    Raises:
        ChoiceError: if they are streamed.
    """
    if not isinstance(opened.dataset, Dataset):
        message = "a row of streamed data cannot be traced: it is not in memory"
        helps = ("read them into memory: `--set data.stream=false`", "or trace on a smaller file")
        raise ChoiceError(Diagnostic("cannot-stream", message, helps=helps))
    return opened.dataset


def _first_step(trainer: Trainer, opened: Opened, row: int | None) -> int:
    """The first step that trains on the row, from 1."""
    import numpy as np

    if row is None:
        return 1
    done, batches = 0, trainer.steps.batches
    while done < batches:
        part = trainer.feed.take(0, done, batches - done)
        found = np.flatnonzero((part == row).any(axis=1))
        if len(found):
            return (done + int(found[0])) // trainer.train.accumulate + 1
        done += len(part)
    split = next(name for name, rows in _in_memory(opened).splits.items() if row in rows)
    message = f"row {row + 1} is of the split `{split}`, and steps are taken on `train`"
    raise ChoiceError(Diagnostic("no-such-row", message))


def _reach(trainer: Trainer, step: int) -> _Step:
    """Train up to ``step``."""
    if step > 1 and trainer.fit() == "interrupted":
        raise KeyboardInterrupt
    if trainer.at.step < step - 1 or trainer.is_done:
        helps = (f"trace an earlier one, such as `--step {trainer.at.step}`",) if trainer.at.step else ()
        message = f"there is no step {step}: the training ends after step {trainer.at.step}"
        raise ChoiceError(Diagnostic("no-such-step", message, helps=helps))
    _, rate = trainer.upcoming()
    return _Step(trainer.batches_to_come(), rate, trainer.at.step, trainer.at.epoch)


def _paths(document: Document, layer: str | None) -> Collection[str]:
    """The layers to tell of: all, or ``layer``, or those of that block."""
    paths = [node.path for node in document.network.nodes]
    found = [path for path in paths if layer is None or path == layer or path.startswith(f"{layer}.")]
    if not found:
        near = suggestion(layer or "", paths)
        helps = (f"did you mean `{near}`?",) if near else ()
        notes = (f"there are {', '.join(f'`{path}`' for path in paths[:20])}",)
        raise ChoiceError(Diagnostic("unknown-layer", f"there is no layer `{layer}`", notes=notes, helps=helps))
    return set(found)


def _traced(opened: Opened, engine: Engine, step: _Step, asked: int | None, paths: Collection[str]) -> Trace:
    import numpy as np

    all_rows, document = step.rows, opened.program.document
    row = int(all_rows[0]) if asked is None else asked
    if row not in all_rows:
        shown = ", ".join(str(row + 1) for row in all_rows[:8].tolist()) + (", ..." if len(all_rows) > 8 else "")
        message = f"row {row + 1} is not in the batch of step {step.number + 1}"
        helps = (f"its rows are {shown}", "leave `--step` out for the first step that trains on the row")
        raise ChoiceError(Diagnostic("no-such-row", message, helps=helps))
    weights, before = engine.weights(), engine.predict(np.array([row]))
    of_row, mean = _taken(engine, step, row)
    after = engine.predict(np.array([row]))
    return Trace(
        name=document.name,
        row=row + 1,
        place=_in_memory(opened).table.place(row),
        step=step.number + 1,
        epoch=step.epoch + 1,
        batch=len(all_rows),
        optimizer=None if step.rate is None or document.optimizer is None else document.optimizer.kind,
        rate=step.rate,
        inputs={name: _input(opened, of_row, name, row) for name in opened.program.inputs},
        targets={b.target: _target(opened, b.target, row) for b in document.losses if b.target},
        loss=float(of_row[ROW_LOSS].mean()) if ROW_LOSS in of_row else None,
        mean_loss=mean,
        layers=_layers(opened, paths, of_row, weights, engine.weights()),
        before={name: one_behind_the_other(array[0]) for name, array in before.items()},
        after={name: one_behind_the_other(array[0]) for name, array in after.items()},
    )


def _taken(engine: Engine, step: _Step, row: int) -> tuple[dict[str, Array], float | None]:
    """Take the step: what it computed for the row, and its mean loss."""
    import numpy as np

    of_row: dict[str, Array] = {}
    losses = []
    for rows, gathering in step.batches:
        found = engine.trace(rows, step.number, step.rate or 0.0, gathering)
        losses += [one_behind_the_other(found[ROW_LOSS])] if ROW_LOSS in found else []
        for place in np.flatnonzero(rows == row)[:1].tolist():
            rowed = {name: array for name, array in found.items() if isinstance(array, list) or array.ndim}
            of_row = {name: one_behind_the_other(array[place]) for name, array in rowed.items()}
    return of_row, float(np.concatenate(losses).mean()) if losses else None


def _layers(
    opened: Opened,
    paths: Collection[str],
    of_row: Mapping[str, Array],
    before: Mapping[str, Array],
    after: Mapping[str, Array],
) -> tuple[TracedLayer, ...]:
    found = []
    for node in opened.program.document.network.nodes:
        if node.path not in paths:
            continue
        net, output, delta = (of_row.get(f"{what}{node.path}") for what in (NET, OUTPUT, DELTA))
        own = [key for key in before if key.rpartition(".")[0] == node.path]
        weights = tuple(TracedWeight(key, before[key], after[key]) for key in own)
        found.append(TracedLayer(node.path, node.kind, node.line, net, output, delta, weights))
    return tuple(found)


def _input(opened: Opened, of_row: Mapping[str, Array], name: str, row: int) -> Array:
    """What the network reads: scaled numbers, or an index as it is."""
    found = of_row.get(f"{INPUT}{name}")
    return _stored(opened, name, row) if found is None else found


def _target(opened: Opened, name: str, row: int) -> Any:
    """The class by its name, or numbers in the units of the data."""
    value, classes = _stored(opened, name, row), opened.dataset.fields[name].classes
    if not classes or value.dtype.kind == "f":
        return value.tolist()
    return classes[int(value)] if not value.shape else [classes[int(i)] for i in value.reshape(-1)]


def _stored(opened: Opened, name: str, row: int) -> Array:
    """What the data hold for a row: of a sequence its own steps."""
    dataset = _in_memory(opened)
    found: Array = dataset.ragged[name].padded([row])[0] if name in dataset.ragged else dataset.columns[name][row]
    return found


def _row_of(opened: Opened, asked: int) -> int:
    rows = _in_memory(opened).table.rows
    if asked > rows:
        raise ChoiceError(Diagnostic("no-such-row", f"there is no row {asked}: the data have {rows:,} rows"))
    return asked - 1


def _lists(arrays: Mapping[str, Array]) -> dict[str, Any]:
    return {name: array.tolist() for name, array in arrays.items()}


def _layer_facts(layer: TracedLayer) -> dict[str, Any]:
    values = {"net": layer.net, "output": layer.output, "delta": layer.delta}
    weights = {
        w.key.rpartition(".")[2]: {"before": w.before.tolist(), "change": w.change.tolist(), "after": w.after.tolist()}
        for w in layer.weights
    }
    facts = {name: None if array is None else array.tolist() for name, array in values.items()}
    return {"name": layer.path, "kind": layer.kind, "line": layer.line, **facts, "weights": weights}
