"""Where runs lie: making the next folder of a name, and finding the run that a user means."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from netspec.diagnostics import ChoiceError, Diagnostic, EnvironmentFault, NetspecError, suggestion
from netspec.runs import platform
from netspec.runs.files import disk_faults, write_text
from netspec.runs.run import Run

LAST: Final = "@last"
_NEWEST: Final = ".newest"
_NUMBERED: Final = re.compile(r"(?P<name>.+)-(?P<number>\d{4,})")


class RunChoiceError(ChoiceError):
    """A run was named that does not exist, or a folder that cannot become one."""


def runs_root() -> Path:
    """The folder of runs: ``$NETSPEC_RUNS``, else `runs` in the working folder."""
    return Path(os.environ.get("NETSPEC_RUNS") or "runs")


def create_run(name: str, out: Path | None = None) -> Run:
    """Make a new run folder, `NAME-0001` or the next free number, or ``out`` itself.

    The number is taken by `mkdir`, which only one of several processes can win.

    Raises:
        RunChoiceError: if ``out`` holds files already.
        EnvironmentFault: if no folder can be made.
    """
    if out is not None:
        return _create_at(out)
    root = runs_root()
    with disk_faults("make", root):
        root.mkdir(parents=True, exist_ok=True)
        number = max(_numbers(root, name), default=0)
    while True:
        number += 1
        path = root / f"{name}-{number:04d}"
        with disk_faults("make", path):
            try:
                path.mkdir()
            except FileExistsError:
                continue
            platform.sync_folder(root)
        with suppress(EnvironmentFault):  # in a folder of several users it may be another's; then times have to tell
            write_text(root / _NEWEST, path.name + "\n")
        return Run(path)


def _create_at(out: Path) -> Run:
    with disk_faults("make", out):
        try:
            out.mkdir(parents=True, exist_ok=True)
            is_new = not any(out.iterdir())
        except (FileExistsError, NotADirectoryError):
            is_new = False
    if not is_new:
        what = "is not empty" if out.is_dir() else "is no folder"
        message = f"`{out}` {what}; a run needs a folder of its own"
        helps = ["name a folder that does not exist yet"]
        if _is_run(out):
            helps.append(f"`netspec train --resume {out}` goes on with the run in it")
        raise RunChoiceError(Diagnostic("folder-not-empty", message, helps=tuple(helps)))
    return Run(out)


def find_run(text: str) -> Run:
    """The run that ``text`` stands for: `@last`, a folder, a run's name (`digits-0003`), or NAME for its newest.

    Raises:
        RunChoiceError: if there is none, with the nearest name there is.
    """
    root = runs_root()
    if text == LAST:
        newest = _newest()
        if newest is None:
            raise _unknown(f"there is no run in `{root}` yet")
        return newest
    path = Path(text)
    for candidate in (path, root / text):
        if _is_run(candidate):
            return Run(candidate)
    # A name alone, never a path: `find_run("specs/digits.yaml")` must not look for runs under `runs/specs`.
    numbers = _numbers(root, text) if path.name == text and root.is_dir() else []
    for number in sorted(numbers, reverse=True):
        if _is_run(found := root / f"{text}-{number:04d}"):
            return Run(found)
    if path.is_dir():
        raise _unknown(f"`{text}` is no run: it has no `run.json`")
    raise _unknown(f"there is no run `{text}` in `{root}`", text)


def all_runs() -> list[Run]:
    """Every run in the folder of runs, by name and number."""
    root = runs_root()
    if not root.is_dir():
        return []
    with disk_faults("read", root):
        return [Run(path) for path in sorted(root.iterdir(), key=_order) if _is_run(path)]


def _unknown(message: str, text: str = "") -> RunChoiceError:
    names = [run.name for run in all_runs()]
    stems = [match["name"] for name in names if (match := _NUMBERED.fullmatch(name))]
    near = suggestion(text, [*names, *stems, LAST]) if text else None
    if near:
        helps = [f"did you mean `{near}`?"]
    elif newest := _newest():
        helps = [f"the newest is `{newest.name}`, or `{LAST}`"]
    else:
        helps = ["`netspec train SPEC` makes one; NETSPEC_RUNS says where runs lie"]
    return RunChoiceError(Diagnostic("unknown-run", message, helps=tuple(helps)))


def _newest() -> Run | None:
    """The run that was made last, as a file says: clocks jump. Without that file, or its run, by when they began."""
    root = runs_root()
    try:
        named = root / (root / _NEWEST).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        named = root
    if named.parent == root and _is_run(named):
        return Run(named)
    return max(all_runs(), key=_started, default=None)


def _is_run(path: Path) -> bool:
    return (path / "run.json").is_file()


def _numbers(root: Path, name: str) -> Iterator[int]:
    for entry in os.scandir(root):
        match = _NUMBERED.fullmatch(entry.name)
        if match and match["name"] == name:
            yield int(match["number"])


def _order(path: Path) -> tuple[str, int]:
    match = _NUMBERED.fullmatch(path.name)
    return (match["name"], int(match["number"])) if match else (path.name, 0)


def _started(run: Run) -> tuple[str, tuple[str, int]]:
    try:
        started = str(run.read_record().get("started", ""))
    except NetspecError:
        started = ""  # a damaged record must not hide the other runs
    return started, _order(run.path)
