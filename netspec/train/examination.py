"""The data of a spec, opened to be checked: what is wrong with them, what is doubtful, and what each column holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from netspec.data.dataset import Dataset
from netspec.diagnostics import Diagnostic, NetspecError, Report
from netspec.spec.check import Checked
from netspec.spec.document import Document
from netspec.spec.linting import diagnose
from netspec.spec.rows import check_rows
from netspec.train.opening import Opened, check_batches, open_spec, rows_of
from netspec.train.preview import Preview, preview_spec

if TYPE_CHECKING:
    from netspec.data.table import Array

_LEAST_ROWS: Final = 2
_LEAST_SHARE: Final = 0.01
"""From here on rows of two splits are told: single ones are equal by chance, as in Fisher's irises."""


@dataclass(frozen=True)
class ExaminedData:
    """Data that were opened; ``summary`` is None where they could not be."""

    preview: Preview | None
    diagnostics: tuple[Diagnostic, ...]
    classes: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    """How many rows of each split have each class, by field, split and class."""
    shared: Mapping[str, int] = field(default_factory=dict)
    """How many rows of each other split stand in `train` too, with all their fields."""

    def summary(self) -> dict[str, Any]:
        """As `validate --data --json` prints it."""
        found = {} if self.preview is None else self.preview.summary()
        return {**found, "classes": dict(self.classes), "shared_with_train": dict(self.shared)}


def examine_data(
    checked: Checked, *, offline: bool = False, told: Callable[[str], None] = lambda text: None
) -> ExaminedData:
    """Open the data of a spec and hold it against them; raises nothing that is the spec's or the data's fault.

    Args:
        checked: The spec.
        offline: Download nothing.
        told: Is told what takes long.
    """
    document = checked.document
    if document is None or document.data is None:
        return ExaminedData(None, tuple(diagnose(checked)))
    preview = None
    try:
        preview = preview_spec(checked, offline=offline, told=told)
        if preview.fault is not None:
            raise preview.fault
        if checked.report.failed:
            return ExaminedData(preview, tuple(diagnose(checked)))
        return _of_opened(checked, preview, open_spec(document, offline=offline, told=told))
    except NetspecError as error:
        checked.report.sources.update(error.sources)
        known = {(d.code, d.message) for d in checked.report.diagnostics}
        found = [d for d in error.diagnostics if (d.code, d.message) not in known]
        return ExaminedData(preview, tuple(diagnose(checked, more=found)))


def _of_opened(checked: Checked, preview: Preview, opened: Opened) -> ExaminedData:
    document, rows = opened.program.document, rows_of(opened)
    report = Report(checked.report.sources)
    if document.optimizer is not None:
        check_rows(document, rows, report)
        report.raise_if_failed()
        check_batches(opened)
    classes: dict[str, dict[str, dict[str, int]]] = {}
    shared: dict[str, int] = {}
    if isinstance(opened.dataset, Dataset):
        classes = _classes(document, opened.dataset)
        shared = _shared(document, opened.dataset)
        report.diagnostics += [*_untrained(document, classes), *_leaks(document, shared, rows)]
    return ExaminedData(preview, tuple(diagnose(checked, rows=rows, more=report.diagnostics)), classes, shared)


# --- classes ---


def _classes(document: Document, data: Dataset) -> dict[str, dict[str, dict[str, int]]]:
    """The classes of every field that a loss or a metric compares with."""
    import numpy as np

    targets = {b.target for b in (*document.losses, *document.metrics)}
    found = {}
    for name, type_ in data.fields.items():
        if name in targets and type_.kind == "category" and name in data.columns and type_.shape == ():
            names = type_.classes or tuple(str(i) for i in range(int(data.columns[name].max(initial=-1)) + 1))
            of_split = {}
            for split, rows in data.splits.items():
                counts = np.bincount(data.columns[name][rows], minlength=len(names)).tolist()
                of_split[split] = dict(zip(names, counts, strict=False))
            found[name] = of_split
    return found


def _untrained(document: Document, classes: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Iterator[Diagnostic]:
    """Classes that are to be told, and that no row trains."""
    for name, of_split in classes.items():
        for split, counts in of_split.items():
            lacking = [c for c, n in counts.items() if n and not of_split["train"].get(c)]
            if lacking and split != "train":
                shown = ", ".join(f"`{c}`" for c in lacking[:8]) + (", ..." if len(lacking) > 8 else "")
                message = f"no row of `train` has the `{name}` {shown}, and rows of `{split}` have"
                helps = (f"keep the ratio of the classes: `split: {{..., stratify: {name}}}`",)
                yield Diagnostic("class-not-trained", message, _place(document), "warning", helps=helps)


# --- rows in two splits ---


def _shared(document: Document, data: Dataset) -> dict[str, int]:
    """How many rows of each split stand in ``train`` too, with all their fields.

    Of networks that read numbers alone: rows of words, classes and the like are equal often, and by chance.
    """
    inputs = [given.name for given in document.network.inputs]
    types = [data.fields[name].kind for name in inputs]
    if not inputs or any(kind not in ("number", "image") for kind in types) or len(data.splits) < 2:
        return {}
    known = set(_keys(data, data.splits["train"]))
    others = {split: rows for split, rows in data.splits.items() if split != "train"}
    return {split: sum(key in known for key in _keys(data, rows)) for split, rows in others.items()}


def _keys(data: Dataset, rows: Array) -> Iterator[int]:
    """A number for each row that tells it from others."""
    import numpy as np

    dense = [np.ascontiguousarray(column).reshape(len(column), -1) for column in data.columns.values()]
    for row in rows.tolist():
        parts = [column[row].tobytes() for column in dense]
        parts += [np.ascontiguousarray(column.row(row)).tobytes() for column in data.ragged.values()]
        yield hash(tuple(parts))


def _leaks(document: Document, shared: Mapping[str, int], rows: Mapping[str, int]) -> Iterator[Diagnostic]:
    for split, count in shared.items():
        if count >= max(_LEAST_ROWS, _LEAST_SHARE * rows[split]):
            message = f"{count:,} of the {rows[split]:,} rows of `{split}` stand in `train` too, with all their fields"
            helps = (
                "leave out rows that stand twice, before the data are split",
                "or split by what rows belong to: `split: {by: COLUMN}`",
            )
            yield Diagnostic("rows-in-two-splits", message, _place(document), "warning", helps=helps)


def _place(document: Document) -> Any:
    return document.at("data", "split") or document.at("data")
