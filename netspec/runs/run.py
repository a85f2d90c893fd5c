"""One run's folder: its files by name, its record, its lock."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from netspec.diagnostics import Diagnostic, EnvironmentFault
from netspec.runs import platform
from netspec.runs.files import (
    RESTORE,
    damaged,
    disk_faults,
    read_bytes,
    read_json,
    remove_leftovers,
    write_bytes,
    write_json,
)


@dataclass(frozen=True)
class Run:
    """A run folder; making this object touches no file."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def record(self) -> Path:
        """`run.json`: arguments, overrides, base folder of paths, seed, status, processor and versions, data."""
        return self.path / "run.json"

    @property
    def spec(self) -> Path:
        """The spec, resolved, with every default filled in."""
        return self.path / "spec.yaml"

    @property
    def source(self) -> Path:
        """The folder of the spec and its includes as they were written."""
        return self.path / "source"

    @property
    def state(self) -> Path:
        """The checkpoint."""
        return self.path / "state.safetensors"

    @property
    def best(self) -> Path:
        return self.path / "best.safetensors"

    @property
    def last(self) -> Path:
        return self.path / "last.safetensors"

    @property
    def fitted(self) -> tuple[Path, Path]:
        """Arrays and facts that were fitted to the training split."""
        return self.path / "fitted.safetensors", self.path / "fitted.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def write_record(self, **facts: Any) -> None:
        """Write `run.json` anew, with the time it began."""
        write_json(self.record, {"run": self.name, "started": now(), **facts})

    def read_record(self) -> dict[str, Any]:
        return read_json(self.record)

    def update(self, **facts: Any) -> None:
        """Change some facts of `run.json`, such as the status."""
        write_json(self.record, {**self.read_record(), **facts})

    def status(self) -> str:
        """What the record says; a training that no process holds any more was `killed`."""
        status = str(self.read_record().get("status", "unknown"))
        return "killed" if status == "training" and not self.locked() else status

    def write_spec(self, resolved: str) -> str:
        """Write the resolved spec; returns its hash, which the record keeps: what weights are is what the spec says."""
        write_bytes(self.spec, resolved.encode())
        return hashlib.sha256(resolved.encode()).hexdigest()

    def base(self) -> Path:
        """The folder that paths in the spec are relative to.

        Raises:
            DataError: if the record or the spec are not as they were written.
        """
        record = self.read_record()
        if not isinstance(base := record.get("base"), str):
            raise damaged(self.record, "it does not say `base`, the folder that paths are relative to", *RESTORE)
        if hashlib.sha256(read_bytes(self.spec)).hexdigest() != record.get("spec"):
            helps = (*RESTORE, f"`{self.source}` holds the spec as you wrote it")
            raise damaged(self.spec, f"it is not what the hash in `{self.record.name}` is of", *helps)
        return Path(base)

    def keep_source(self, files: Mapping[str, str]) -> None:
        """Copy the spec and its includes, each at its place below the folder that holds them all."""
        for place, text in _below_common_folder(files).items():
            target = self.source / place
            with disk_faults("write", target):
                target.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(target, text.encode())

    def write_summary(self, facts: Mapping[str, Any]) -> None:
        write_json(self.summary, facts)

    def read_summary(self) -> dict[str, Any]:
        return read_json(self.summary)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run while it trains; the system frees it however the process ends.

        Raises:
            EnvironmentFault: if another process trains it.
        """
        path = self.path / ".lock"
        with disk_faults("lock", path, "for a copy of the run"):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            with disk_faults("lock", path):
                is_ours = _take(descriptor)
            if not is_ours:
                raise EnvironmentFault(_busy(self.path, path))
            with disk_faults("lock", path):
                os.lseek(descriptor, 0, os.SEEK_SET)
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
            remove_leftovers(self.path)
            yield
        finally:
            os.close(descriptor)

    def locked(self) -> bool:
        """Whether a process trains this run now."""
        try:
            descriptor = os.open(self.path / ".lock", os.O_RDWR)
        except OSError:
            return False
        try:
            return not platform.try_lock(descriptor)
        finally:
            os.close(descriptor)


def _take(descriptor: int) -> bool:
    # `locked` holds the lock for a moment to learn whether it is free; that must not turn a training away.
    for _ in range(5):
        if platform.try_lock(descriptor):
            return True
        time.sleep(0.02)
    return False


def _below_common_folder(files: Mapping[str, str]) -> dict[Path, str]:
    """Texts by relative paths. What came from no file is `spec.yaml` (`<text>`) or left to the record (`--set`)."""
    found = {Path("spec.yaml"): text for name, text in files.items() if name.startswith("<")}
    written = {name: text for name, text in files.items() if not name.startswith(("<", "--"))}
    named = {Path(os.path.abspath(name)): text for name, text in written.items()}  # noqa: PTH100
    try:
        # `abspath` and not `resolve`: a link keeps the name that it is known by.
        common = Path(os.path.commonpath([path.parent for path in named])) if named else Path()
    except ValueError:  # two drives of Windows
        return found | {Path(path.drive.rstrip(":"), *path.parts[1:]): text for path, text in named.items()}
    return found | {path.relative_to(common): text for path, text in named.items()}


def _busy(folder: Path, lock: Path) -> Diagnostic:
    try:
        holder = lock.read_text().strip()
    except OSError:
        holder = ""
    who = f"process {holder}" if holder.isdigit() else "another process"
    return Diagnostic("run-busy", f"{who} is training `{folder}`", helps=("wait for it to end, or start a new run",))


def now() -> str:
    """The time as run files write it: UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
