"""The cache folder, private to its user: object code that others could write would be code that others could run."""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import sys
import tempfile
import warnings
from functools import lru_cache
from pathlib import Path

from netspec.diagnostics import Diagnostic, NetspecWarning


def cache_root() -> Path:
    """``$NETSPEC_CACHE_DIR``, else netspec's folder in the platform's cache directory."""
    chosen = os.environ.get("NETSPEC_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "netspec"


def private_folder(name: str) -> Path:
    """The folder `name` of the cache, with mode 0700; a temporary one, after one warning, where it cannot be ours."""
    return _private_folder(cache_root() / name)


@lru_cache
def _private_folder(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        reason = _fault(folder)
    except OSError as error:
        reason = error.strerror or str(error)
    if not reason:
        return folder
    temporary = Path(tempfile.mkdtemp(prefix="netspec-"))
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    message = f"the cache folder `{folder}` is of no use ({reason}): kernels are compiled again in each process"
    helps = ("name a folder of yours: NETSPEC_CACHE_DIR=FOLDER",)
    warnings.warn(NetspecWarning(Diagnostic("cache-unusable", message, severity="warning", helps=helps)), stacklevel=4)
    return temporary


def _fault(folder: Path) -> str:
    """Why `folder` cannot hold code that we run; empty if it can."""
    status = folder.stat()
    if sys.platform != "win32":
        if status.st_uid != os.getuid():
            return "it belongs to another user"
        if stat.S_IMODE(status.st_mode) != 0o700:
            folder.chmod(0o700)
    handle, name = tempfile.mkstemp(dir=folder)
    os.close(handle)
    Path(name).unlink()
    return ""
