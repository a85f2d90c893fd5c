"""What a command found, in the one shape that every format of output takes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from netspec.diagnostics import LINE_BREAK, Diagnostic, Span

_DIGITS: Final = 16  # of a fingerprint: 64 bits, with which a million findings are told apart


NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Finding(NamedTuple):
    """A diagnostic, and what it is known by wherever its line has moved to.

    ``fingerprint`` is made of the code, the file and the text of the line; where several places have all of these
    alike, they are counted.
    """

    diagnostic: Diagnostic
    line: str = ""
    fingerprint: str = ""

    @property
    def is_error(self) -> bool:
        return self.diagnostic.severity == "error"


class Case(NamedTuple):
    """One thing that was held, a spec or an expectation, and what is wrong with it."""

    name: str
    findings: tuple[Finding, ...] = ()
    sources: Mapping[str, str] = NOTHING
    """The files that were read for it, by name."""
    remarks: tuple[str, ...] = ()
    """What is said of it without being a fault."""
    hidden: Mapping[str, int] = NOTHING
    """How many findings are not shown, by the reason."""
    seconds: float = 0.0
    data: Mapping[str, Any] = NOTHING
    """What the data hold, if they were opened."""

    @property
    def errors(self) -> int:
        return sum(found.is_error for found in self.findings)

    @property
    def warnings(self) -> int:
        return len(self.findings) - self.errors

    def without(self, reason: str, leaves: Callable[[Finding], bool]) -> Case:
        """The case without the findings that ``leaves`` is true of, which are counted under ``reason``."""
        kept = tuple(found for found in self.findings if not leaves(found))
        left = len(self.findings) - len(kept)
        return self._replace(findings=kept, hidden={**self.hidden, reason: left}) if left else self


class Results(NamedTuple):
    """All that a command found."""

    command: Literal["validate", "evaluate"]
    cases: tuple[Case, ...]
    root: Path
    """The folder that paths in files are relative to."""
    others: int = 0
    """YAML files in the folders that are no specs."""
    subject: str = ""
    """Of expectations: the run that they are about."""
    strict: bool = False
    """Whether warnings, and files that are no specs, are failures."""

    def fails(self, case: Case) -> bool:
        return bool(case.errors or (self.strict and case.warnings))

    @property
    def failed(self) -> int:
        """How many cases are wrong."""
        return sum(map(self.fails, self.cases))

    @property
    def passed(self) -> bool:
        return not self.failed and not (self.strict and self.others)

    def findings(self) -> list[Finding]:
        """All of them, those of a file that several specs include once."""
        return list(dict.fromkeys(found for case in self.cases for found in case.findings))

    def path(self, file: str) -> str:
        """A file from the root, with `/`; one outside of it from the top of the disk; what is no file as it is."""
        return path_from(self.root, file)


def repository() -> Path:
    """The top of the repository that this folder is in, which CI systems count paths from; else this folder."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)


def path_from(root: Path, file: str) -> str:
    """As `Results.path`."""
    if file.startswith(("<", "--")):  # standard input, an option
        return file
    whole = Path(os.path.abspath(file))  # noqa: PTH100 - `resolve` would follow links out of the repository
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else whole.as_posix()


def found_in(cases: Iterable[tuple[Case, Iterable[Diagnostic]]], root: Path) -> Iterator[Case]:
    """The cases with their diagnostics as findings."""
    places: dict[str, dict[tuple[Span | None, str], int]] = {}
    for case, diagnostics in cases:
        found = []
        for d in diagnostics:
            line = line_at(d.span, case.sources)
            hashed = _hash(d.code, path_from(root, d.span.file) if d.span else case.name, line.strip())
            alike = places.setdefault(hashed, {})
            number = alike.setdefault((d.span, d.message), len(alike) + 1)
            found.append(Finding(d, line, f"{hashed}:{number}"))
        yield case._replace(findings=tuple(found))


def line_at(span: Span | None, sources: Mapping[str, str]) -> str:
    """The text of the line where a span begins; empty if it is not known."""
    lines = LINE_BREAK.split(sources.get(span.file, "")) if span else []
    return lines[span.line - 1] if span and span.line <= len(lines) else ""


def _hash(*parts: str) -> str:
    import hashlib

    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:_DIGITS]
