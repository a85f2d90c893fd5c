"""A document and its data, put together: the program that can be run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from netspec.catalog.augmentations import constants
from netspec.catalog.losses import Loss
from netspec.compiler.graph import key_of
from netspec.data.batches import Feed, Visit
from netspec.data.dataset import AnyDataset, Dataset, open_data
from netspec.data.fieldtype import numbered_classes, stored_dtype
from netspec.data.fitting import Fitted
from netspec.diagnostics import Diagnostic, NetspecError, Report, SpecError
from netspec.pipeline import Program
from netspec.spec.augmenting import AUGMENT
from netspec.spec.binding import bind_targets
from netspec.spec.class_weight import class_weight_key
from netspec.spec.document import Document
from netspec.spec.lowering import Model, check_input
from netspec.spec.reading import FieldFacts
from netspec.spec.rows import check_spreads
from netspec.tensortype import DType, known

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class Opened:
    """A spec with its data in memory."""

    program: Program
    dataset: AnyDataset

    @property
    def batch(self) -> int:
        """The rows of a step."""
        splits = self.dataset.splits
        rows, asked = len(splits.get("train", splits[next(iter(splits))])), self.program.document.train.batch
        return rows if asked == "full" else min(asked, rows)

    @property
    def constants(self) -> dict[str, Array]:
        """What was fitted, and what augmentations stand on, by the graphs' input keys."""
        fitted = self.dataset.fitted
        return {
            **predictor_constants(self.program.document, fitted),
            **class_weights(self.program.document, fitted),
            **loss_constants(self.program.document, fitted),
            **augmentation_constants(self.program),
        }

    def feed(self) -> Feed:
        """The batches that training goes through; where a state is carried, each goes on where the last one ended."""
        train = self.program.document.train
        if isinstance(self.dataset, Dataset) and self.program.carried:
            return self.dataset.feed(train.seed, self.batch, shuffle=train.shuffle, carried=True)
        return self.dataset.feed(train.seed, self.batch, shuffle=train.shuffle)

    def visit(self, split: str) -> Visit:
        """The rows of a split, to be measured."""
        if isinstance(self.dataset, Dataset) and self.program.carried:
            return self.dataset.visit(split, carried=True)
        return self.dataset.visit(split)

    def classes_of_tables(self) -> dict[str, tuple[str, ...]]:
        """The names of the classes that metrics tell of by tables, where the data name them."""
        metrics = self.program.document.metrics
        told = {b.name: self.dataset.fields[b.target] for b in metrics if b.target and not b.is_number}
        return {name: field.classes for name, field in told.items() if field.classes}


def open_spec(
    document: Document,
    *,
    fitted: Fitted | None = None,
    offline: bool = False,
    told: Callable[[str], None] = lambda text: None,
) -> Opened:
    """Open the data of a spec and bind its losses and metrics to them; ``told`` is told what takes long.

    Raises:
        SpecError: if the spec has no data, or what it says does not fit them.
        DataError: if the data are wrong.
    """
    report = Report(dict(document.sources))
    if document.data is None:
        report.error("missing-key", "there are no data to train on or to measure", None, helps=["add a `data` section"])
        report.raise_if_failed()
    assert document.data is not None
    inputs = [given.name for given in document.network.inputs]
    try:
        dataset = open_data(
            document.data, document.base, document.train.seed, inputs=inputs, fitted=fitted, offline=offline,
            span=lambda path: document.at("data", *path), told=told,
        )  # fmt: skip
    except NetspecError as error:
        error.sources.update(document.sources)
        raise
    losses, metrics = bind_targets(document.losses, document.metrics, dataset.fields, inputs, True, report)
    bound = replace(document, losses=losses, metrics=metrics)
    try:
        program = program_of(bound, dataset, report)
    except SpecError as error:
        error.diagnostics = tuple(_with_largest_label(d, bound, dataset) for d in error.diagnostics)
        raise
    batch = document.train.batch
    dataset.prepare(_read(program, inputs), batch if isinstance(batch, int) else len(dataset.splits["train"]))
    return Opened(program, dataset)


