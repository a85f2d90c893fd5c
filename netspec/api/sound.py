"""Specs that something is to be done with: nothing may be wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from netspec.spec.check import check
from netspec.spec.document import Document


def sound(spec: Path | str, overrides: Sequence[str] = ()) -> Document:
    """A spec in which nothing is wrong that can be seen without its data.

    Raises:
        SpecError: with every fault.
    """
    checked = check(spec, overrides)
    checked.report.raise_if_failed()
    assert checked.document is not None
    return checked.document
