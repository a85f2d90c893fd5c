"""Finding the files of a public data set: the user's folder, the cache, the net."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from netspec.data.cache import data_cache
from netspec.data.faults import environment_fault


def locate(source: str, files: Mapping[str, str], urls: tuple[str, ...], *, offline: bool) -> dict[str, Path]:
    """The files of a data set, all from the same folder.

    Looked for in ``$NETSPEC_DATA/<source>``, then in the cache, packed (``.gz``) or unpacked; else downloaded into the
    cache and checked against their SHA-256.

    Args:
        source: the name of the source.
        files: file names with their SHA-256.
        urls: where the files are found, each ending in a slash; the next is tried when one fails.
        offline: download nothing.

    Raises:
        EnvironmentFault: if a file is not here and cannot be fetched.
    """
    looked: list[Path] = []
    for root in (os.environ.get("NETSPEC_DATA"), data_cache()):
        if root:
            folder = Path(root).expanduser() / source
            found = {name: path for name in files if (path := _present(folder / name))}
            if len(found) == len(files):
                return found
            looked.append(folder)
    if offline or find_spec("pooch") is None:
        raise _absent(source, files, looked, urls, offline)
    return _download(looked[-1], source, files, urls)


def _present(path: Path) -> Path | None:
    candidates = (path, path.with_suffix("")) if path.suffix == ".gz" else (path,)
    return next((p for p in candidates if p.is_file()), None)


def _download(folder: Path, source: str, files: Mapping[str, str], urls: tuple[str, ...]) -> dict[str, Path]:
    pooch = import_module("pooch")
    pooch.get_logger().setLevel("WARNING")
    fault: Exception | None = None
    for url in urls:
        try:
            return {
                name: Path(
                    pooch.retrieve(
                        url + name, known_hash=f"sha256:{digest}", fname=name, path=folder, progressbar=False
                    )
                )
                for name, digest in files.items()
            }
        except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong digest is a ValueError
            fault = error
    raise environment_fault(
        "download-failed",
        f"`{source}` could not be downloaded: {fault}",
        helps=[f"put {_listed(files)} into {folder}", "or set NETSPEC_DATA to a folder that holds them in " + source],
    )


def _absent(
    source: str, files: Mapping[str, str], looked: list[Path], urls: tuple[str, ...], offline: bool
) -> Exception:
    missing = [name for name in files if not _present(looked[0] / name)]
    helps = [f"put {_listed(files)} into {looked[0]}" + (f" (from {urls[0]})" if urls else "")]
    if "NETSPEC_DATA" not in os.environ:
        helps.append(f"or set NETSPEC_DATA to a folder that holds them in `{source}/`")
    helps.append("or leave out --offline" if offline else "or `pip install 'netspec[data]'`, which downloads them")
    return environment_fault(
        "data-absent",
        f"the files of `{source}` are not on this machine",
        notes=[f"looked in {' and '.join(map(str, looked))}", f"missing in the first: {_listed(missing)}"],
        helps=helps,
    )


def _listed(names: Mapping[str, str] | list[str]) -> str:
    return ", ".join(names)
