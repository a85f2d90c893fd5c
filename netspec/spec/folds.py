"""A spec as one of several trainings, each with another part of the rows as its test split."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from netspec.data.splits import Split
from netspec.diagnostics import Span
from netspec.spec.document import Document
from netspec.spec.tree import Map, from_plain

_OPTION: Final = "--folds"


def with_folds(document: Document, folds: int, fold: int | None = None, stratify: str | None = None) -> Document:
    """The spec with ``data.split`` cut into parts, in the place of a ``test`` split that it asks for.

    Args:
        document: A spec with data.
        folds: How many parts.
        fold: Which of them is the test split, from 1; None leaves it open.
        stratify: The category whose ratio they keep, where the spec names none.
    """
    assert document.data is not None
    old = document.data.split
    said = {"folds": folds, "fold": fold, "stratify": old.stratify or stratify}
    split = old.model_copy(update={**said, "test": None})
    return replace(
        document,
        data=document.data.model_copy(update={"split": Split.model_validate(dict(split))}),
        tree=_written(document.tree, {key: value for key, value in said.items() if value is not None}),
    )


def _written(tree: Map, said: dict[str, int | str]) -> Map:
    """The tree with ``said`` under ``data.split``, as if the command line had written it."""
    span = Span(_OPTION, 1, 1, 1, 1)
    data = tree.get("data")
    assert isinstance(data, Map)
    split = data.get("split")
    split = split.without("test", "fold") if isinstance(split, Map) else Map({}, span)
    for key, value in said.items():
        split = split.with_value(key, from_plain(value, span))
    return tree.with_value("data", data.with_value("split", split))
