"""Docstrings of kinds: prose, and the sections in it that the site shows in their own way."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

SECTIONS = ("Example", "Errors", "Reference")
_HEAD = re.compile(rf"({'|'.join(SECTIONS)}):(?:[ \n]|$)")
_ERROR = re.compile(r"([a-z0-9-]+): ")


@dataclass(frozen=True)
class Docstring:
    """A docstring, taken apart; all texts are Markdown, ``example`` is YAML."""

    prose: str
    example: str = ""
    reference: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)


def read(kind: type) -> Docstring:
    """The docstring of ``kind`` itself, not of what it inherits from."""
    prose: list[str] = []
    found: dict[str, str] = {}
    for paragraph in re.split(r"\n\n(?! )", inspect.cleandoc(vars(kind).get("__doc__") or "")):
        head = _HEAD.match(paragraph)
        if head:
            found[head[1]] = inspect.cleandoc(paragraph[head.end() :])
        else:
            prose.append(paragraph)
    return Docstring(
        "\n\n".join(prose), found.get("Example", ""), found.get("Reference", ""), _errors(found.get("Errors", ""))
    )


def _errors(text: str) -> dict[str, str]:
    """``code: meaning``, one a line; a line that is indented goes on with the one above."""
    errors: dict[str, str] = {}
    for line in text.splitlines():
        head = _ERROR.match(line)
        if head:
            errors[head[1]] = line[head.end() :]
        else:
            last = next(reversed(errors))
            errors[last] += f" {line.strip()}"
    return errors
