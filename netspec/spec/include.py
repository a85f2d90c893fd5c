"""Files that include files: one tree in which later files win over earlier ones and the including file over all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextvars import ContextVar
from pathlib import Path
from typing import Final

from netspec.diagnostics import Report, Span
from netspec.spec.requires import check_requires
from netspec.spec.tree import Entry, List, Map, Node, Scalar, describe, is_broken, shorten
from netspec.spec.yaml import MAX_BYTES, read_bytes

MAX_FILES: Final = 100
LOSING: Final = frozenset(
    (
        "empty-spec",
        "include-cycle",
        "not-utf8",
        "outside-folder",
        "too-deep",
        "too-large",
        "unreadable-file",
        "wrong-type",
        "yaml-syntax",
    )
)
"""The codes of what keeps a file from being read or included: what stands in it is then not known."""
_ALLOWED: Final[ContextVar[tuple[str, ...]]] = ContextVar("_ALLOWED", default=())


def allow_folders(folders: Iterable[Path]) -> None:
    """Let specs include files of these folders too, beside those of their own; for this thread of work, or program."""
    _ALLOWED.set(tuple(os.path.realpath(folder) for folder in folders))


def read_file(path: Path, report: Report) -> Map | None:
    """The tree of the spec at ``path`` with everything it includes merged in."""
    name = str(path)
    data = _bytes(path, name, report, Span(name, 1, 1, 1, 1))
    root = None if data is None else read_bytes(data, name, report)
    return None if root is None else resolve_includes(root, name, report, (_identity(path),))


def resolve_includes(
    root: Node, file: str, report: Report, above: tuple[str, ...] = (), folder: str | None = None
) -> Map | None:
    """``root`` over the files that its ``include`` names.

    ``above`` are the files being read, to notice cycles; ``folder`` is what includes may not leave, if not that of
    ``file``.
    """
    if not isinstance(root, Map):
        helps = ["it begins with `netspec: 1`"]
        report.error("wrong-type", f"a spec is a map of keys, got {describe(root)}", root.span, helps=helps)
        return None
    check_requires(root, report)
    entry = root.entries.get("include")
    if entry is None:
        return root
    merged: Map | None = None
    own = folder or os.path.realpath(Path(file).parent)
    for name in _names(entry, report):
        part = _included(name, file, report, above, own)
        if part is not None:
            merged = part if merged is None else merge(merged, part)
    rest = root.without("include")
    return rest if merged is None else merge(merged, rest)


def _names(entry: Entry, report: Report) -> list[Scalar]:
    nodes = entry.value.items if isinstance(entry.value, List) else (entry.value,)
    names = []
    for node in nodes:
        if isinstance(node, Scalar) and isinstance(node.value, str):
            names.append(node)
        elif not is_broken(node):
            report.error("wrong-type", f"`include` takes files, got {describe(node)}", node.span)
    return names


def _included(name: Scalar, file: str, report: Report, above: tuple[str, ...], own: str) -> Map | None:
    path = Path(os.path.normpath(Path(file).parent / str(name.value)))
    identity = _identity(path)
    if identity in above:
        chain = " > ".join(Path(p).name for p in (*above[above.index(identity) :], identity))
        report.error("include-cycle", f"`{shorten(str(name.value))}` includes itself: {chain}", name.span)
        return None
    if not any(_lies_in(identity, folder) for folder in (own, *_ALLOWED.get())):
        target = Path(identity).parent  # where a link leads to
        there = target if _identity(path.parent) != str(target) else path.parent
        helps = [f"allow it where you trust the spec: `--allow-include {there}`"]
        message = f"`{shorten(str(name.value), 80)}` lies outside the folder of the spec"
        report.error("outside-folder", message, name.span, helps=helps)
        return None
    if len(report.sources) >= MAX_FILES:
        report.error("too-large", f"more than {MAX_FILES} files are included", name.span)
        return None
    data = _bytes(path, str(name.value), report, name.span)
    root = None if data is None else read_bytes(data, str(path), report)
    return None if root is None else resolve_includes(root, str(path), report, (*above, identity), own)


def _identity(path: Path) -> str:
    return os.path.realpath(path)


def _lies_in(path: str, folder: str) -> bool:
    return Path(path).is_relative_to(folder)


def _bytes(path: Path, name: str, report: Report, span: Span) -> bytes | None:
    try:
        if path.is_dir():
            report.error("unreadable-file", f"`{shorten(name, 80)}` is a folder", span)
            return None
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or str(fault)
        report.error("unreadable-file", f"cannot read `{shorten(name, 80)}`: {reason}", span)
        return None


def merge(below: Map, above: Map) -> Map:
    """``above`` over ``below``: maps merge key by key, lists and scalars are replaced."""
    entries = dict(below.entries)
    for key, entry in above.entries.items():
        known = entries.get(key)
        entries[key] = entry
        if known is not None and isinstance(known.value, Map) and isinstance(entry.value, Map):
            entries[key] = Entry(key, entry.key_span, merge(known.value, entry.value))
    return Map(entries, above.span)
