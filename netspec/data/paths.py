"""Files that a spec names: one, several, by pattern, or by split."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from netspec.data.faults import data_error
from netspec.declared import Items

FilePaths: TypeAlias = str | Items[str] | dict[str, str | Items[str]]
"""A file, a glob, a list of these, or ``{train: a.csv, test: b.csv}``."""

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
    found: list[Path] = []
    for text in (paths,) if isinstance(paths, str) else paths:
        path = base / Path(text).expanduser()
        if path.is_file():
            found.append(path)
        elif any(c in text for c in "*?["):
            matches = sorted(p for p in _glob(path) if p.is_file())
            if not matches:
                raise data_error("missing-file", f"no file matches `{text}`", helps=[_relative(base)])
            found += matches
        else:
            raise missing_file(text, path, base)
    return found


def missing_file(text: str, path: Path, base: Path) -> Exception:
    """The fault for a path in a spec that leads to no file."""
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
    return f"paths are relative to the file they stand in, here {base}"
