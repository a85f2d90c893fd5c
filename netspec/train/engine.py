"""A program run over the data: steps of training, measuring, predictions, one step number by number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec.catalog.metrics import Collected, Decoded, Found, Inspected, Summed
from netspec.compiler.graph import key_of
from netspec.data.batches import Visit
from netspec.graphs import COLLECTED, LOSS, SCORES, SUMMED
from netspec.pipeline import Kind
from netspec.spec.carried import CARRIED
from netspec.spec.places import COUNTED
from netspec.spec.updates import AVERAGE_RATE, LAST, SHARE, scalar_key
from netspec.train.gathering import Gathering
from netspec.train.lengths import Samples, joined, one_behind_the_other
from netspec.train.machine import Machine

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from netspec.compiler.codegen.executable import Linked
    from netspec.train.decoding import Decoder

    Array: TypeAlias = npt.NDArray[Any]

EVALUATED_ROWS = 64
"""Rows that are evaluated at once where training does not take more: enough to keep the threads busy."""


@dataclass(frozen=True)
class Measured:
    """Loss and metrics over a split, as means over its rows; ``tables`` are the metrics that are no number."""

    rows: int
    loss: float
    metrics: Mapping[str, float]
    tables: Mapping[str, list[list[int]]] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """The metrics as files and programs are told them."""
        return {"metrics": dict(self.metrics), **({"tables": dict(self.tables)} if self.tables else {})}


class Engine(Machine):
    """Runs a program's graphs over the data's rows."""

    def train(
        self, rows: Array, first_step: int, lr: Array, gathering: Gathering | None = None
    ) -> tuple[npt.NDArray[np.float32], dict[str, Array], float]:
        """Train on ``rows`` ``int64[steps, batch]``.

        Args:
            rows: The rows of the data for each step.
            first_step: How many steps were taken before.
            lr: The learning rate of each step, ``float64[steps]``.
            gathering: Where several batches make a step: how those of ``rows`` stand in theirs.

        Returns:
            The loss of each step, the sum of every metric over each step's batch, and the seconds it took.
        """
        import numpy as np

        scalars = self._scalars(first_step, lr, gathering) | self.places("step", rows)
        outputs: dict[str, list[Array]] = {}
        seconds = 0.0
        for linked, part in self._runs("step", rows):
            self._set_scalars(linked, scalars, part)
            seconds += self._run(linked, rows[part])
            for name, array in linked.outputs.items():
                outputs.setdefault(name, []).append(array[: part.stop - part.start].copy())
        self._moved = True
        found = {name: parts[0] if len(parts) == 1 else np.concatenate(parts) for name, parts in outputs.items()}
        loss = found.pop("loss")
        return loss, {name.removeprefix(SUMMED): array for name, array in found.items()}, seconds

    def _runs(self, kind: Kind, rows: Array, at_once: int | None = None) -> Iterator[tuple[Linked, slice]]:
        """The batches ``int64[steps, batch]`` in runs, each with its program; at most so many at once."""
        self.prepared(kind, few=self._few(kind, rows.shape[1]))  # which tells how long batches have to be at least
        for first, end, sizes in self.lengths.runs(rows) if self.lengths else [(0, len(rows), {"B": rows.shape[1]})]:
            linked = self.linked(kind, sizes)
            most = at_once or linked.capacity
            for start in range(first, end, most):
                yield linked, slice(start, min(start + most, end))

    def _run(self, linked: Linked, rows: Array) -> float:
        """Run the batches that a program is for; seconds they took."""
        linked.index[: rows.size] = rows.reshape(-1)
        return linked.run(self.crew(linked.threads), len(rows))

    def trace(self, rows: Array, step: int, lr: float, gathering: Gathering | None = None) -> dict[str, Samples]:
        """Train one batch ``int64[batch]``, and tell what every layer computed in it, as `Program.trace` has it."""
        import numpy as np

        scalars = self._scalars(step, np.array([lr]), gathering) | self.places("trace", rows.reshape(1, -1))
        linked = self._once("trace", rows, scalars)
        self._moved = True
        changed = linked.executable.lowered.graph.by_key
        names = [name for name in linked.executable.lowered.outputs if name not in changed]
        return {name: self._of_samples(linked, name, rows) for name in names}

    def capacity(self, batch: int) -> int:
        """How many steps `train` takes at once."""
        if self.lengths:
            from netspec.compiler.codegen.executable import steps_at_once

            return steps_at_once({"B": batch})
        return self.linked("step", {"B": batch}).capacity

    @cached_property
    def _counted(self) -> frozenset[str]:
        """What losses and metrics are means over: samples, and the places that their outputs have."""
        document = self.program.document
        return frozenset(["", *map(self.program.places_of, (*document.losses, *document.metrics))])

    def counts(self, rows: Array) -> dict[str, Array]:
        """How many numbers each batch ``int64[steps, batch]`` has for means: samples, and real places of each kind."""
        return {places: self.lengths.counted(places, rows) for places in self._counted}

    @cached_property
    def loss_places(self) -> str:
        """By what the losses of batches count in that of an epoch: real places, where all losses have the same."""
        found = {self.program.places_of(binding) for binding in self.program.document.losses}
        return found.pop() if len(found) == 1 else ""

    def evaluate(self, rows: Visit) -> Measured:
        """Loss and metrics over some rows, as in prediction; what is carried begins anew, and training's stays."""
        carried = self.carried()
        self.forget()
        try:
            return self._evaluate(rows)
        finally:
            self.forget()
            self.load(carried)

    def _evaluate(self, rows: Visit) -> Measured:
        import numpy as np

        batch = min(len(rows), self._evaluated_at_once(len(rows)))
        kept = [name for name, _ in self.program.evaluate.outputs if name.startswith(COLLECTED)]
        counts = dict.fromkeys(self._counted, 0)
        totals: dict[str, float] = {}
        collected: dict[str, list[Array]] = {}
        for part in rows.batches(batch):
            for places, many in self.counts(part).items():
                counts[places] += int(many.sum())
            for linked, at in self._runs("evaluate", part, 1 if kept else None):  # rows are those of the last step
                self._set_scalars(linked, self.places("evaluate", part), at)
                self._run(linked, part[at])
                for name, array in linked.outputs.items():
                    # One after the other, so that the sum does not depend on how many steps are run at once.
                    for value in array[: at.stop - at.start].tolist():
                        totals[name] = totals.get(name, 0.0) + value
                for name in kept:
                    samples = self._of_samples(linked, name, part[at.start])
                    collected.setdefault(name.removeprefix(COLLECTED), []).append(one_behind_the_other(samples))
        losses = [total / counts[name.removeprefix(LOSS)] for name, total in totals.items() if name.startswith(LOSS)]
        loss = sum(losses) if losses else float("nan")
        sums = {name.removeprefix(SUMMED): total for name, total in totals.items() if not name.startswith(LOSS)}
        told = self._collected({name: np.concatenate(arrays) for name, arrays in collected.items()}) | self._made(rows)
        numbers = {**self.metrics(sums, counts), **{n: v for n, v in told.items() if isinstance(v, float)}}
        in_order = {b.name: numbers[b.name] for b in self.program.document.metrics if b.name in numbers}
        return Measured(len(rows), loss, in_order, {n: v for n, v in told.items() if isinstance(v, list)})

    def _made(self, rows: Visit) -> dict[str, Found]:
        """The metrics of sequences that the network makes, by name."""
        bound = [(b, b.what) for b in self.program.document.metrics if isinstance(b.what, Decoded)]
        if not bound:
            return {}
        import numpy as np

        from netspec.train.decoding import pairs, sequences

        every = np.concatenate([part.reshape(-1) for part in rows.batches(EVALUATED_ROWS)])
        arrays = {key.removeprefix("data."): array for key, array in self._arrays.items()}
        self._decoder.load(self.weights())
        made = sequences(self._decoder, arrays, every)
        return {b.name: what.judge(pairs(self._decoder, made, arrays, b.target or "", every)) for b, what in bound}

    def close(self) -> None:
        super().close()
        if "_decoder" in vars(self):
            self._decoder.close()

    @cached_property
    def _decoder(self) -> Decoder:
        from netspec.train.decoding import Decoder

        return Decoder(self.program, self._constants, seed=self.seed, threads=self._asked_threads)

    def _evaluated_at_once(self, rows: int) -> int:
        """Rows of a batch: the training's where results depend on it, as gradients and carried states do; else many."""
        document = self.program.document
        told = any(isinstance(b.what, Inspected) and b.what.inside == "weights" for b in document.metrics)
        if told or self.program.carried:
            return rows if document.train.batch == "full" else document.train.batch
        return max([EVALUATED_ROWS, *(linked.batch for (kind, _), linked in self._linked.items() if kind == "step")])

    def metrics(self, totals: Mapping[str, float], counts: Mapping[str, int]) -> dict[str, float]:
        """The metrics that are told by their sums, by name; ``counts`` are the samples, and places of each kind."""
        return {
            binding.name: binding.what.finish(totals[binding.name], counts[self.program.places_of(binding)])
            for binding in self.program.document.metrics
            if isinstance(binding.what, Summed | Inspected) and binding.name in totals
        }

    def _collected(self, rows: Mapping[str, Array]) -> dict[str, Found]:
        """The metrics that are told by the rows of all samples, by name."""
        import numpy as np

        fields = self.program.fields
        return {
            binding.name: binding.what.finish(
                rows[binding.name].astype(np.float64), fields[binding.target or ""].type.classes or ()
            )
            for binding in self.program.document.metrics
            if isinstance(binding.what, Collected) and binding.name in rows
        }

    def gradient(self, rows: Array) -> dict[str, Array]:
        """The gradient of the mean loss over ``rows`` by every weight that training may change."""
        linked = self._once("gradient", rows, self.places("gradient", rows.reshape(1, -1)))
        names = [name for name in linked.executable.lowered.outputs if name.startswith("gradient.")]
        return {name.removeprefix("gradient."): linked.array(name) for name in names}

    def predict(self, rows: Array, batch: int = 256) -> dict[str, Samples]:
        """The outputs for the rows ``int64[n]`` by name: ``float32[n, ...]``; of lengths a list of each sample's own.

        Of a length inside another each sample is a list, too.
        """
        if len(rows) <= batch:
            return self._predict(rows)
        found: dict[str, list[Samples]] = {}
        for start in range(0, len(rows), batch):
            for name, part in self._predict(rows[start : start + batch]).items():
                found.setdefault(name, []).append(part)
        return {name: joined(parts) for name, parts in found.items()}

    def _predict(self, rows: Array) -> dict[str, Samples]:
        if self._moved:
            self._derive()
        linked = self._once("predict", rows, {})
        return {name: self._of_samples(linked, name, rows) for name in linked.executable.lowered.outputs}

    def hold(self, rows: Array) -> dict[str, Samples]:
        """What decoding reads at each step and computes once, for some rows."""
        linked = self._once("hold", rows, {})
        return {name: self._of_samples(linked, name, rows) for name in linked.executable.lowered.outputs}

    def decode(self, rows: Array) -> Array:
        """Some steps of decoding: the probabilities of the next token at each, ``float32[T*B, V]``, time by time."""
        return self._once("decode", rows, {}).array(SCORES)

    def _once(self, kind: Kind, rows: Array, scalars: Mapping[str, Any]) -> Linked:
        """Run one batch ``int64[batch]``; the program holds what it made."""
        sizes = {"B": len(rows)}
        if self.lengths:
            self.prepared(kind, few=self._few(kind, len(rows)))  # which tells how long batches have to be at least
            sizes = self.lengths.sizes(rows)
        linked = self.linked(kind, sizes, 1)
        if scalars:
            self._set_scalars(linked, scalars, slice(0, 1))
        self._run(linked, rows.reshape(1, -1))
        return linked

    def _of_samples(self, linked: Linked, name: str, rows: Array) -> Samples:
        """An output of the batch that was run last, sample by sample."""
        type_ = linked.executable.lowered.outputs[name].type
        found = linked.array(name)
        return (
            self.lengths.by_sample(type_.shape[0], found, rows, linked.sizes) if self.lengths and type_.rank else found
        )

    def given(
        self, rows: Array, step: int, lr: float, gathering: Gathering | None = None
    ) -> tuple[dict[str, Array], dict[str, int]]:
        """All that the graph of a step reads for one batch, by its keys, and its sizes, for an interpreter."""
        import numpy as np

        graph = self.program.step
        with np.errstate(over="ignore"):
            scalars = self._scalars(step, np.array([lr]), gathering) | self.places("step", rows.reshape(1, -1))
            given = {key: np.asarray(np.asarray(array)[0], np.float32) for key, array in scalars.items()}
        given |= {**self._arrays, "index": rows}
        given |= {key_of(v): self.constant(key_of(v)) for v in graph.inputs_of("constant")}
        for value in graph.inputs_of("parameter", "state"):
            key = key_of(value)
            carried = key.endswith(CARRIED)
            given[key] = self.rows_held(key, value.type, len(rows))[: len(rows)] if carried else self._value(key)
        return {key: array for key, array in given.items() if key in graph.by_key}, self.lengths.sizes(rows)

    def _set_scalars(self, linked: Linked, scalars: Mapping[str, Any], part: slice) -> None:
        """Give a program what the host computed for the steps of a part."""
        import numpy as np

        for key in scalars.keys() & linked.inputs.keys():
            with np.errstate(over="ignore"):  # an absurd rate is infinite; the loss will tell
                linked.inputs[key][: part.stop - part.start] = np.asarray(scalars[key])[part]

    def places(self, kind: Kind, rows: Array) -> dict[str, Array]:
        """How many places of each batch are real, by the keys of the graph."""
        keys = [key for key in self.program.graph(kind).by_key if key.startswith(COUNTED + ".")]
        return {key: self.lengths.counted(key.removeprefix(COUNTED), rows) for key in keys}

    def _scalars(self, first_step: int, lr: Array, gathering: Gathering | None) -> dict[str, Any]:
        """What the host computes for each of some steps, by the graph's keys."""
        import numpy as np

        steps = batches = np.arange(first_step, first_step + len(lr))
        found: dict[str, Any] = {}
        if gathering is not None:
            steps, batches = gathering.step, gathering.batch
            found |= {SHARE: gathering.share, LAST: gathering.last}
        average, optimizer = self.program.document.train.average, self.program.document.optimizer
        if average is not None:
            found[AVERAGE_RATE] = (1 - average.ema) / (1 - average.ema ** (steps + 1.0))
        scales = {p.lr_scale for p in self.program.parameters.values() if p.trainable} if optimizer else set()
        for lr_scale in scales:
            assert optimizer is not None
            for name, values in optimizer.scalars(lr * lr_scale, steps + 1).items():
                found[scalar_key(name, lr_scale)] = values
        return {"step": batches % (1 << 24), **found}
