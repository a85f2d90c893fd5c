"""What a format of output is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from netspec.cli.findings import Results


class Format(NamedTuple):
    """A way to write down what was found: text that ends with a line's end, or nothing at all."""

    write: Callable[[Results], str]
    suffixes: tuple[str, ...] = ()
    """How the names of files end that hold it."""
