"""What a format of output is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from netspec.cli.findings import Results


@dataclass(frozen=True)
class Format:
    """A way to write down what was found: text that ends with a line's end, or nothing at all."""

    write: Callable[[Results], str]
    suffixes: tuple[str, ...] = ()
    """How the names of files end that hold it."""
