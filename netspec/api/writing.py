"""Specs as people write them: the gallery, the canonical layout, what differs, what words mean."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from netspec.diagnostics import ChoiceError, DataError, Diagnostic, suggestion

if TYPE_CHECKING:
    from netspec.comparison import Comparison
    from netspec.explanation.lookup import Page
    from netspec.gallery import Entry
    from netspec.scaffold.templates import Template
    from netspec.spec.check import Checked

SCHEMA: Final = "netspec.schema.json"
EDITOR_LINE: Final = f"# yaml-language-server: $schema={SCHEMA}\n"
"""What new specs begin with: editors look for the schema beside the spec, so it works without a network."""


def gallery() -> list[Entry]:
    """The small specs that come with netspec."""
    from netspec.gallery import entries

    return entries()


def templates() -> list[Template]:
    """Specs to put data of one's own into."""
    from netspec.scaffold.templates import templates as found

    return found()


def new(name: str, out: Path | None = None) -> tuple[Path, Template | Entry]:
    """Write a template or a spec of the gallery; the file that was written, and what is in it.

    Args:
        name: As `templates` or `gallery` has it, such as ``table``, ``digits`` or ``playground/spiral``.
        out: A file, or a folder for it; by default this folder.

    Raises:
        ChoiceError: if there is no such spec, or the file is there already.
        EnvironmentFault: if it cannot be written.
    """
    found = _template_or_entry(name)
    path = Path(found.file_name) if out is None else out / found.file_name if out.is_dir() else out
    beside = {path.with_name(other): text for other, text in getattr(found, "files", {}).items()}
    _refuse_existing(path, *beside)
    for other, text in beside.items():
        _written(other, text)
    return _written(path, EDITOR_LINE + found.text), found


def _template_or_entry(name: str) -> Template | Entry:
    from netspec.gallery import entry_named

    known = {template.name: template for template in templates()}
    if name in known:
        return known[name]
    try:
        return entry_named(name)
    except ChoiceError:
        near = suggestion(name, known)
        if near is None:
            raise
        helps = (f"did you mean `netspec new {near}`?",)
        raise ChoiceError(Diagnostic("unknown-example", f"there is no template `{name}`", helps=helps)) from None


def new_from_data(data: Path, out: Path | None = None, *, target: str | None = None) -> Path:
    """Write a spec that is proposed for a CSV file: columns, loss, a network that fits, a split; with reasons.

    Args:
        data: The file.
        out: A file, or a folder for it; by default the file's name with `.yaml`, in this folder.
        target: The column to learn; by default the last one.

    Raises:
        DataError: if the file is no table of text.
        ChoiceError: if there is no such column, nothing can be learnt of it, or the file is there already.
        EnvironmentFault: if it cannot be written.
    """
    from netspec.scaffold.columns import read_sheet
    from netspec.scaffold.proposal import propose, spec_text

    name = f"{data.stem}.yaml"
    path = Path(name) if out is None else out / name if out.is_dir() else out
    _refuse_existing(path)
    return _written(path, EDITOR_LINE + spec_text(propose(read_sheet(data), target), path.parent))


def _refuse_existing(*paths: Path) -> None:
    for path in paths:
        if path.exists():
            raise _is_there(path)


def _is_there(path: Path) -> ChoiceError:
    message = f"`{path}` is there already and is not overwritten"
    return ChoiceError(Diagnostic("file-exists", message, helps=("name another file with `-o`",)))


def _written(path: Path, text: str) -> Path:
    """A new file; what is there is never overwritten."""
    from netspec.runs.files import disk_faults

    with disk_faults("write", path, "with -o"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except FileExistsError:
            raise _is_there(path) from None
    return path


def explain(word: str) -> list[Page]:
    """What a word means: the code of a diagnostic, or a kind that specs can name, which several families may have.

    Args:
        word: The code or kind; ``FAMILY.KIND`` names one of several.

    Raises:
        ChoiceError: if it is neither, with the nearest there is.
    """
    from netspec.explanation.lookup import pages

    return pages(word)


def diff(before: str | Path, after: str | Path) -> Comparison:
    """What differs between two specs, or a run and a spec: layers, shapes, parameters, data and training.

    Args:
        before: A spec's file, or a run: a folder, a name or ``@last``.
        after: Likewise.

    Raises:
        NetspecError: with every fault of a spec; or if there is no such spec or run.
    """
    from netspec.comparison import compare, side

    return compare(side(_checked(before)), side(_checked(after)))


def _checked(target: str | Path) -> Checked:
    """A spec, or that of a run as it was resolved, in which nothing is wrong but what it expects."""
    from netspec.runs.folder import find_run
    from netspec.spec.check import check

    path = Path(target)
    if path.is_file() or path.suffix in (".yaml", ".yml"):
        checked = check(path)
    else:
        run = find_run(str(target))
        checked = check(run.spec, base=run.base())
    if any(d.severity == "error" and d.code != "expectation-failed" for d in checked.report.diagnostics):
        checked.report.raise_if_failed()
    return checked


@dataclass(frozen=True)
class Formatted:
    """A spec as it stood and in its canonical layout; ``steps`` are those that made a later version of it."""

    name: str
    before: str
    after: str
    steps: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return self.before != self.after


def formatted(text: str, name: str = "<text>", *, upgrade: bool = False) -> Formatted:
    """The text of a spec in its canonical layout, which says the same and has all comments.

    Args:
        text: What stands in the file.
        name: What it is called in messages.
        upgrade: Bring it to the newest version of the language.

    Raises:
        SpecError: if it is no YAML, or cannot be laid out without a change of what it says.
    """
    from netspec.spec.layout.canonical import canonical
    from netspec.spec.upgrades import upgraded

    if not upgrade:
        return Formatted(name, text, canonical(text, name))
    after, steps = upgraded(text, name)
    return Formatted(name, text, after, tuple(step.summary for step in steps))


def format_file(path: Path, *, upgrade: bool = False, write: bool = True) -> Formatted:
    """Lay out a file, as `formatted`; it is written as a whole, and only if something changes.

    Raises:
        NetspecError: as `formatted`; and if the file cannot be read or written. It is then as it was.
    """
    from netspec.runs.files import disk_faults, write_bytes

    with disk_faults("read", path, by=""):
        data = path.read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        message = f"`{path}` is not UTF-8 text"
        raise DataError(Diagnostic("not-utf8", message, helps=("save the file as UTF-8",))) from None
    found = formatted(text, str(path), upgrade=upgrade)
    if write and found.changed:
        real = path.resolve()  # the file itself, where `path` is a link to it
        with disk_faults("write", real, by=""):
            mode = stat.S_IMODE(real.stat().st_mode)
            write_bytes(real, found.after.encode())
            real.chmod(mode)
    return found


def difference(found: Formatted) -> Sequence[str]:
    """What the layout changes, as lines of a patch."""
    from difflib import unified_diff

    before, after = found.before.splitlines(), found.after.splitlines()
    return list(unified_diff(before, after, found.name, f"{found.name} (formatted)", lineterm=""))
