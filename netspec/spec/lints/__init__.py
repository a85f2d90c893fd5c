"""Lints: what a spec is warned of though nothing in it is wrong. One file each, named here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Final

from netspec.diagnostics import CODES, Diagnostic
from netspec.spec.lints.lint import Finding, Lint, Subject

__all__ = ["LINTS", "Finding", "Lint", "Subject", "codes", "findings"]

_FILES: Final = (
    "beyond_training",
    "bias_before_norm",
    "dropout_of_output",
    "few_rows",
    "last_batch_of_one",
    "missing_activation",
    "more_memory",
    "no_seed",
    "saturating_stack",
    "untrained_layer",
    "unused_definition",
    "unused_variable",
    "unusual_rate",
    "unwatched_stop",
)
LINTS: Final[tuple[Lint, ...]] = tuple(import_module(f"{__name__}.{file}").LINT for file in _FILES)
"""All of them."""


def codes() -> Mapping[str, str]:
    """Every code of a diagnostic with its meaning; each lint has declared its own by now."""
    return CODES


def findings(subject: Subject) -> Iterator[Diagnostic]:
    """What all lints find in a spec without faults."""
    for lint in LINTS:
        for f in lint.findings(subject):
            yield Diagnostic(lint.code, f.message, f.span, "warning", tuple(f.notes), tuple(f.helps))
