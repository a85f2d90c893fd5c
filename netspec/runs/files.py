"""Files that are whole or absent: written aside, flushed, renamed; and the disk's faults in plain words."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from netspec.diagnostics import DataError, Diagnostic, EnvironmentFault
from netspec.runs import platform

VERSION: Final = 1
"""Of every JSON object netspec writes; keys may be added, never changed."""

CHANGED: Final = "its content was changed after it was written"
RESTORE: Final = ("restore the file from a copy, or train again",)

RUNS_BY: Final = "with NETSPEC_RUNS=FOLDER or --out FOLDER"

_FULL: Final = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_REFUSED: Final = {errno.EACCES, errno.EPERM, errno.EROFS}
_IN_THE_WAY: Final = {errno.EEXIST, errno.ENOTDIR}
_serial = itertools.count()


@contextmanager
def disk_faults(action: str, path: Path, by: str = RUNS_BY) -> Iterator[None]:
    """Turn what the operating system says of a file into a fault that a user can mend.

    Args:
        action: A verb such as "write".
        path: What it is done to.
        by: How the user names another folder.

    Raises:
        EnvironmentFault: instead of any OSError.
    """
    try:
        yield
    except OSError as error:
        raise disk_fault(error, action, path, by) from error


def disk_fault(error: OSError, action: str, path: Path, by: str = RUNS_BY) -> EnvironmentFault:
    """The fault that tells of ``error``, met when trying to ``action`` ``path``; as in `disk_faults`."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        code, help_ = "disk-full", f"free some space, or name a folder on another disk {by}"
    elif error.errno in _REFUSED:
        code, help_ = "no-permission", f"choose a folder you may write to {by}"
    elif error.errno in _IN_THE_WAY:
        code, help_ = "disk-fault", f"a file stands where a folder is to be: move it away, or name another folder {by}"
    else:
        code, help_ = "disk-fault", "check the disk and the folder"
    return EnvironmentFault(Diagnostic(code, f"cannot {action} `{path}`: {reason}", helps=(help_.rstrip(),)))


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write that stands at ``path`` when all is well; till then, and if not, what stood there stays.

    Raises:
        EnvironmentFault: if the disk is full, read-only or broken.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{next(_serial)}.tmp")
    with disk_faults("write", path):
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            platform.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        platform.sync_folder(path.parent)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file or nothing, as `whole_file`."""
    with whole_file(path) as file:
        file.write(data)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of a process that was killed while it wrote; call only with the folder's lock held."""
    for leftover in folder.glob(".*.tmp"):
        with suppress(OSError):
            leftover.unlink()


def write_text(path: Path, text: str) -> None:
    """`write_bytes` for UTF-8 text with line feeds on every system."""
    write_bytes(path, text.encode())


def write_json(path: Path, facts: Mapping[str, Any]) -> None:
    """Write one JSON object, a key a line where it is not nested deeply."""
    write_text(path, json.dumps(plain(facts), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def json_line(facts: Mapping[str, Any]) -> str:
    """One JSON object on one line, without the line's end."""
    return json.dumps(plain(facts), ensure_ascii=False, allow_nan=False)


def write_sealed(path: Path, facts: Mapping[str, Any]) -> None:
    """`write_json` with a hash of the content, for what nobody but netspec has reason to change."""
    stored = plain(facts)
    write_json(path, {**stored, "seal": seal(stored)})


def read_sealed(path: Path) -> dict[str, Any]:
    """Read what `write_sealed` wrote.

    Raises:
        DataError: if the file is absent, damaged or changed.
        EnvironmentFault: if it cannot be read.
    """
    facts = read_json(path)
    if facts.pop("seal", None) != seal(facts):
        raise damaged(path, CHANGED, *RESTORE)
    return facts


def seal(facts: Mapping[str, Any]) -> str:
    """SHA-256 of a JSON object, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """Read an object that `write_json` wrote.

    Raises:
        DataError: if the file is absent or damaged.
        EnvironmentFault: if it cannot be read.
    """
    try:
        with disk_faults("read", path):
            facts = json.loads(read_bytes(path))
    except ValueError as error:
        raise damaged(path, f"it is not JSON ({error})", *RESTORE) from error
    if not isinstance(facts, dict):
        raise damaged(path, "it holds no JSON object", *RESTORE)
    return facts


def read_bytes(path: Path) -> bytes:
    """All of a file.

    Raises:
        DataError: if there is none.
        EnvironmentFault: if it cannot be read.
    """
    with reading(path):
        return path.read_bytes()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """As `disk_faults`, but a file that is not there is a fault of what was given, not of the disk."""
    try:
        with disk_faults("read", path):
            yield
    except EnvironmentFault as fault:
        if isinstance(fault.__cause__, FileNotFoundError):
            raise DataError(Diagnostic("missing-file", f"there is no `{path}`", helps=RESTORE)) from fault
        raise


def damaged(path: Path, why: str, *helps: str) -> DataError:
    """The fault of a file whose content cannot be what netspec wrote."""
    return DataError(Diagnostic("damaged-file", f"`{path}` is damaged: {why}", helps=helps))


def plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """``facts`` as a JSON object: a version first, numbers of NumPy and paths as JSON knows them, no NaN.

    JSON has no NaN and no infinity, and readers choke on Python's spelling of them. Each becomes null, ``not_finite``
    says what stood where, and ``status`` says `not-finite` unless the object has a status of its own.
    """
    lost: dict[str, str] = {}
    result = {"version": VERSION, **_plain(facts, "", lost)}
    if lost:
        result.setdefault("status", "not-finite")
        result["not_finite"] = lost
    return result


def _plain(value: Any, path: str, lost: dict[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{path}.{key}".lstrip("."), lost) for key, item in value.items()}
    if hasattr(value, "tolist"):  # NumPy's scalars and arrays, without importing NumPy
        return _plain(value.tolist(), path, lost)
    if isinstance(value, float) and not math.isfinite(value):
        lost[path] = str(value)
        return None
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Iterable):
        return [_plain(item, f"{path}.{index}".lstrip("."), lost) for index, item in enumerate(value)]
    return str(value)
