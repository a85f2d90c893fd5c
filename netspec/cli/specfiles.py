"""Finding specs: in a folder, only files whose first key is `netspec` are specs."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click

from netspec.diagnostics import ChoiceError, suggestion

_SUFFIXES: Final = (".yaml", ".yml")
# Comments, blank lines, directives and the document's start may stand before the first key; so may a flow map's brace.
# Possessive, as backtracking over a long file of blank lines would take minutes.
_FIRST_KEY: Final = re.compile(
    r"\A\ufeff?(?:[ \t]*(?:#[^\n]*)?\r?\n|%[^\n]*\n|---[ \t]*(?:#[^\n]*)?\r?\n)*+"
    r"(?:---[ \t]+)?[ \t]*(?:\{\s*)?[\"']?netspec[\"']?[ \t]*:"
)
_HEAD_BYTES: Final = 16384  # a licence comment of some pages may stand above the first key


@dataclass
class Found:
    """Specs of a folder in the order of their names, and the YAML files there that are something else."""

    specs: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)


def find_specs(folder: Path) -> Found:
    """All specs below ``folder``; hidden folders, virtual environments and run folders are left out."""
    found = Found()
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        if here != folder and ("run.json" in files or "pyvenv.cfg" in files):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "node_modules")
        for name in sorted(files):
            if name.endswith(_SUFFIXES) and not name.startswith("."):
                path = here / name
                (found.specs if is_spec(path) else found.others).append(path)
    return found


def expand(paths: Sequence[str]) -> tuple[list[str], int]:
    """The specs that ``paths`` mean, each once, and how many other YAML files their folders hold; ``-`` stays."""
    specs: dict[str, None] = {}
    skipped = 0
    for path in paths:
        if path != "-" and Path(path).is_dir():
            found = find_specs(Path(path))
            specs.update(dict.fromkeys(map(str, found.specs)))
            skipped += len(found.others)
        else:
            specs[path if path == "-" else str(SpecPath().convert(path, None, None))] = None
    return list(specs), skipped


def is_spec(path: Path) -> bool:
    """Whether the first key of a file is `netspec`; what cannot be read is none."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    return _FIRST_KEY.match(head.decode(errors="replace")) is not None


class SpecPath(click.Path):
    """A spec on the command line, perhaps a folder of them; one that is not there gets the nearest that is."""

    name = "spec"

    def __init__(self, *, or_folder: bool = False) -> None:
        super().__init__(path_type=Path)
        self.or_folder = or_folder

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(value)
        if path.is_dir() and self.or_folder:
            return path
        if path.is_dir():
            self.fail(f"`{path}` is a folder.{listing(find_specs(path).specs)}", param, ctx)
        if not path.exists():
            self.fail(f"there is no file `{path}`{_nearest(path)}", param, ctx)
        return path


def others_skipped(others: int) -> str:
    """What is said of the YAML files of a folder that are no specs, for the end of a line."""
    from netspec.cli.table import counted

    return f"; {counted(others, 'other YAML file')} skipped (first key is not `netspec`)" if others else ""


def listing(specs: list[Path]) -> str:
    """Specs to choose from, a line each, for the end of a message."""
    if not specs:
        return " There is none in this folder; `netspec new` lists specs to begin with."
    shown = "".join(f"\n  {spec}" for spec in specs[:20])
    return f" There are:{shown}" + (f"\n  and {len(specs) - 20} more" if len(specs) > 20 else "")


def _nearest(path: Path) -> str:
    for with_suffix in (path.with_name(path.name + suffix) for suffix in _SUFFIXES):
        if with_suffix.is_file():
            return f"; did you mean `{with_suffix}`?"
    folder = path.parent if path.parent.is_dir() else Path()
    specs = {spec.as_posix(): spec for spec in find_specs(folder).specs}
    by_stem = {spec.stem: spec for spec in specs.values()}
    if path.stem in by_stem:
        return f"; did you mean `{by_stem[path.stem]}`?"
    if offered := _in_gallery(path.stem):
        return f"; `netspec new {offered}` writes one"
    near = suggestion(path.as_posix(), specs) or suggestion(path.stem, by_stem)
    return f"; did you mean `{specs.get(near) or by_stem[near]}`?" if near else ""


def _in_gallery(name: str) -> str:
    from netspec.gallery import entry_named

    try:
        return entry_named(name).name
    except ChoiceError:
        return ""
