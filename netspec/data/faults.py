"""How faults of data are told: one code, a message that names file, row and column, and the way out."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from netspec.diagnostics import DataError, Diagnostic, EnvironmentFault, Span, suggestion


def data_error(code: str, message: str, *, notes: Iterable[str] = (), helps: Iterable[str] = ()) -> DataError:
    """A fault in the data or in what the spec says of them."""
    return DataError(Diagnostic(code, message, None, "error", tuple(notes), tuple(helps)))


def environment_fault(
    code: str, message: str, *, notes: Iterable[str] = (), helps: Iterable[str] = ()
) -> EnvironmentFault:
    """A fault of the machine: a download, a disk."""
    return EnvironmentFault(Diagnostic(code, message, None, "error", tuple(notes), tuple(helps)))


@contextmanager
def told_at(
    span: Span | None, origin: str = "", advice: Callable[[str], Iterable[str]] = lambda code: ()
) -> Iterator[None]:
    """Tell faults where they stand in the spec.

    Args:
        span: the place of what is being done.
        origin: the files that the data come from, for faults of a column that no row is to blame for.
        advice: more ways out, by the code of a fault.
    """
    try:
        yield
    except (DataError, EnvironmentFault) as error:
        error.diagnostics = tuple(_told_at(d, span, origin, advice(d.code)) for d in error.diagnostics)
        raise


def _told_at(d: Diagnostic, span: Span | None, origin: str, helps: Iterable[str]) -> Diagnostic:
    notes = [f"the data are those of {origin}"] if origin and d.code in ("unknown-column", "constant-column") else []
    return replace(d, span=d.span or span, notes=(*d.notes, *notes), helps=(*d.helps, *helps))


def unreadable(path: Path, error: OSError) -> DataError:
    """A file that is there and cannot be read."""
    return data_error("unreadable-file", f"{path} cannot be read: {error.strerror or error}")


def shown(cell: str, limit: int = 60) -> str:
    """A cell on one line of a message: what cannot be printed escaped, what is long cut."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cell[: limit + 1])
    return text if len(text) <= limit else text[: limit - 3] + "..."


def unwritable(folder: Path, error: OSError) -> EnvironmentFault:
    """A cache folder that takes no more, or nothing."""
    reason = error.strerror or str(error)
    if error.errno in {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}:
        code, way = "disk-full", "free some space, or name a folder on another disk"
    elif error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        code, way = "no-permission", "name a folder that may be written to"
    else:
        code, way = "disk-fault", "check the disk, or name another folder"
    message = f"the cache folder `{folder}` cannot be written: {reason}"
    return environment_fault(code, message, helps=[f"{way}: NETSPEC_CACHE_DIR=FOLDER"])


def unknown_column(name: str, known: Iterable[str]) -> DataError:
    """A field asks for a column that the source does not have."""
    columns = list(known)
    near = suggestion(name, columns)
    listed = ", ".join(f"`{shown(c)}`" for c in columns[:20]) + (", ..." if len(columns) > 20 else "")
    return data_error(
        "unknown-column",
        f"the source has no column `{name}`",
        notes=[f"its columns are {listed}"] if columns else [],
        helps=[f"did you mean `{near}`?"] if near else [],
    )


def refuse_unknown_fields(wanted: Iterable[str], known: Collection[str]) -> None:
    """Raise if the data lack a field that is asked for."""
    for name in wanted:
        if name not in known:
            near = suggestion(name, known)
            notes = [f"they have {', '.join(f'`{n}`' for n in known)}"]
            helps = [f"did you mean `{near}`?"] if near else []
            raise data_error("unknown-field", f"the data have no field `{name}`", notes=notes, helps=helps)
