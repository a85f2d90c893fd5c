"""What the data of a spec, a data set or a file hold, before anything is trained on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netspec.data.dataset import Dataset, open_data, open_source
from netspec.data.preview import preview
from netspec.data.source import Source
from netspec.data.table import Table
from netspec.diagnostics import NetspecError
from netspec.spec.check import Checked
from netspec.spec.document import Document


@dataclass(frozen=True)
class Preview:
    """The columns of a source; of a spec also the fields that are made of them, and the splits.

    ``fault`` is why there are no fields: the columns are told all the same, for the fault may be seen in them.
    """

    origin: str
    splits: Mapping[str, int]
    columns: Mapping[str, Mapping[str, Any]]
    fields: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fault: NetspecError | None = None

    def summary(self) -> dict[str, Any]:
        """As `data --json` prints it."""
        columns = {"origin": self.origin, "rows": dict(self.splits), "columns": dict(self.columns)}
        return {**columns, "fields": dict(self.fields)} if self.fields else columns


def preview_source(
    source: Source, *, offline: bool = False, told: Callable[[str], None] = lambda text: None
) -> Preview:
    """A source by itself, whose paths begin in the working folder; ``told`` is told what takes long."""
    return _of_table(source.open_told(Path(), told, offline=offline))


def preview_spec(
    checked: Checked, *, offline: bool = False, told: Callable[[str], None] = lambda text: None
) -> Preview:
    """The data of a spec; the rest of it may have faults. ``told`` is told what takes long.

    Raises:
        SpecError: if it has no data, or none that could be opened.
        NetspecError: if they are not here or cannot be read.
    """
    document, report = checked.document, checked.report
    if document is None or document.data is None:
        report.raise_if_failed()
        report.error("missing-key", "there are no data to look at", None, helps=["add a `data` section"])
        report.raise_if_failed()
    assert document is not None
    assert document.data is not None
    section, base = document.data.model_copy(update={"stream": False}), document.base
    inputs = [given.name for given in document.network.inputs]

    def span(path: tuple[str, ...]) -> Any:
        return document.at("data", *path)

    table: Table | None = None
    try:
        table = open_source(section, base, offline=offline, span=span, told=told)
        whole = _of_table(table)
        data = open_data(section, base, document.train.seed, inputs=inputs, span=span, table=table)
        assert isinstance(data, Dataset)
    except NetspecError as error:
        error.sources.update(document.sources)
        if table is None:
            raise
        return Preview(whole.origin, whole.splits, whole.columns, fault=error)
    roles = _roles(document, inputs, list(data.fields))
    columns = {name: fitted.columns for name, fitted in data.fitted.fields.items()}
    fields = {name: {**facts, "role": roles[name]} for name, facts in preview(data.table, columns).items()}
    splits = {name: len(rows) for name, rows in data.splits.items()}
    return Preview(whole.origin, splits, whole.columns, fields)


def _roles(document: Document, inputs: Sequence[str], fields: Sequence[str]) -> dict[str, str]:
    """What each field is to the network: an input, a target, or nothing."""
    bindings = (*document.losses, *document.metrics)
    targets = {b.target for b in bindings if b.target}
    free = [name for name in fields if name not in inputs]
    if bindings and len(free) == 1:  # what a loss compares with that does not say so
        targets |= set(free)
    return {name: "input" if name in inputs else "target" if name in targets else "" for name in fields}


def _of_table(table: Table) -> Preview:
    splits = {name: len(rows) for name, rows in table.splits.items()}
    return Preview(table.origin, splits, preview(table))
