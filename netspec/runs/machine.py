"""On what a run was made: the facts of `run.json` without which its numbers cannot be compared."""

from __future__ import annotations

import os
from typing import Any, Final

from netspec import __version__
from netspec.runs.platform import processor_name

_PACKAGES: Final = ("numpy", "numba", "llvmlite", "scikit-learn")


def machine_facts() -> dict[str, Any]:
    """Processor, system and versions; packages are asked for their version without being imported."""
    import platform

    return {
        "processor": {"name": processor_name(), "kind": platform.machine(), "count": os.cpu_count()},
        "system": platform.platform(),
        "versions": {"netspec": __version__, "python": platform.python_version(), **_versions()},
    }


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
