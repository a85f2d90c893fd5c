"""A document and its data, put together: the program that can be run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from netspec.data.dataset import Dataset, open_data
from netspec.data.fitting import Fitted
from netspec.diagnostics import Report, SpecError
from netspec.pipeline import FieldFacts, Program, stored_dtype
from netspec.spec.binding import bind_targets
from netspec.spec.document import Document
from netspec.spec.lowering import Model, check_input
from netspec.tensortype import DType

if TYPE_CHECKING:
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class Opened:
    """A spec with its data in memory."""

    program: Program
    dataset: Dataset

    @property
    def batch(self) -> int:
        """The rows of a step."""
        rows, asked = len(self.dataset.splits["train"]), self.program.document.train.batch
        return rows if asked == "full" else min(asked, rows)

    @property
    def constants(self) -> dict[str, Array]:
        """What was fitted, by the graphs' input keys."""
        return scaling_constants(self.dataset.fitted)


def open_spec(document: Document, *, fitted: Fitted | None = None, offline: bool = False) -> Opened:
    """Open the data of a spec and bind its losses and metrics to them.

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
    dataset = open_data(
        document.data, document.base, document.train.seed, inputs=inputs, fitted=fitted, offline=offline
    )
    bound = replace(
        document,
        losses=bind_targets(document.losses, dataset.fields, inputs, True, report),
        metrics=bind_targets(document.metrics, dataset.fields, inputs, True, report),
    )
    program = program_of(bound, dataset, report)
    return Opened(program, dataset)


def program_of(document: Document, dataset: Dataset, report: Report) -> Program:
    """The program over fields whose types are known.

    Raises:
        SpecError: if inputs, losses or layers do not fit them.
    """
    model = Model(document, report, dataset.fields)
    for given in document.network.inputs:
        if given.name not in dataset.fields:
            known = ", ".join(f"`{name}`" for name in dataset.fields)
            message = f"the data have no field `{given.name}`"
            report.error("unknown-field", message, given.span, helps=[f"there are {known}"])
        else:
            check_input(given, dataset.fields[given.name], model.sizes, report)
    report.raise_if_failed()
    program = Program(document, model, field_facts(dataset))
    _ = program.evaluate
    report.raise_if_failed()
    return program


def field_facts(dataset: Dataset) -> dict[str, FieldFacts]:
    """What the graphs must know of each field."""
    facts = {}
    for name, type_ in dataset.fields.items():
        scaling = dataset.fitted.fields[name].offset
        shape = None if scaling is None else tuple(scaling.shape)
        dtype = cast("DType", str(dataset.columns[name].dtype))
        facts[name] = FieldFacts(type_, dtype, shape, _middle(dataset, name))
    return facts


def fitted_facts(fitted: Fitted) -> dict[str, FieldFacts]:
    """The same of a run's fields, without its data."""
    facts = {}
    for name, field in fitted.fields.items():
        shape = None if field.offset is None else tuple(field.offset.shape)
        facts[name] = FieldFacts(field.type, stored_dtype(field.type), shape)
    return facts


def scaling_constants(fitted: Fitted) -> dict[str, Array]:
    """Offsets and scales by the graphs' input keys."""
    return {f"data.{key}": array for key, array in fitted.to_arrays().items()}


def _middle(dataset: Dataset, name: str) -> float:
    """Midway between the least and the largest value of a single target: where it is cut in two."""
    type_ = dataset.fields[name]
    if type_.kind != "number" or type_.shape not in ((), (1,)):
        return 0.5
    column = dataset.columns[name][dataset.splits["train"]]
    return float((float(column.min()) + float(column.max())) / 2)


def missing_for_training(document: Document) -> Mapping[str, str]:
    """The sections without which nothing can be trained, and what to write."""
    wanted = {"loss": "as in `loss: cross_entropy`", "optimizer": "as in `optimizer: {adam: {lr: 1e-3}}`"}
    there = {"loss": bool(document.losses), "optimizer": document.optimizer is not None}
    return {key: advice for key, advice in wanted.items() if not there[key]}


def check_trainable(document: Document) -> None:
    """Whether a spec says how to train.

    Raises:
        SpecError: if it has no loss or no optimizer.
    """
    report = Report(dict(document.sources))
    for key, advice in missing_for_training(document).items():
        report.error("missing-key", f"training needs `{key}`", None, helps=[advice])
    if report.failed:
        raise SpecError(*report.diagnostics, sources=report.sources)
