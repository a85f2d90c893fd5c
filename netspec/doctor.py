"""What netspec finds on a machine: processor, threads, limits, folders, packages; and what stands in its way."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from netspec.diagnostics import Diagnostic, render

LITTLE_ROOM: Final = 500_000_000
"""Bytes free on a disk below which a training may come to its end."""

REINSTALL: Final = "pip install --force-reinstall llvmlite numba"


@dataclass
class Examined:
    """The facts of a machine, as ``doctor --json`` prints them, and what was found wrong."""

    facts: dict[str, Any] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)

    @property
    def works(self) -> bool:
        """Whether a network can be trained here."""
        return all(d.severity == "warning" for d in self.diagnostics)

    def error(self, code: str, message: str, *helps: str) -> None:
        self.diagnostics.append(Diagnostic(code, message, helps=helps))

    def warning(self, code: str, message: str, *helps: str) -> None:
        self.diagnostics.append(Diagnostic(code, message, severity="warning", helps=helps))

    def rendered(self) -> list[str]:
        """What was found wrong, each in the one shape of diagnostics."""
        return [render(d, {}) for d in self.diagnostics]

    def summary(self) -> dict[str, Any]:
        """All of it as one JSON object."""
        found = [
            {"severity": d.severity, "code": d.code, "message": d.message, "help": list(d.helps)}
            for d in self.diagnostics
        ]
        return {"version": 1, "works": self.works, **self.facts, "problems": found}


def examine(*, measure: bool = True) -> Examined:
    """Look at this machine as a training would.

    Args:
        measure: Compile two small kernels and time them; this takes a second.
    """
    found = Examined()
    _packages(found)
    _processor(found)
    if measure and found.works:
        _measure(found)
    _cache(found)
    _data(found)
    _runs(found)
    return found


def _packages(found: Examined) -> None:
    from netspec.runs.machine import machine_facts

    facts = machine_facts()
    required, extras = _requirements()
    found.facts |= {"system": facts["system"], "versions": {**facts["versions"], **_versions(required)}}
    found.facts["extras"] = {name: _versions(packages) for name, packages in extras.items()}
    for package in (name for name, version in _versions(required).items() if version is None):
        found.error("missing-package", f"netspec needs the package {package}", f"pip install {package}")


def _requirements() -> tuple[list[str], dict[str, list[str]]]:
    """The packages that netspec needs, and those of each extra for its users, as its own metadata say."""
    from importlib.metadata import PackageNotFoundError, requires

    required: list[str] = []
    extras: dict[str, list[str]] = {}
    try:
        lines = requires("netspec") or []
    except PackageNotFoundError:  # run from a folder without having been installed
        lines = []
    for line in lines:
        name = re.match(r"[\w.-]+", line)
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", line)
        if name and not extra:
            required.append(name[0])
        elif name and extra:
            extras.setdefault(extra[1], []).append(name[0])
    return required, extras


def _versions(packages: list[str]) -> dict[str, str | None]:
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str | None] = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def _processor(found: Examined) -> None:
    from netspec.compiler.kernels import processor
    from netspec.compiler.kernels.processor import processors
    from netspec.runs.platform import processor_name

    facts: dict[str, Any] = {"name": processor_name(), "count": os.cpu_count(), "usable": processors()}
    found.facts["processor"] = facts
    try:
        current = processor.current()
        facts |= {"features": list(processor.vector_features())}
    except (ImportError, OSError) as error:
        found.error("broken-compiler", f"llvmlite does not work: {error}", REINSTALL)
        return
    except ValueError as error:
        found.error("broken-compiler", str(error), "unset NETSPEC_CPU")
        return
    facts |= {
        "kind": current.architecture,
        "level": current.level,
        "overridden": current.overridden,
        "tile": [current.tile.rows, 16 * current.tile.vectors],
        "arithmetic": current.arithmetic,
    }
    if current.architecture != processor.architecture():
        message = f"NETSPEC_CPU asks for `{current.level}` kernels, which this processor cannot run"
        found.error("broken-compiler", message, "unset NETSPEC_CPU")
    elif current.overridden:
        message = f"NETSPEC_CPU asks for `{current.level}` kernels, whatever this processor has"
        found.warning("slow-processor", message, "unset NETSPEC_CPU")
    elif current.level == "sse":
        found.warning("slow-processor", "this processor has no AVX2: kernels take several times as long as they could")


def _cache(found: Examined) -> None:
    from netspec.compiler.codegen.folder import cache_root, private_folder

    wanted = cache_root() / "kernels"
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        used = private_folder("kernels")
    kernels = [path.stat().st_size for path in _files(wanted, "*.o")]
    facts = {
        "folder": str(wanted),
        "from": "NETSPEC_CACHE_DIR" if os.environ.get("NETSPEC_CACHE_DIR") else "the platform",
        "writable": used == wanted,
        "kernels": len(kernels),
        "bytes": sum(kernels),
        "free": _free(wanted),
    }
    found.facts["cache"] = facts
    if used != wanted:
        reason = str(told[0].message) if told else f"the cache folder {wanted} cannot be used"
        found.warning("unusable-folder", reason)
    else:
        _check_room(found, wanted, "NETSPEC_CACHE_DIR")


def _data(found: Examined) -> None:
    from netspec.data.cache import data_cache

    cache, named = data_cache(), os.environ.get("NETSPEC_DATA")
    folders = [("NETSPEC_DATA", Path(named).expanduser())] if named else []
    folders.append(("the cache", cache))
    found.facts["data"] = [
        {
            "folder": str(folder),
            "from": origin,
            "exists": folder.is_dir(),
            "holds": sorted(path.name for path in _files(folder, "*") if not path.name.startswith(".")),
        }
        for origin, folder in folders
    ]
    if named and not folders[0][1].is_dir():
        message = f"NETSPEC_DATA is {named}, which is no folder"
        found.error("unusable-folder", message, "name the folder of your data, or unset it")


def _runs(found: Examined) -> None:
    from netspec.runs.folder import all_runs, runs_root

    root = runs_root()
    # Only a training makes the folder: what counts is whether it could.
    parent = next((folder for folder in (root, *root.absolute().parents) if folder.exists()), root)
    writable = _is_writable(parent)
    found.facts["runs"] = {
        "folder": str(root),
        "from": "NETSPEC_RUNS" if os.environ.get("NETSPEC_RUNS") else "this folder",
        "writable": writable,
        "runs": len(all_runs()),
        "free": _free(parent),
    }
    if not writable:
        help_ = "set NETSPEC_RUNS to a folder of yours, or train with `--out`"
        found.error("unusable-folder", f"no run can be written to {root}", help_)
    else:
        _check_room(found, parent, "NETSPEC_RUNS")


def _measure(found: Examined) -> None:
    from netspec.compiler.codegen.objects import load
    from netspec.compiler.kernels.limits import measured_fma_limit, measured_memory_limit
    from netspec.compiler.kernels.processor import processors

    threads = sorted({1, processors()})
    limits: Mapping[str, Callable[..., float]] = {"flops": measured_fma_limit, "memory": measured_memory_limit}
    try:
        found.facts["measured"] = {
            name: {str(count): limit(load, count) for count in threads} for name, limit in limits.items()
        }
    except Exception as error:  # whatever a compiler dies of, it is this machine's fault
        message = f"kernels cannot be compiled here: {type(error).__name__}: {error}"
        found.error("broken-compiler", message, REINSTALL)


def _files(folder: Path, pattern: str) -> list[Path]:
    try:
        return list(folder.glob(pattern))
    except OSError:
        return []


def _is_writable(folder: Path) -> bool:
    """Whether a file can be made in a folder; what its mode says is not the whole truth of it."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _free(folder: Path) -> int | None:
    there = next((place for place in (folder, *folder.absolute().parents) if place.exists()), None)
    try:
        return None if there is None else shutil.disk_usage(there).free
    except OSError:
        return None


def _check_room(found: Examined, folder: Path, variable: str) -> None:
    free = _free(folder)
    if free is not None and free < LITTLE_ROOM:
        message = f"only {free / 1e6:.0f} MB are free on the disk of {folder}"
        found.warning("little-room", message, f"free some space, or set {variable} to a folder on another disk")
