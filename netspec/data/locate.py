"""Finding the files of a public data set: the user's folder, the cache, the net."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from netspec.data.cache import data_cache
from netspec.data.faults import environment_fault, shown


@dataclass(frozen=True)
class Download:
    """A public data set: its files, with where they are found and what may be done with them.

    ``files`` are names with their SHA-256; ``urls`` end in a slash, and the next is tried when one fails; ``size`` is
    that of all files, in bytes. A set that no server offers in this form has no ``urls``, and ``made`` says of what its
    files are made.
    """

    source: str
    files: Mapping[str, str]
    urls: tuple[str, ...]
    size: int
    licence: str
    made: str = ""

    def folders(self) -> list[Path]:
        """Where the files are looked for: ``$NETSPEC_DATA/<source>``, then the cache folder."""
        roots = (os.environ.get("NETSPEC_DATA"), data_cache())
        return [Path(root).expanduser() / self.source for root in roots if root]

    def found(self) -> dict[str, Path] | None:
        """The files, packed (``.gz``) or unpacked, all from the first folder that has them; None if none has."""
        for folder in self.folders():
            found = {name: path for name in self.files if (path := _present(folder / name))}
            if len(found) == len(self.files):
                return found
        return None

    def locate(self, *, offline: bool = False) -> dict[str, Path]:
        """The files, downloaded into the cache and checked against their SHA-256 if they are not here.

        Args:
            offline: download nothing.

        Raises:
            EnvironmentFault: if a file is not here and cannot be fetched.
        """
        found = self.found()
        if found is not None:
            return found
        if offline or not self.urls or not can_download():
            raise self._absent(offline=offline)
        return self._download()

    def fetch(self) -> tuple[str, ...]:
        """Bring the files onto this machine; what lies in the cache and is damaged is fetched anew.

        Returns:
            The files of the user's own folder that are not, byte by byte, those that were published.

        Raises:
            EnvironmentFault: if they cannot be fetched.
        """
        found = self.locate()
        changed = tuple(name for name, path in found.items() if _digest(name, path) not in (self.files[name], None))
        is_cached = all(path.parent == self.folders()[-1] for path in found.values())
        if changed and is_cached and self.urls and can_download():
            self._download()
            return ()
        return changed

    def _download(self) -> dict[str, Path]:
        pooch = import_module("pooch")
        folder = self.folders()[-1]
        fault: Exception | None = None
        for url in self.urls:
            try:
                return {name: self._retrieve(pooch, url, folder, name) for name in self.files}
            except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong digest is a ValueError
                fault = error
        raise environment_fault(
            "download-failed",
            f"`{self.source}` could not be downloaded: {shown(_cause(fault), 300)}",
            notes=[f"from {', '.join(self.urls)}"],
            helps=[f"put {_listed(self.files)} into {folder}", self._own_folder()],
        )

    def _retrieve(self, pooch: Any, url: str, folder: Path, name: str) -> Path:
        known = f"sha256:{self.files[name]}"
        return Path(pooch.retrieve(url + name, known_hash=known, fname=name, path=folder, progressbar=False))

    def advice(self) -> list[str]:
        """How the files come to this machine by hand."""
        origin = f" (from {self.urls[0]})" if self.urls else f": they are made {self.made}" if self.made else ""
        helps = [f"put {_listed(self.files)} into {self.folders()[0]}{origin}"]
        if "NETSPEC_DATA" not in os.environ:
            helps.append(self._own_folder())
        return helps

    def _own_folder(self) -> str:
        return f"or set NETSPEC_DATA to a folder that holds them in `{self.source}/`"

    def _absent(self, *, offline: bool) -> Exception:
        looked, helps = self.folders(), self.advice()
        missing = [name for name in self.files if not _present(looked[0] / name)]
        if self.urls:
            fetch = "or leave out --offline" if offline else "or `pip install 'netspec[data]'`, which downloads them"
            helps.append(fetch)
        return environment_fault(
            "data-absent",
            f"the files of `{self.source}` are not on this machine",
            notes=[f"looked in {' and '.join(map(str, looked))}", f"missing in the first: {_listed(missing)}"],
            helps=helps,
        )


def can_download() -> bool:
    """Whether the package that downloads is installed: the extra ``[data]``."""
    return find_spec("pooch") is not None


def _cause(fault: Exception | None) -> str:
    """What went wrong, without the wrapping of those who passed it on: ``(Caused by X("...: the cause"))``."""
    text = str(fault)
    return re.sub(r"[\"']?\)\)$", "", text.rpartition("): ")[2]) if "Caused by " in text else text


def _present(path: Path) -> Path | None:
    candidates = (path, path.with_suffix("")) if path.suffix == ".gz" else (path,)
    return next((p for p in candidates if p.is_file()), None)


def _digest(name: str, path: Path) -> str | None:
    """The SHA-256 of a file; None of one that was unpacked, whose digest nobody published."""
    import hashlib

    if path.name != name:
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