def _with_largest_label(d: Diagnostic, document: Document, dataset: AnyDataset) -> Diagnostic:
    """Where the labels themselves say how many classes there are, the row of the largest: it may be a wrong one."""
    targets = [b.target for b in (*document.losses, *document.metrics) if d.span in (b.span, b.target_span)]
    if d.code != "shape-mismatch" or not isinstance(dataset, Dataset):
        return d
    for name in targets:
        type_ = dataset.fields.get(name or "")
        if type_ is not None and type_.kind == "category" and type_.classes == numbered_classes(type_.size or 0):
            row = int(dataset.columns[name or ""].argmax())
            largest = f"{dataset.table.place(row, name)}: the largest label of `{name}` is {len(type_.classes) - 1}"
            return replace(d, notes=(*d.notes, largest))
    return d


def _read(program: Program, inputs: Collection[str]) -> set[str]:
    """The fields whose rows the graphs read."""
    stored = (key_of(value) for value in program.evaluate.inputs_of("stored"))
    return {*inputs, *(key.removeprefix("data.") for key in stored)}


def program_of(document: Document, dataset: AnyDataset, report: Report) -> Program:
    """The program over fields whose types are known.

    Raises:
        SpecError: if inputs, losses or layers do not fit them.
    """
    model = Model(document, report, dataset.fields)
    check_targets(document, report)
    for given in document.network.inputs:
        if given.name not in dataset.fields:
            known = ", ".join(f"`{name}`" for name in dataset.fields)
            message = f"the data have no field `{given.name}`"
            report.error("unknown-field", message, given.span, helps=[f"there are {known}"])
        else:
            check_input(given, model, report)
    report.raise_if_failed()
    program = Program(document, model, field_facts(dataset))
    _ = program.evaluate
    report.raise_if_failed()
    return program


def field_facts(dataset: AnyDataset) -> dict[str, FieldFacts]:
    """What the graphs must know of each field."""
    facts = {}
    for name, type_ in dataset.fields.items():
        scaling = dataset.fitted.fields[name].offset
        shape = None if scaling is None else tuple(scaling.shape)
        dtype = cast("DType", str(dataset.dtype(name)))
        facts[name] = FieldFacts(type_, dtype, shape, dataset.middle(name), **_stretches(dataset, name))
    return facts


def _stretches(dataset: AnyDataset, name: str) -> dict[str, Any]:
    """What the graphs must know of a field whose rows differ in length."""
    column = dataset.ragged.get(name) if isinstance(dataset, Dataset) else None
    if column is None:
        return {}
    spelled = {} if column.spellings is None else {"spelled": str(column.spellings.dtype)}
    return {**spelled, "gaps": column.gaps is not None}


def fitted_facts(fitted: Fitted) -> dict[str, FieldFacts]:
    """The same of a run's fields, without its data."""
    facts = {}
    for name, field in fitted.fields.items():
        shape = None if field.offset is None else tuple(field.offset.shape)
        dtype = stored_dtype(field.type)
        if len(field.type.lengths) > 1:  # the numbers of words, which are spelled in that type
            facts[name] = FieldFacts(field.type, "int32", shape, spelled=dtype)
        else:
            facts[name] = FieldFacts(field.type, dtype, shape)
    return facts


def scaling_constants(fitted: Fitted) -> dict[str, Array]:
    """Offsets and scales by the graphs' input keys."""
    return {f"data.{key}": array for key, array in fitted.to_arrays().items()}


def predictor_constants(document: Document, fitted: Fitted) -> dict[str, Array]:
    """All that prediction reads of what was fitted, by the graphs' input keys."""
    return {**scaling_constants(fitted), **layer_constants(document, fitted)}


