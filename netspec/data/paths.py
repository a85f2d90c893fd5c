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
    texts = texts_by_split(paths)
    return {name: [path for text in own for path in find_file(text, base)] for name, own in texts.items()}


def texts_by_split(paths: str | tuple[str, ...] | Mapping[str, str | tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The paths of each split as the spec has them.

    Raises:
        DataError: if a split has an unknown name, or there is none to train on.
    """
    if not isinstance(paths, Mapping):
        return {"train": (paths,) if isinstance(paths, str) else paths}
    for name in paths:
        if name not in SPLITS:
            raise data_error(
                "unknown-split", f"`{name}` is no split", helps=["splits are `train`, `validation` and `test`"]
            )
    if "train" not in paths:
        raise data_error("unknown-split", "the paths name no file for `train`")
    own = ((name, paths[name]) for name in SPLITS if name in paths)
    return {name: (given,) if isinstance(given, str) else given for name, given in own}


def find_file(text: str, base: Path, *, folders: bool = False) -> list[Path]:
    """What a path or pattern leads to, ``folders`` too if they are asked for.

    It is looked for beside the spec, else in ``$NETSPEC_DATA``: a spec names a public file and not where each user has
    it.

    Raises:
        DataError: if that is nothing.
    """
    shared = os.environ.get("NETSPEC_DATA")
    for folder in (base, *((Path(shared).expanduser(),) if shared else ())):
        matches = _matches(text, folder, folders)
        if matches:
            return matches
    raise missing_file(text, base, folders=folders)


def _matches(text: str, folder: Path, folders: bool) -> list[Path]:
    path = folder / Path(text).expanduser()
    if path.is_file() or (folders and path.is_dir()):
        return [path]
    return sorted(p for p in _glob(path) if folders or p.is_file()) if _is_pattern(text) else []


def _is_pattern(text: str) -> bool:
    return any(c in text for c in "*?[")


def missing_file(text: str, base: Path, *, folders: bool = False) -> Exception:
    """The fault for a path in a spec that leads to no file, nor to a folder where ``folders`` will do."""
    path = base / Path(text).expanduser()
    if _is_pattern(text):
        return data_error("missing-file", f"no file matches `{text}`", helps=[_relative(base)])
    if path.is_dir():
        return data_error(
            "missing-file", f"`{text}` is a folder, not a file", helps=[f"a pattern takes its files: `{text}/*.csv`"]
        )
    what = "file or folder" if folders else "file"
    return data_error(
        "missing-file", f"there is no {what} `{text}`", notes=[f"looked for {path}"], helps=[_relative(base)]
    )


def _glob(pattern: Path) -> list[Path]:
    root = Path(pattern.anchor)
    return list(root.glob(str(pattern.relative_to(root)))) if pattern.is_absolute() else list(Path().glob(str(pattern)))


def _relative(base: Path) -> str:
    shared = os.environ.get("NETSPEC_DATA")
    then = f"then to NETSPEC_DATA, here {shared}" if shared else "then to the folder that NETSPEC_DATA names"
    return f"paths are relative to the file they stand in, here {base}, {then}"
