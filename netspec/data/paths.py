"""Files that a spec names: one, several, by pattern, or by split."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from netspec.data.faults import data_error
from netspec.declared import Items

FilePaths: TypeAlias = str | Items[str] | dict[str, str | Items[str]]
"""A file, a glob, a list of these, or ``{train: a.csv, test: b.csv}``; beside the spec or in ``$NETSPEC_DATA``."""

SPLITS = ("train", "validation", "test")


def find_files(paths: str | tuple[str, ...] | Mapping[str, str | tuple[str, ...]], base: Path) -> dict[str, list[Path]]:
    """The files of each split, in order; all are ``train`` where the spec names no splits.

    Raises:
        DataError: if a file is missing, a pattern matches nothing, or a split has an unknown name.
    """
    if not isinstance(paths, Mapping):
        return {"train": _expand(paths, base)}
    for name in paths:
        if name not in SPLITS:
            raise data_error(
                "unknown-split", f"`{name}` is no split", helps=["splits are `train`, `validation` and `test`"]
            )
    if "train" not in paths:
        raise data_error("unknown-split", "the paths name no file for `train`")
    return {name: _expand(paths[name], base) for name in SPLITS if name in paths}


def _expand(paths: str | tuple[str, ...], base: Path) -> list[Path]:
    """Beside the spec, else in ``$NETSPEC_DATA``: a spec names a public file and not where each user has it."""
    found: list[Path] = []
    shared = os.environ.get("NETSPEC_DATA")
    for text in (paths,) if isinstance(paths, str) else paths:
        for folder in (base, *((Path(shared).expanduser(),) if shared else ())):
            matches = _matches(text, folder)
            found += matches
            if matches:
                break
        else:
            raise missing_file(text, base)
    return found


def _matches(text: str, folder: Path) -> list[Path]:
    path = folder / Path(text).expanduser()
    if path.is_file():
        return [path]
    return sorted(p for p in _glob(path) if p.is_file()) if _is_pattern(text) else []


def _is_pattern(text: str) -> bool:
    return any(c in text for c in "*?[")


def missing_file(text: str, base: Path) -> Exception:
    """The fault for a path in a spec that leads to no file."""
    path = base / Path(text).expanduser()
    if _is_pattern(text):
        return data_error("missing-file", f"no file matches `{text}`", helps=[_relative(base)])
    if path.is_dir():
        return data_error(
            "missing-file", f"`{text}` is a folder, not a file", helps=[f"a pattern takes its files: `{text}/*.csv`"]
        )
    return data_error(
        "missing-file", f"there is no file `{text}`", notes=[f"looked for {path}"], helps=[_relative(base)]
    )


def _glob(pattern: Path) -> list[Path]:
    root = Path(pattern.anchor)
    return list(root.glob(str(pattern.relative_to(root)))) if pattern.is_absolute() else list(Path().glob(str(pattern)))


def _relative(base: Path) -> str:
    shared = os.environ.get("NETSPEC_DATA")
    then = f"then to NETSPEC_DATA, here {shared}" if shared else "then to the folder that NETSPEC_DATA names"
    return f"paths are relative to the file they stand in, here {base}, {then}"