def layer_constants(document: Document, fitted: Fitted) -> dict[str, Array]:
    """What layers take from the field that they tell, by the graphs' input keys."""
    targets = told_fields(document)
    return {
        f"{node.path}.{name}": array
        for node in document.network.nodes
        if node.layer is not None and node.path in targets
        for field in [fitted.fields[targets[node.path]]]
        for name, array in node.layer.constants(field.type, field.counts).items()
    }


def told_fields(document: Document) -> dict[str, str]:
    """The field that each layer tells which a loss reads, by the layer's path."""
    read = {b.output.path: b.target for b in document.losses if b.output is not None and not b.output.is_input}
    return {path: target for path, target in read.items() if target is not None}


def check_targets(document: Document, report: Report) -> None:
    """Whether every layer that has to know what it tells is read by a loss."""
    known = told_fields(document)
    for node in document.network.nodes:
        if node.layer is not None and node.layer.needs_target and node.path not in known:
            message = f"no loss says which field `{node.path}` tells, and it has to know its classes"
            report.error("ambiguous-target", message, node.span, helps=["add a loss that reads it"])


def class_weights(document: Document, fitted: Fitted) -> dict[str, Array]:
    """The weights of classes that losses are given, by the graphs' input keys."""
    import numpy as np

    found = {}
    for i, loss in enumerate(document.losses, 1):
        if loss.class_weight is not None and loss.target is not None:
            field = fitted.fields[loss.target]
            found[class_weight_key(i)] = np.array(loss.class_weight.weights(field.type, field.counts), np.float32)
    return found


def loss_constants(document: Document, fitted: Fitted) -> dict[str, Array]:
    """What losses take from how often each class is their target, by the graphs' input keys."""
    return {
        f"loss_{i}.{name}": array
        for i, loss in enumerate(document.losses, 1)
        if isinstance(loss.what, Loss) and loss.target is not None
        for name, array in loss.what.constants(fitted.fields[loss.target].counts).items()
    }


def augmentation_constants(program: Program) -> dict[str, Array]:
    """What augmentations read beside random numbers, by the graphs' input keys."""
    found = {}
    for name, given in program.model.augmentations.items():
        height, width, _ = (known(n) for n in program.fields[name].type.shape or ())
        found.update({f"{AUGMENT}{key}": array for key, array in constants(given.items, (height, width)).items()})
    return found


def rows_of(opened: Opened) -> dict[str, int]:
    """How many rows each split has."""
    return {name: len(rows) for name, rows in opened.dataset.splits.items()}


def check_batches(opened: Opened) -> None:
    """Whether every batch of training is large enough for what layers make of a batch.

    Raises:
        SpecError: if a layer would take the variance of a single number.
    """
    document = opened.program.document
    report = Report(dict(document.sources))
    _ = opened.program.step  # which builds the layers as they are in training
    check_spreads(document, opened.program.model.spreads, rows_of(opened), report)
    report.raise_if_failed()


class NothingToTrainError(SpecError):
    """The spec is not meant to be trained: it has neither `optimizer` nor `train`."""


def missing_for_training(document: Document) -> Mapping[str, str]:
    """The sections without which nothing can be trained, and what to write."""
    wanted = {"loss": "as in `loss: cross_entropy`", "optimizer": "as in `optimizer: {adam: {lr: 1e-3}}`"}
    there = {"loss": bool(document.losses), "optimizer": document.optimizer is not None}
    return {key: advice for key, advice in wanted.items() if not there[key]}


def check_trainable(document: Document) -> None:
    """Whether a spec says how to train.

    Raises:
        SpecError: if it has no loss or no optimizer; `NothingToTrainError` if nothing in it speaks of training.
    """
    report = Report(dict(document.sources))
    for key, advice in missing_for_training(document).items():
        report.error("missing-key", f"training needs `{key}`", None, helps=[advice])
    if report.failed:
        is_meant = document.optimizer is not None or "train" in document.spans
        kind = SpecError if is_meant else NothingToTrainError
        raise kind(*report.diagnostics, sources=report.sources)
