"""A run made ready to predict: raw rows in, classes and numbers out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec.catalog.losses import Loss
from netspec.data.pictures.rows import are_pictures, read_pictures
from netspec.data.rows import encode_rows, read_rows, table_of_rows, words_of_rows
from netspec.data.table import Place
from netspec.diagnostics import Report
from netspec.pipeline import Program
from netspec.runs.run import Run
from netspec.spec.decoding import Decoding
from netspec.spec.lowering import Model
from netspec.tensortype import lengths as lengths_of
from netspec.train.engine import Engine
from netspec.train.lengths import Samples
from netspec.train.opening import fitted_facts, predictor_constants
from netspec.train.session import best_weights, document_of, fitted_of

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]


class Predictor:
    """A trained network; its data need not be there, only what the run keeps of them."""

    def __init__(self, run: Run, *, threads: int | None = None) -> None:
        self.run, self.document, self.fitted = run, document_of(run), fitted_of(run)
        types = {name: field.type for name, field in self.fitted.fields.items()}
        report = Report(dict(self.document.sources))
        self.program = Program(self.document, Model(self.document, report, types), fitted_facts(self.fitted))
        self.weights, self._threads = best_weights(run), threads

    def predict(self, rows: Path | Sequence[Mapping[str, Any]], *, resize: bool = False) -> list[dict[str, Any]]:
        """A map for every row: for a category its class and each class's probability, else numbers.

        Rows that are pictures begin with the name of each; ``resize`` makes them fit. Of sequences there are lists,
        beside those of the words that were read where there are as many.

        Raises:
            DataError: if a column is missing or a value does not fit.
        """
        decoding, data = self.document.decode, self.document.data
        inputs = tuple(name for name in self.program.inputs if decoding is None or name != decoding.input)
        only = inputs[0] if len(inputs) == 1 else None
        source, fields = (data.source, data.linked_fields()) if data else (None, {})
        pictures: Sequence[str] = ()
        if isinstance(rows, Path) and are_pictures(rows):
            learnt = {name: self.fitted.fields[name].learnt for name in inputs}
            found = read_pictures(rows, learnt, source, resize=resize)
            table, pictures = found.table, found.names
        elif isinstance(rows, Path):
            table = read_rows(rows, only, source)
        else:
            table = table_of_rows(list(rows), Place("the rows", 0))
        arrays = encode_rows(table, fields, self.fitted, inputs)
        if decoding is not None:
            named = self._sequences(decoding, arrays, table.rows)
        else:
            named = self._named(self.outputs(arrays, table.rows), table.rows)
            for name, words in words_of_rows(table, fields, self.fitted, inputs).items():
                named = [_beside(name, own, row) for own, row in zip(words, named, strict=True)]
        return [{"picture": name, **row} for name, row in zip(pictures, named, strict=True)] if pictures else named

    def outputs(self, arrays: Mapping[str, Array], rows: int) -> dict[str, Samples]:
        """The network's outputs for ``rows`` rows of its inputs, as they are stored: an array, or a list of lengths."""
        import numpy as np

        engine = Engine(
            self.program,
            arrays,
            predictor_constants(self.document, self.fitted),
            seed=self.document.train.seed,
            threads=self._threads,
        )
        engine.load(self.weights)
        outputs = engine.predict(np.arange(rows))
        engine.close()
        return outputs

    def _sequences(self, decoding: Decoding, arrays: Mapping[str, Array], rows: int) -> list[dict[str, Any]]:
        """A map for every row: the sequence that the network makes of it, as text, and its probability."""
        import numpy as np

        from netspec.train.decoding import Decoder, sequences

        decoder = Decoder(
            self.program,
            predictor_constants(self.document, self.fitted),
            seed=self.document.train.seed,
            threads=self._threads,
        )
        decoder.load(self.weights)
        made = sequences(decoder, arrays, np.arange(rows))
        decoder.close()
        target = next((b.target for b in self.document.losses if b.output == decoding.output and b.target), "")
        assert self.document.data is not None
        joint, name = self.document.data.linked_fields()[decoding.input].joint, target or str(decoding.output)
        texts = [joint.join(decoder.classes[token] for token in one.tokens) for one in made]
        return [
            {name: text, f"{name}.probability": exp(one.score)} for text, one in zip(texts, made, strict=True)
        ]  # fmt: skip

    def _named(self, outputs: Mapping[str, Samples], count: int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = [{} for _ in range(count)]
        graph = dict(self.program.predict.outputs)
        lengths = {name: len(lengths_of(graph[name].type.shape[0])) for name in outputs}
        for name, values in outputs.items():
            called, classes = self.answer(name)
            decides = self._decides(name)
            for row, value in zip(rows, values, strict=True):
                told = _told(called, value, classes, lengths[name])
                row.update({called: told[called]} if decides else told)
        return rows

    def _decides(self, output: str) -> bool:
        """Whether an output is a decision, of which there are no probabilities."""
        ref = self.document.network.outputs[output]
        layer = None if ref.is_input else self.document.network.node(ref.path).layer
        return layer is not None and layer.decides

    def answer(self, output: str) -> tuple[str, tuple[str, ...]]:
        """What an output is called in predictions, and the names of the classes that it scores, if it does."""
        target, classes = self._told(output)
        several = len(self.document.network.outputs) > 1
        return output if target is None or (several and not classes) else target, classes

    def _told(self, output: str) -> tuple[str | None, tuple[str, ...]]:
        """The field that an output was trained to tell, and its classes where there is a score for each."""
        ref = self.document.network.outputs[output]
        for binding in self.document.losses:
            target = binding.target or ""
            if binding.output == ref and isinstance(binding.what, Loss) and target in self.fitted.fields:
                classes = self.fitted.fields[target].type.classes or ()
                type_ = self.program.values[ref].type
                width = type_.channels if type_.rank > 1 else 1
                fits = len(classes) == width or (len(classes), width) == (2, 1)
                return target, (classes if fits else ())
        return None, ()


def _beside(name: str, words: list[str], row: dict[str, Any]) -> dict[str, Any]:
    """What is predicted of a sentence, behind its words if that is something for each."""
    fits = all(isinstance(told, list) and len(told) == len(words) for told in row.values())
    return {name: words, **row} if fits and name not in row else row


def _told(name: str, value: Any, classes: tuple[str, ...], lengths: int) -> dict[str, Any]:
    """What is predicted of a sample: a class, or numbers; of a sequence lists, a class and its probability a step."""
    if not lengths:
        return _decided(name, value, classes) if classes else _numbers(name, value)
    if not classes:
        return {name: _nested(value)}
    if lengths > 1:
        each = [_told(name, step, classes, lengths - 1) for step in value]
        return {key: [step[key] for step in each] for key in (name, f"{name}.probability")}
    steps = [_decided(name, step, classes) for step in value]
    chosen = [step[name] for step in steps]
    shares = [step[f"{name}={label}"] for step, label in zip(steps, chosen, strict=True)]
    return {name: chosen, f"{name}.probability": shares}


def _nested(value: Any) -> list[Any]:
    """A number for each place, or a list of them."""
    if isinstance(value, list):
        return [_nested(step) for step in value]
    found: list[Any] = (value[:, 0] if value.ndim == 2 and value.shape[1] == 1 else value).tolist()
    return found


def _decided(target: str, scores: Array, classes: tuple[str, ...]) -> dict[str, Any]:
    """The class and the probability of each: ``{"label": "7", "label=0": 0.01, ...}``."""
    flat = scores.reshape(-1)
    shares = [1 - float(flat[0]), float(flat[0])] if len(classes) == 2 and flat.size == 1 else [float(p) for p in flat]
    best = max(range(len(shares)), key=shares.__getitem__)
    found: dict[str, Any] = {target: classes[best]}
    found.update({f"{target}={name}": share for name, share in zip(classes, shares, strict=True)})
    return found


def _numbers(name: str, values: Array) -> dict[str, Any]:
    flat = [float(x) for x in values.reshape(-1)]
    return {name: flat[0]} if len(flat) == 1 else {f"{name}.{i}": x for i, x in enumerate(flat)}
