"""The formats of what `validate` and `evaluate --check` find; one name here adds a format, a file of that name.

Each is loaded when it is asked for: what is checked on a terminal pays for none of the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from netspec.cli.formats.format import Format

FORMATS: Final = ("text", "json", "sarif", "github", "junit")


def load(name: str) -> Format:
    """The format of a name in `FORMATS`."""
    found = import_module(f"{__name__}.{name}").FORMAT
    assert isinstance(found, Format)
    return found


__all__ = ["FORMATS", "Format", "load"]
