"""The settings of a project: `netspec.toml`, or the table `tool.netspec` of a `pyproject.toml`, if one is there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

from netspec.diagnostics import LINE_BREAK, Report, Span, suggestion
from netspec.spec.ignoring import unknown_code

KEYS: Final[Mapping[str, str]] = {
    "ignore": "The codes of the warnings that are not told of any spec.",
    "per-file-ignores": 'The same by patterns of paths, from the folder of the settings: `"drafts/**" = ["no-seed"]`.',
}
"""What the table `lint` holds."""


@dataclass(frozen=True)
class Settings:
    """What a project says of its specs; ``folder`` is where that stands."""

    folder: Path = field(default_factory=Path)
    ignore: frozenset[str] = frozenset()
    per_file: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def ignored(self, file: str) -> frozenset[str]:
        """The codes of the warnings that are not told of a file."""
        try:
            path = Path(file).resolve().relative_to(self.folder.resolve()).as_posix()
        except (OSError, ValueError):
            return self.ignore
        return self.ignore.union(*(codes for glob, codes in self.per_file.items() if fnmatch(path, glob)))


def settings_of(spec: Path, report: Report) -> Settings:
    """The settings of the nearest folder above a spec that has some; faults in them go to ``report``."""
    try:
        folders = spec.resolve().parents
    except (OSError, ValueError):
        return Settings()
    for folder in folders:
        for name, table in (("netspec.toml", ()), ("pyproject.toml", ("tool", "netspec"))):
            text = _text(folder / name)
            if text is not None and (not table or "tool.netspec" in text):
                return _Reading(folder / name, text, report).settings(table)
    return Settings()


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


class _Reading:
    """One file of settings."""

    def __init__(self, path: Path, text: str, report: Report) -> None:
        self.path, self.text, self.report = path, text, report
        self.name = _near(path)

    def settings(self, table: tuple[str, ...]) -> Settings:
        import tomllib

        try:
            found: Any = tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as fault:
            line = re.search(r"at line (\d+), column (\d+)", str(fault))
            reason = str(fault).partition(" (at ")[0]
            self._fault(f"this is not TOML: {reason}", int(line[1]) if line else 1, int(line[2]) if line else 1)
            return Settings()
        for key in table:
            found = found.get(key, {})
        own = self._table(found, "", ("lint",))
        lint = self._table(own.get("lint", {}), "lint", tuple(KEYS))
        ignore = self._codes(lint.get("ignore", []), "ignore")
        globs = self._table(lint.get("per-file-ignores", {}), "per-file-ignores", None)
        per_file = {glob: self._codes(codes, glob) for glob, codes in globs.items()}
        return Settings(self.path.parent, ignore, per_file)

    def _table(self, found: Any, name: str, keys: tuple[str, ...] | None) -> Mapping[str, Any]:
        if not isinstance(found, dict):
            self._at(name, f"`{name}` is a table")
            return {}
        for key in found if keys is not None else ():
            if keys is not None and key not in keys:
                near = suggestion(key, keys)
                helps = [f"did you mean `{near}`?"] if near else [f"its keys are {', '.join(f'`{k}`' for k in keys)}"]
                self._at(key, f"{f'`{name}`' if name else 'a project'} has no setting `{key}`", helps)
        return found

    def _codes(self, found: Any, name: str) -> frozenset[str]:
        if not isinstance(found, list) or not all(isinstance(code, str) for code in found):
            self._at(name, f"`{name}` takes a list of codes")
            return frozenset()
        for code in found:
            fault = unknown_code(code)
            if fault is not None:
                self._at(code, *fault)
        return frozenset(found)

    def _at(self, word: str, message: str, helps: list[str] | None = None) -> None:
        """Tell a fault at the first place where ``word`` stands."""
        for number, line in enumerate(LINE_BREAK.split(self.text), 1):
            column = line.find(word)
            if column >= 0:
                self._fault(message, number, column + 1, len(word), helps)
                return
        self._fault(message, 1, 1, 1, helps)

    def _fault(self, message: str, line: int, column: int, width: int = 1, helps: list[str] | None = None) -> None:
        self.report.sources[self.name] = self.text
        span = Span(self.name, line, column, line, column + width)
        self.report.error("bad-config", message, span, helps=helps or ())


def _near(path: Path) -> str:
    """The path as it is seen from the working folder, if it lies below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
