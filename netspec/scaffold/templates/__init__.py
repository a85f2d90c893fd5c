"""Specs for a kind of data each, to put data of one's own into; they train as they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from netspec.gallery import summary

_NAMES = {"table": (), "image": (), "text": ("text.csv",), "sequence": ()}
"""Each with the files that its spec reads."""


@dataclass(frozen=True)
class Template:
    """A spec to change; ``files`` are written beside it."""

    name: str
    summary: str
    text: str
    files: Mapping[str, str] = field(default_factory=dict)
    trains: bool = True

    @property
    def file_name(self) -> str:
        """What it is called in a folder of its own."""
        return f"{self.name}.yaml"


def templates() -> list[Template]:
    """All of them."""
    return [_template(name, files) for name, files in _NAMES.items()]


def _template(name: str, files: tuple[str, ...]) -> Template:
    folder = Path(__file__).parent
    text = (folder / f"{name}.yaml").read_text(encoding="utf-8")
    return Template(name, summary(text), text, {file: (folder / file).read_text(encoding="utf-8") for file in files})
