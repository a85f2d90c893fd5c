"""Rows of a file in the place of a run's own data: measured as those were, with what they had fitted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from netspec.data.dataset import Dataset
from netspec.data.fitting import Fitted
from netspec.data.ragged import apart
from netspec.data.rows import encoded_rows, read_rows
from netspec.data.table import Table
from netspec.diagnostics import Report
from netspec.spec.binding import bind_targets
from netspec.spec.document import Document
from netspec.train.opening import Opened, program_of

SPLIT: Final = "test"
"""What all rows of the file are."""


def open_rows(document: Document, fitted: Fitted, path: Path) -> Opened:
    """The rows of a file, of which every field is made that the network, its losses and its metrics read.

    Args:
        document: The spec of the run.
        fitted: What it had fitted.
        path: The file, as `read_rows` takes it.

    Raises:
        DataError: if the file cannot be read, a column is missing, or a value does not fit.
    """
    import numpy as np

    assert document.data is not None
    report = Report(dict(document.sources))
    inputs = [given.name for given in document.network.inputs]
    losses, metrics = bind_targets(document.losses, document.metrics, fitted.fields, inputs, True, report)
    report.raise_if_failed()
    bound = replace(document, losses=losses, metrics=metrics)
    read = [*inputs, *(name for b in (*losses, *metrics) for name in (b.target, b.sample_weight) if name is not None)]
    table = read_rows(path, None, document.data.source)
    columns = encoded_rows(table, document.data.linked_fields(), fitted, list(dict.fromkeys(read)))
    dense, ragged = apart(columns)
    types = {name: fitted.fields[name].type for name in columns}
    whole = Table(dense, types, {SPLIT: range(table.rows)}, table.places, table.fingerprint, ragged)
    dataset = Dataset(whole, {SPLIT: np.arange(table.rows, dtype=np.int64)}, fitted)
    return Opened(program_of(bound, dataset, report), dataset)
