"""Specs that something is to be done with: nothing may be wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from netspec.diagnostics import render
from netspec.spec.check import check
from netspec.spec.document import Document


def sound(spec: Path | str, overrides: Sequence[str] = (), warned: Callable[[str], None] | None = None) -> Document:
    """A spec in which nothing is wrong that can be seen without its data.

    Args:
        spec: A file, or the text of a spec.
        overrides: ``a.b=c``, put over what the spec says.
        warned: Is told what the spec is warned of, as diagnostics are printed, if there is anything.

    Raises:
        SpecError: with every fault.
    """
    checked = check(spec, overrides)
    checked.report.raise_if_failed()
    assert checked.document is not None
    if warned is not None:
        from netspec.spec.linting import diagnose

        found = diagnose(checked)
        checked.report.raise_if_failed()  # the settings of the project may be wrong
        if found:
            warned("\n".join(render(d, checked.report.sources) for d in found) + "\n")
    return checked.document
