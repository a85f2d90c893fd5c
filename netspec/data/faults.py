"""How faults of data are told: one code, a message that names file, row and column, and the way out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from netspec.diagnostics import DataError, Diagnostic, EnvironmentFault, suggestion


def data_error(code: str, message: str, *, notes: Iterable[str] = (), helps: Iterable[str] = ()) -> DataError:
    """A fault in the data or in what the spec says of them."""
    return DataError(Diagnostic(code, message, None, "error", tuple(notes), tuple(helps)))


def environment_fault(
    code: str, message: str, *, notes: Iterable[str] = (), helps: Iterable[str] = ()
) -> EnvironmentFault:
    """A fault of the machine: a download, a disk."""
    return EnvironmentFault(Diagnostic(code, message, None, "error", tuple(notes), tuple(helps)))


def unreadable(path: Path, error: OSError) -> DataError:
    """A file that is there and cannot be read."""
    return data_error("unreadable-file", f"{path} cannot be read: {error.strerror or error}")


def unknown_column(name: str, known: Iterable[str]) -> DataError:
    """A field asks for a column that the source does not have."""
    columns = list(known)
    near = suggestion(name, columns)
    shown = ", ".join(f"`{c}`" for c in columns[:20]) + (", ..." if len(columns) > 20 else "")
    return data_error(
        "unknown-column",
        f"the source has no column `{name}`",
        notes=[f"its columns are {shown}"] if columns else [],
        helps=[f"did you mean `{near}`?"] if near else [],
    )
