"""The gallery: small specs that come with netspec, to begin with.

In a wheel they are the package's `examples`, in a checkout the folder `specs`; there is one copy of them. A spec
belongs to the gallery if it is one file and its source's data come with netspec or with a package that netspec needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from netspec.diagnostics import ChoiceError, Diagnostic, suggestion
from netspec.spec.document import examine

SUFFIX: Final = ".yaml"


@dataclass(frozen=True)
class Entry:
    """A spec of the gallery; ``name`` is its path without the suffix, such as ``playground/spiral``."""

    name: str
    summary: str
    text: str
    trains: bool
    """Whether it says how to train; units with given weights are only evaluated."""

    @property
    def file_name(self) -> str:
        """What it is called in a folder of its own."""
        return self.name.rpartition("/")[2] + SUFFIX


def entries() -> list[Entry]:
    """All of the gallery: those that stand by themselves, then folder by folder."""
    found = (_entry(name, path) for name, path in _files())
    return [entry for entry in found if isinstance(entry, Entry)]


def entry_named(name: str) -> Entry:
    """The spec that ``name`` means: its whole name, or the last part where only one has it.

    Raises:
        ChoiceError: if there is none, with the nearest there is.
    """
    files = dict(_files())
    wanted = name.removesuffix(SUFFIX).replace("\\", "/")
    meant = [full for full in files if full == wanted] or [full for full in files if full.endswith(f"/{wanted}")]
    if len(meant) == 1:
        found = _entry(meant[0], files[meant[0]])
        if isinstance(found, Entry):
            return found
        message = f"`{meant[0]}` is not in the gallery: {found}"
        raise ChoiceError(Diagnostic("unknown-example", message, helps=("`netspec new` lists the gallery",)))
    if meant:
        several = " or ".join(f"`netspec new {full}`" for full in meant)
        message = f"{len(meant)} specs of the gallery are called `{name}`"
        raise ChoiceError(Diagnostic("unknown-example", message, helps=(several,)))
    near = suggestion(wanted, files) or _by_last_part(wanted, files)
    helps = (f"did you mean `netspec new {near}`?",) if near else ("`netspec new` lists the gallery",)
    raise ChoiceError(Diagnostic("unknown-example", f"the gallery has no `{name}`", helps=helps))


def _by_last_part(wanted: str, files: dict[str, Path]) -> str | None:
    last = {full.rpartition("/")[2]: full for full in files}
    near = suggestion(wanted, last)
    return last[near] if near else None


def _folder() -> Path:
    package = Path(__file__).parent
    installed = package / "examples"
    return installed if installed.is_dir() else package.parent / "specs"


def _files() -> Iterator[tuple[str, Path]]:
    folder = _folder()
    paths = {path.relative_to(folder): path for path in folder.rglob(f"*{SUFFIX}")}
    for relative in sorted(paths, key=lambda path: (len(path.parts), path.parts)):
        yield relative.with_suffix("").as_posix(), paths[relative]


def _entry(name: str, path: Path) -> Entry | str:
    """The spec in a file; or why it cannot be used wherever it is put."""
    document, report = examine(path)
    if document is None or report.failed:
        return "it has faults, which `netspec validate` tells"
    if document.data is None:
        return "it names no data"
    if not document.data.source.comes_along:
        return f"its data, `{document.data.source.kind}`, do not come with netspec"
    if len(document.sources) > 1:
        return "it includes other files"
    text = path.read_text(encoding="utf-8")
    return Entry(name, summary(text), text, trains=document.optimizer is not None)


def summary(text: str) -> str:
    """The first sentence of the comment that a spec begins with."""
    comment = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        comment.append(line.lstrip("# ").rstrip())
    sentence, *_ = re.split(r"(?<!\bal)\. ", " ".join(comment), maxsplit=1)
    return sentence.rstrip(".")
