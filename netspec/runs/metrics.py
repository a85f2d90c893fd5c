"""`metrics.jsonl`: a line an epoch and split; a line that a crash tore is never read and never continued."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypedDict

from netspec.runs.files import disk_faults, json_line, read_bytes, write_bytes, write_text


class Mark(TypedDict):
    """How much of the metrics a checkpoint has seen, and its hash."""

    bytes: int
    sha256: str


class MetricsLog:
    """Appends to a run's metrics; open it once for a training and close it at its end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with disk_faults("write", path):
            self._file = path.open("ab", buffering=0)
            content = path.read_bytes()
            end = _whole(content)
            if end < len(content):
                self._file.truncate(end)
        self._bytes, self._hash = end, hashlib.sha256(content[:end])

    def append(self, line: Mapping[str, Any]) -> None:
        """Add one line with a single write, so that readers never see half of two."""
        data = json_line(line).encode() + b"\n"
        self._bytes += len(data)
        self._hash.update(data)
        with disk_faults("write", self.path):
            while data:  # a nearly full disk takes a part, and refuses only the next write
                data = data[self._file.write(data) :]

    def sync(self) -> Mark:
        """Flush to the disk; done before a checkpoint, which keeps the mark, so that none is ahead of its metrics."""
        with disk_faults("write", self.path):
            os.fsync(self._file.fileno())
        return {"bytes": self._bytes, "sha256": self._hash.hexdigest()}

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> MetricsLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All whole lines; none if the file does not exist yet."""
    return [json.loads(line) for line in _lines(path)]


def cut_metrics(path: Path, mark: Mark, epoch: int) -> str | None:
    """Cut the file back to what a checkpoint has seen of it.

    Returns:
        What is wrong with the file, if it does not hold that any more; the lines that can be read of the first
        ``epoch`` epochs, those that the checkpoint has seen the end of, are kept then.
    """
    raw = read_bytes(path) if path.exists() else b""
    seen = raw[: mark["bytes"]]
    if hashlib.sha256(seen).hexdigest() == mark["sha256"]:
        if len(seen) < len(raw):
            write_bytes(path, seen)
        return None
    kept = [line for line in _lines(path) if json.loads(line).get("epoch", 0) <= epoch]
    write_text(path, "".join(line + "\n" for line in kept))
    return f"`{path}` is damaged: of the first {epoch} epochs {len(kept)} lines are left, which may not be as written"


def _lines(path: Path) -> Iterator[str]:
    if not path.exists():
        return
    raw = read_bytes(path)
    for line in raw[: _whole(raw)].split(b"\n"):
        try:
            if isinstance(json.loads(line), dict):
                yield line.decode()
        except ValueError:
            continue  # torn by a crash, or the empty end


def _whole(raw: bytes) -> int:
    return raw.rfind(b"\n") + 1
