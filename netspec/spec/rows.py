"""Whether there are the rows that a training asks for; known without the data where the source says how many it has."""

from __future__ import annotations

from collections.abc import Mapping

from netspec.diagnostics import DataError, Report
from netspec.spec.document import Document
from netspec.tensortype import Dim, bind


def check_known_rows(document: Document, report: Report) -> None:
    """`check_rows` before the data are open, as far as that can be told."""
    sizes = known_rows(document)
    if sizes is not None and document.optimizer is not None:
        check_rows(document, sizes, report)


def known_rows(document: Document) -> Mapping[str, int] | None:
    """How many rows each split has, where that is known before the data are open."""
    try:
        return document.data.sizes() if document.data else None
    except DataError:  # told of `split` already
        return None


def check_rows(document: Document, sizes: Mapping[str, int], report: Report) -> None:
    """Whether the rows fill a batch, and every split that is measured is there; what is not goes to ``report``.

    Args:
        document: The spec.
        sizes: How many rows each split has.
        report: Where faults go.
    """
    train, schedule = document.train, document.schedule
    # The default size gives way to fewer rows: nobody asked for it, and a resolved spec says it too.
    default = type(train).model_fields["batch"].default
    if isinstance(train.batch, int) and train.batch > sizes["train"] and train.batch != default:
        message = f"`train.batch` is {train.batch}, and the split `train` has {sizes['train']} rows"
        helps = [f"ask for at most {sizes['train']}", "or for all of them in one step: `batch: full`"]
        report.error("too-few-rows", message, document.at("train", "batch"), helps=helps)
    watching = {
        ("train", "select"): train.select,
        ("train", "early_stop"): train.early_stop,
        ("schedule",): schedule.watched if schedule else None,
    }
    for path, chosen in watching.items():
        if chosen is not None and chosen.split is not None and chosen.split not in sizes:
            message = f"`{'.'.join(path)}` measures the split `{chosen.split}`, and the data have none"
            helps = [f"set rows aside: `data: {{split: {{{chosen.split}: 0.2}}}}`"]
            report.error("unknown-split", message, document.at(*path), helps=helps)


def check_spreads(
    document: Document, spreads: Mapping[str, Dim], sizes: Mapping[str, int] | None, report: Report
) -> None:
    """Whether every variance over a batch is one of several numbers; where it is not, the report says at which layer.

    Args:
        document: The spec.
        spreads: Over how many numbers layers take variances, by their paths.
        sizes: How many rows each split has, if that is known.
        report: Where faults go.
    """
    if document.optimizer is None:
        return
    rows = None if sizes is None else sizes["train"]
    batch = rows if document.train.batch == "full" else document.train.batch
    batch = batch if rows is None or batch is None else min(batch, rows)
    if batch is None:
        return
    rest = 0 if rows is None else rows % batch
    for path, count in spreads.items():
        single = next((n for n in (batch, rest) if n and bind(count, {"B": n}) == 1), None)
        if single is None:
            continue
        of = "a batch" if single == batch else "the last batch of an epoch"
        message = f"`{path}` takes the variance over {of}, which has one row, and so of a single number"
        notes = [] if rows is None else [f"the split `train` has {rows:,} rows, and `train.batch` is {batch:,}"]
        fits = next((n for n in range(batch + 1, batch + 100) if rows is None or rows % n != 1), None)
        helps = [f"take more rows at once: `train: {{batch: {fits}}}`" if fits else "take more rows at once"]
        report.error("variance-of-one", message, document.network.node(path).span, notes=notes, helps=helps)
