"""Whether the data of a run are those that it began with: resumed on others, it would be a training of neither."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from netspec.data.dataset import AnyDataset
from netspec.diagnostics import DataError, Diagnostic
from netspec.runs.run import Run


def data_facts(dataset: AnyDataset) -> dict[str, Any]:
    """What `run.json` keeps of the data: the fingerprint that decides, and what lets a change be named."""
    return {
        "fingerprint": dataset.fingerprint,
        "splits": {name: len(rows) for name, rows in dataset.splits.items()},
        "fields": dataset.fingerprints(),
    }


def check_same(run: Run, record: Mapping[str, Any], dataset: AnyDataset) -> None:
    """Whether a run's data are still the same.

    Raises:
        DataError: if they are not; it says what differs, and how to use what was learnt all the same.
    """
    if record.get("fingerprint") == dataset.fingerprint:
        return
    message = f"the data of `{run.path}` are not those that it began with, which `{run.record.name}` tells of"
    helps = ["bring the old data back, and the run goes on to the same bits"]
    if run.last.exists():
        helps.append(f"`netspec train SPEC --weights {run.last}` begins a run on the new ones with what it learnt")
    notes = tuple(_differences(record, data_facts(dataset))) or ("what differs is read by no field",)
    raise DataError(Diagnostic("changed-data", message, notes=notes, helps=tuple(helps)))


def _differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for split, rows in _map(was, "splits").items():
        if rows != (found := now["splits"].get(split, 0)):
            yield f"`{split}` had {rows} rows, and has {found}"
    for name, found in now["fields"].items():
        if _map(was, "fields").get(name) != found:
            yield f"the field `{name}` differs"


def _map(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = record.get(key)
    return found if isinstance(found, Mapping) else {}
