"""A run made ready to predict: raw rows in, classes and numbers out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec.catalog.losses import Loss
from netspec.data.rows import encode_rows, read_rows, table_of_rows
from netspec.data.table import Place
from netspec.diagnostics import Report
from netspec.pipeline import Program
from netspec.runs.run import Run
from netspec.spec.lowering import Model
from netspec.train.engine import Engine
from netspec.train.opening import fitted_facts, scaling_constants
from netspec.train.session import best_weights, document_of, fitted_of

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]


class Predictor:
    """A trained network; its data need not be there, only what the run keeps of them."""

    def __init__(self, run: Run, *, threads: int | None = None) -> None:
        self.document, self.fitted = document_of(run), fitted_of(run)
        types = {name: field.type for name, field in self.fitted.fields.items()}
        report = Report(dict(self.document.sources))
        self.program = Program(self.document, Model(self.document, report, types), fitted_facts(self.fitted))
        self._weights, self._threads = best_weights(run), threads

    def predict(self, rows: Path | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A map for every row: for a category its class and each class's probability, else numbers.

        Raises:
            DataError: if a column is missing or a value does not fit.
        """
        import numpy as np

        inputs = self.program.inputs
        only = inputs[0] if len(inputs) == 1 else None
        data = self.document.data
        source, fields = (data.source, data.fields) if data else (None, {})
        table = read_rows(rows, only, source) if isinstance(rows, Path) else table_of_rows(list(rows), Place("rows", 0))
        arrays = encode_rows(table, fields, self.fitted, inputs)
        engine = Engine(
            self.program,
            arrays,
            scaling_constants(self.fitted),
            seed=self.document.train.seed,
            threads=self._threads,
        )
        engine.load(self._weights)
        outputs = engine.predict(np.arange(table.rows))
        engine.close()
        return self._named(outputs, table.rows)

    def _named(self, outputs: Mapping[str, Array], count: int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = [{} for _ in range(count)]
        for name, values in outputs.items():
            classes, target = self._classes(name, values)
            several = len(outputs) > 1
            for row, value in zip(rows, values, strict=True):
                if classes:
                    row.update(_decided(target, value, classes))
                else:
                    row.update(_numbers(name if several or target is None else target, value))
        return rows

    def _classes(self, output: str, values: Array) -> tuple[tuple[str, ...], str | None]:
        """The names of the classes that an output scores, if it does; and the field that it was trained to tell."""
        ref = self.document.network.outputs[output]
        for binding in self.document.losses:
            target = binding.target or ""
            if binding.output == ref and isinstance(binding.what, Loss) and target in self.fitted.fields:
                classes = self.fitted.fields[target].type.classes or ()
                width = values.shape[-1] if values.ndim > 1 else 1
                fits = len(classes) == width or (len(classes), width) == (2, 1)
                return (classes if fits else ()), target
        return (), None


def _decided(target: str | None, scores: Array, classes: tuple[str, ...]) -> dict[str, Any]:
    """The class and the probability of each: ``{"label": "7", "label=0": 0.01, ...}``."""
    flat = scores.reshape(-1)
    shares = [1 - float(flat[0]), float(flat[0])] if len(classes) == 2 and flat.size == 1 else [float(p) for p in flat]
    best = max(range(len(shares)), key=shares.__getitem__)
    found: dict[str, Any] = {str(target): classes[best]}
    found.update({f"{target}={name}": share for name, share in zip(classes, shares, strict=True)})
    return found


def _numbers(name: str, values: Array) -> dict[str, Any]:
    flat = [float(x) for x in values.reshape(-1)]
    return {name: flat[0]} if len(flat) == 1 else {f"{name}.{i}": x for i, x in enumerate(flat)}
